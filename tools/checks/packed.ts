import { execFile } from 'node:child_process';
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { packagesOf, slashed } from './workspace.ts';
import type { Manifest, Package } from './workspace.ts';

const run = promisify(execFile);

/** What a tarball, and what is in it, come to. */
export interface Size {
  readonly packedBytes: number;
  readonly unpackedBytes: number;
}

/** A package as it would be published. */
export interface Packed {
  readonly pkg: Package;
  /** What its tarball says. */
  readonly manifest: Manifest;
  readonly data: Uint8Array;
  readonly size: Size;
  /** Where the tarball is unpacked, in a `node_modules` of its own. */
  readonly folder: string;
  /** Path within the package -> text. */
  readonly files: ReadonlyMap<string, string>;
}

async function pack(pkg: Package, scope: string): Promise<Packed> {
  const { stdout } = await run('pnpm', ['pack', '--json', '--pack-destination', scope], {
    cwd: pkg.folder,
    maxBuffer: 1 << 26,
  });
  const { filename } = JSON.parse(stdout) as { filename: string };
  await run('tar', ['-xzf', filename, '-C', scope]);
  const folder = join(scope, pkg.name);
  renameSync(join(scope, 'package'), folder);
  const paths = globSync('**', { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => slashed(join(entry.parentPath, entry.name).slice(folder.length + 1)));
  const files = new Map(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]));
  const manifest = JSON.parse(files.get('package.json') ?? '{}') as Manifest;
  const data = new Uint8Array(readFileSync(filename));
  const unpackedBytes = paths.reduce((sum, path) => sum + statSync(join(folder, path)).size, 0);
  return { pkg, manifest, data, size: { packedBytes: data.length, unpackedBytes }, folder, files };
}

/** Gives a package what its manifest names, and nothing else, in the versions of the workspace. */
function link({ pkg, manifest, folder }: Packed): void {
  const { dependencies, optionalDependencies, peerDependencies } = manifest;
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
    // Packages of the repository find each other beside themselves.
    if (name.startsWith('@lloom/')) continue;
    const place = join(folder, 'node_modules', name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(pkg.folder, 'node_modules', name), place, 'junction');
  }
}

/** Hands over every package that is published, as it would be: packed, and unpacked beside the others where it can run. */
export async function withPacked<T>(
  root: string,
  work: (packed: readonly Packed[]) => Promise<T>,
): Promise<T> {
  const place = mkdtempSync(join(tmpdir(), 'lloom-pack-'));
  try {
    const scope = join(place, 'node_modules', '@lloom');
    mkdirSync(scope, { recursive: true });
    const all: Packed[] = [];
    for (const pkg of packagesOf(root).filter(({ manifest }) => manifest.private !== true))
      all.push(await pack(pkg, scope));
    for (const packed of all) link(packed);
    return await work(all);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
