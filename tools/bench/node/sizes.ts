// How large what is published is, and what comes with it when it is installed.
import { existsSync, globSync, lstatSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { withPacked, type Packed } from '../../checks/packed.ts';
import { sizeBudgets } from '../../checks/rules.ts';
import type { Manifest } from '../../checks/workspace.ts';
import { root } from '../../root.ts';
import { row, type Row } from '../report.ts';

/** What a node of bare libp2p has of the same modules. */
const libp2pModule = /^(?:libp2p|@libp2p\/.*|interface-datastore|datastore-.*|main-event)$/;

/** An installed package: where it is, and what it wants beside itself. */
interface Installed {
  readonly folder: string;
  readonly manifest: Manifest & { readonly peerDependenciesMeta?: Record<string, { optional?: boolean }> };
}

/** What an installation comes to. */
interface Installation {
  readonly packages: number;
  readonly bytes: number;
}

/** The folders of the workspace are as pnpm lays them: a package's dependencies are beside it. */
function find(name: string, from: string): Installed | undefined {
  for (let at = from; at !== dirname(at); at = dirname(at)) {
    const folder = join(at, 'node_modules', name);
    if (!existsSync(folder)) continue;
    const real = realpathSync(folder);
    const manifest = JSON.parse(readFileSync(join(real, 'package.json'), 'utf8')) as Installed['manifest'];
    return { folder: real, manifest };
  }
  return undefined;
}

/** What comes along: dependencies, optional ones that this machine has, and peers that are not optional. */
function wantedBy({ manifest }: Installed): string[] {
  const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = manifest;
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta?.[name]?.optional);
  return [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers];
}

const sizes = new Map<string, number>();

function bytesIn(folder: string): number {
  const known = sizes.get(folder);
  if (known !== undefined) return known;
  const files = globSync('**/*', { cwd: folder, exclude: (path) => path === 'node_modules' });
  const stats = files.map((file) => lstatSync(join(folder, file))).filter((stat) => stat.isFile());
  const bytes = stats.reduce((sum, { size }) => sum + size, 0);
  sizes.set(folder, bytes);
  return bytes;
}

/** Everything that is installed with some packages, each once. */
function installationOf(first: readonly Installed[], own: ReadonlyMap<string, Packed>): Installation {
  const seen = new Map<string, number>();
  const queue = [...first];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (seen.has(next.folder)) continue;
    seen.set(next.folder, own.get(next.manifest.name)?.size.unpackedBytes ?? bytesIn(next.folder));
    for (const name of wantedBy(next)) {
      const found = find(name, next.folder);
      if (found !== undefined) queue.push(found);
    }
  }
  return { packages: seen.size, bytes: [...seen.values()].reduce((sum, bytes) => sum + bytes, 0) };
}

/** The modules of libp2p that a package and those of ours below it are built on, and libp2p itself. */
function bareLibp2p(first: Installed): Installed[] {
  const modules = new Map<string, Installed>();
  const seen = new Set<string>();
  const visit = (at: Installed): void => {
    if (seen.has(at.folder)) return;
    seen.add(at.folder);
    for (const name of wantedBy(at)) {
      const found = find(name, at.folder);
      if (found !== undefined && libp2pModule.test(name)) modules.set(found.folder, found);
      else if (found !== undefined && name.startsWith('@lloom/')) visit(found);
    }
  };
  visit(first);
  const libp2p = modules.size === 0 ? undefined : find('libp2p', join(root, 'packages', 'behaviour'));
  return [...modules.values(), ...(libp2p === undefined ? [] : [libp2p])];
}

const mebibytes = (bytes: number): number => bytes / 2 ** 20;

function rowsOf({ pkg, size, manifest }: Packed, own: ReadonlyMap<string, Packed>): Row[] {
  const metric = `node.size.${pkg.name}`;
  const budget = sizeBudgets[pkg.name]?.packedBytes ?? size.packedBytes;
  const tarball = {
    value: size.packedBytes / 1_024,
    baseline: budget / 1_024,
    unit: 'KiB',
    against: 'its budget',
  };
  const first = { folder: realpathSync(pkg.folder), manifest };
  const bare = bareLibp2p(first);
  if (bare.length === 0) return [row(metric, tarball, 1)];
  const against = 'libp2p with the same modules';
  const [ours, theirs] = [installationOf([first], own), installationOf(bare, own)];
  return [
    row(metric, tarball, 1),
    row(`${metric}.install`, {
      value: mebibytes(ours.bytes),
      baseline: mebibytes(theirs.bytes),
      unit: 'MB',
      against,
    }),
    row(`${metric}.packages`, {
      ...{ value: ours.packages, baseline: theirs.packages, unit: 'packages', against },
      ratio: theirs.packages / ours.packages,
    }),
  ];
}

/** What each package weighs, and what an installation of it does beside one of libp2p alone. Neither takes the network. */
export function sizeRows(): Promise<Row[]> {
  return withPacked(root, async (packed) => {
    const own = new Map(packed.map((each) => [each.manifest.name, each]));
    return packed.flatMap((each) => rowsOf(each, own));
  });
}
