// Runs in the folder of a package, after the compiler has written its types: puts the sources behind each of its entries into few
// files, which load a good deal faster than many. What it depends on stays where it is installed.
import { globSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { isBare, writeBundle } from './bundle.ts';
import { commandFiles } from './command.ts';

interface Entry {
  readonly '@lloom/source'?: string;
  readonly default?: string;
}

const folder = process.cwd();
const sources = join(folder, 'src');
const dist = join(folder, 'dist');
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly exports: Readonly<Record<string, Entry | string>>;
  readonly bin?: unknown;
};

/** `dist/index` of `src/index.ts`, and so on. */
const placeOf = (source: string): string => relative(sources, source).replace(/\.ts$/, '.js');

const entries = new Map<string, string>();
for (const entry of Object.values(manifest.exports)) {
  if (typeof entry === 'string' || entry['@lloom/source'] === undefined) continue;
  const source = resolve(entry['@lloom/source']);
  entries.set(placeOf(source).replace(/\.js$/, ''), source);
}

const chunks = await writeBundle({ entries, folder: dist, isExternal: isBare, placeOf });
const kept = new Set(chunks.flatMap(({ fileName }) => [fileName, `${fileName}.map`]));
if (manifest.bin !== undefined) {
  for (const name of await commandFiles(folder)) {
    if (kept.has(name)) throw new Error(`Both the package and its command have a file ${name}`);
    kept.add(name);
  }
}

// What the build before has left.
for (const file of globSync('**/*.js{,.map}', { cwd: dist })) {
  if (!kept.has(file.replaceAll('\\', '/'))) rmSync(join(dist, file), { force: true });
}
