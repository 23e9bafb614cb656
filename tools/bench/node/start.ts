import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isBare, writeBundle } from '../../build/bundle.ts';
import { root } from '../../root.ts';
import { median, row, type Row } from '../report.ts';
import { mediansOf } from '../turns.ts';
import { Script } from './script.ts';

const rounds = 7;
const libp2p = 'bare libp2p with the same modules';
const cli = join(root, 'packages', 'cli');

/** What a start took until the process said so. */
interface Start {
  readonly ms: number;
  /** CPU time, of all threads. */
  readonly cpuMs: number;
}

/** Two rows: the time, and the CPU time, which is the steadier one on a machine that does other things besides. */
async function startsRows(
  metric: string,
  acts: readonly (() => Promise<Start>)[],
  { against, goal }: { readonly against: string; readonly goal?: number },
): Promise<Row[]> {
  const starts: Start[][] = acts.map(() => []);
  await mediansOf(
    rounds,
    acts.map((act, i) => async () => starts[i]!.push(await act())),
  );
  const rowOf = (name: string, take: (start: Start) => number): Row => {
    const [value, baseline] = starts.map((all) => median(all.map(take))) as [number, number];
    return row(name, { value, baseline, unit: 'ms', against }, goal);
  };
  return [rowOf(metric, ({ ms }) => ms), rowOf(`${metric}.cpu`, ({ cpuMs }) => cpuMs)];
}

/** From the start of a process until its modules are loaded. */
const importRows = (): Promise<Row[]> =>
  startsRows(
    'node.import.vs-libp2p',
    ['lloomImport.mjs', 'libp2pImport.mjs'].map((file) => () => Script.told<Start>(file)),
    { against: libp2p },
  );

/** From the start of a client until its first answer. */
async function answerRows(): Promise<Row[]> {
  const servers = [new Script('lloomServer.mjs'), new Script('libp2pServer.mjs')];
  try {
    const addresses = await Promise.all(servers.map((server) => server.next<string>()));
    const clients = ['lloomClient.mjs', 'libp2pClient.mjs'];
    const acts = clients.map((file, i) => () => Script.told<Start>(file, [addresses[i]!]));
    return await startsRows('node.cold-start.vs-libp2p', acts, { against: `${libp2p}, an echo`, goal: 0.83 });
  } finally {
    for (const server of servers) await server.kill();
  }
}

/** From the start of the command until its node listens: the files that are shipped, and the same with all packages as installed. */
async function bundledRows(): Promise<Row[]> {
  // Below the package, whose dependencies it finds.
  const folder = await mkdtemp(join(cli, 'node_modules', '.unbundled-'));
  try {
    await writeBundle({
      entries: new Map([['bin', join(cli, 'src', 'bin.ts')]]),
      folder,
      isExternal: isBare,
      placeOf: () => join(cli, 'dist', 'bin.js'),
    });
    const bins = [join(cli, 'dist', 'bin.js'), join(folder, 'bin.js')];
    return await startsRows(
      'node.cold-start.bundled',
      bins.map((bin) => () => listens(bin)),
      { against: 'the command, packages as installed', goal: 2 },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function listens(bin: string): Promise<Start> {
  const startMs = performance.now();
  const script = new Script(pathToFileURL(bin).href, { args: ['validator', '--json', '--quiet'] });
  try {
    await script.next();
    return { ms: performance.now() - startMs, cpuMs: script.cpuMs };
  } finally {
    await script.kill();
  }
}

/** What it takes until a process of ours does something. */
export async function startRows(): Promise<Row[]> {
  return [...(await importRows()), ...(await answerRows()), ...(await bundledRows())];
}
