// The command as it is shipped: all that it loads in few files, beside the terms of what is in them.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import type { OutputChunk } from 'rolldown';
import { root } from '../root.ts';
import { writeBundle } from './bundle.ts';

/** What is started: the command, the demo's processes, and the thread that draws charts. */
const programs = ['bin', 'demo/main', 'demo/client', 'demo/application', 'view/chartThread'];

/**
 * What stays where it is installed. Addons look for their binaries beside themselves. Simulations swap parts of libp2p's files while
 * they are loaded. What is loaded by `require` at run time is not seen here. The rest is large, and seldom wanted.
 */
const external = [
  /^classic-level$/,
  /^@lloom\/(?:simkit|simulator)(?:\/|$)/,
  /^(?:prom-client|@opentelemetry\/.*)$/,
  /^elkjs\//,
];

/** What the files are called in which the terms of a package are. */
const termsName = /^(?:licen[cs]e|copying|notice)/i;
/** A package that has its text. */
const apacheLicense = join(root, 'packages/cli/node_modules/@opentelemetry/api/LICENSE');
/** Under these, what was built of a work may be given to anybody who is shown them. */
const permitted = /^\(?(?:MIT|ISC|0BSD|BSD-[23]-Clause|Apache-2\.0|Unlicense|CC0-1\.0|BlueOak-1\.0\.0)\b/;

/** Writes the command of a package into its `dist`. @returns the files, below it */
export async function commandFiles(folder: string): Promise<string[]> {
  const sources = join(folder, 'src');
  const dist = join(folder, 'dist');
  const chunks = await writeBundle({
    entries: new Map(programs.map((program) => [program, join(sources, `${program}.ts`)])),
    folder: dist,
    isExternal: (name) => external.some((pattern) => pattern.test(name)),
    // As large again, and of sources that are not there for the most part.
    sourcemap: false,
    placeOf: (source) => {
      if (source.startsWith(sources + sep)) return relative(sources, source).replace(/\.ts$/, '.js');
      // Those of our other packages look for what is loaded by `require`, which is found from here.
      return source.includes(`${sep}node_modules${sep}`) ? undefined : 'bin.js';
    },
  });
  writeFileSync(join(dist, 'third-party-notices.txt'), notices(chunks));
  return chunks.map(({ fileName }) => fileName);
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly author?: string | { readonly name: string };
  readonly repository?: string | { readonly url: string };
}

/** The terms of every package that is in the files. @throws where there are none that permit it */
function notices(chunks: readonly OutputChunk[]): string {
  const folders = new Set<string>();
  for (const module of chunks.flatMap(({ moduleIds }) => moduleIds)) {
    const folder = folderOf(module);
    if (folder !== undefined) folders.add(folder);
  }
  const parts = new Set<string>();
  for (const folder of folders) {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    const { name, version, license } = manifest;
    if (license === undefined || !permitted.test(license))
      throw new Error(
        `${name} ${version} is in the command, under terms that nobody has looked at: ${license}`,
      );
    const files = readdirSync(folder).filter((file) => termsName.test(file));
    const own = files.toSorted().map((file) => readFileSync(join(folder, file), 'utf8').trim());
    parts.add(`${name} ${version} (${license})\n\n${own.join('\n\n') || standardTerms(manifest)}`);
  }
  const first =
    'The files of the command `lloom` have parts of these packages in them, under the terms below.';
  const apache = `Apache License 2.0\n\n${readFileSync(apacheLicense, 'utf8').trim()}`;
  return `${[first, ...[...parts].toSorted(), apache].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/** The terms that a package names, where it comes without their text: those of MIT where it leaves the choice. */
function standardTerms({ name, license = '', author, repository }: Manifest): string {
  const holder = typeof author === 'object' ? author.name : author;
  const url = typeof repository === 'object' ? repository.url : repository;
  const copyright = `Copyright (c) ${holder ?? 'its contributors'}, ${url ?? name}`;
  if (/\bMIT\b/.test(license)) return `${copyright}\n\n${mitTerms()}`;
  if (/\bApache-2\.0\b/.test(license))
    return `${copyright}\n\nUnder the Apache License 2.0, at the end of this file.`;
  throw new Error(`${name} is in the command, and has no text of its terms: ${license}`);
}

/** This repository's own terms are those of MIT: what follows the name of whose it is. */
const mitTerms = (): string => {
  const text = readFileSync(join(root, 'LICENSE'), 'utf8');
  return text.slice(text.indexOf('Permission is hereby granted')).trim();
};

/** The folder of the third-party package that a module is of. */
function folderOf(module: string): string | undefined {
  if (!module.startsWith(root) || !module.includes(`${sep}node_modules${sep}`)) return undefined;
  let folder = dirname(module);
  // Some have manifests without a name in folders of their own.
  while (!existsSync(join(folder, 'package.json')) || !isPackage(folder)) folder = dirname(folder);
  return folder;
}

const isPackage = (folder: string): boolean =>
  'version' in (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as object);
