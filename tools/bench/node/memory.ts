import { setTimeout as pause } from 'node:timers/promises';
import { median, row, type Row } from '../report.ts';
import { mediansOf } from '../turns.ts';
import { Script } from './script.ts';

const rounds = 3;
/** Until what a start leaves behind is gone. */
const idleMs = 3_000;
const connections = 8;

interface Memory {
  readonly rss: number;
  /** What is reachable of JavaScript's heap, and of what hangs on it outside. */
  readonly heap: number;
  readonly connections: number;
}

interface Measured {
  readonly idle: Memory;
  readonly connected: Memory;
}

/** A fresh process with one node: alone, then with others that have dialled it. */
async function measure(kind: 'lloom' | 'libp2p'): Promise<Measured> {
  const node = new Script('memory.mjs', { args: [kind], nodeArgs: ['--expose-gc'] });
  let crowd: Script | undefined;
  try {
    const address = await node.next<string>();
    await pause(idleMs);
    const idle = await node.ask<Memory>();
    crowd = new Script('crowd.mjs', { args: [address, String(connections)] });
    await crowd.next();
    await pause(idleMs);
    const connected = await node.ask<Memory>();
    if (connected.connections !== connections)
      throw new Error(`${kind} has ${connected.connections} connections`);
    return { idle, connected };
  } finally {
    await crowd?.kill();
    await node.kill();
  }
}

const mib = 2 ** 20;

/** What a node takes of a machine that does nothing. */
export async function memoryRows(): Promise<Row[]> {
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  await mediansOf(rounds, [
    async () => ours.push(await measure('lloom')),
    async () => theirs.push(await measure('libp2p')),
  ]);
  const rowOf = (metric: string, take: (measured: Measured) => number): Row => {
    const [value, baseline] = [ours, theirs].map((all) => median(all.map(take)) / mib) as [number, number];
    return row(metric, { value, baseline, unit: 'MiB', against: 'bare libp2p with the same modules' });
  };
  return [
    rowOf('node.idle-memory.vs-libp2p', ({ idle }) => idle.rss),
    rowOf('node.idle-memory.heap', ({ idle }) => idle.heap),
    rowOf('node.idle-memory.connected', ({ connected }) => connected.rss),
    rowOf('node.idle-memory.connected.heap', ({ connected }) => connected.heap),
  ];
}
