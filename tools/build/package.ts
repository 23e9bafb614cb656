// Runs in the folder of a package, after the compiler has written its types: puts the sources behind each of its entries into few
// files, which load a good deal faster than many. What it depends on stays where it is installed.
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { writeBundle } from './bundle.ts';
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
const isBare = (name: string): boolean => !/^[./]|^[A-Za-z]:[\\/]/.test(name);

const entries = new Map<string, string>();
for (const entry of Object.values(manifest.exports)) {
  if (typeof entry === 'string' || entry['@lloom/source'] === undefined) continue;
  const source = resolve(entry['@lloom/source']);
  entries.set(placeOf(source).replace(/\.js$/, ''), source);
}

const chunks = await writeBundle({ entries, folder: dist, isExternal: isBare, treeshake: true, placeOf });
const written = chunks.map(({ fileName }) => fileName);
if (manifest.bin !== undefined) written.push(...(await commandFiles(folder)));

// What the build before has left.
const kept = new Set(written.flatMap((name) => [name, `${name}.map`]));
for (const file of globSync('**/*.js{,.map}', { cwd: dist })) {
  const name = file.replaceAll('\\', '/');
  if (!kept.has(name) && existsSync(join(dist, file))) rmSync(join(dist, file));
}
