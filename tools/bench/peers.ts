import { setTimeout as pause } from 'node:timers/promises';
import { Part } from './part.ts';
import type { Memory } from './peers/memory.ts';
import type { NodePlan, StackName } from './peers/node.ts';
import type { Questions } from './peers/part.ts';
import { plannerTimes } from './peers/planner.ts';
import { storm, type Storm } from './peers/storm.ts';
import { median, row, type Row } from './report.ts';

const against = 'libp2p as it comes';

/** How many visitors a node holds, each with one connection. */
const idleCount = 200;
/** How many come first and go again: what is measured is not what the first ones cost. */
const idleWarmUp = 50;
/** How many nodes of each stack, each in a process of its own. */
const idleNodes = 3;
/** Longer than the pause between the pings of either stack, and than whatever waits after a connection. */
const idleMs = 17_000;
const idleLooks = 3;
const idleLookMs = 1_000;

const dialTargets = 8;
const dialRounds = 11;
const dialMs = 800;
/** Handshakes run through much code, and what is not compiled yet takes twice as long. */
const dialWarmUpMs = 5_000;

const stormRounds = 3;
const stormRssGoalMb = 256;
const stormP99GoalMs = 1_000;

const plannerGoalMs = 20;

const mebibyte = 1_048_576;

const begin = (): Part<Questions> => new Part(new URL('peers/part.ts', import.meta.url));

/** Acts on new processes, which are ended afterwards. */
async function withParts<T>(count: number, act: (parts: Part<Questions>[]) => Promise<T>): Promise<T> {
  const parts = Array.from({ length: count }, begin);
  try {
    return await act(parts);
  } finally {
    await Promise.all(parts.map((part) => part.kill()));
  }
}

/** Acts on each in turn, the order reversed every other round; the figures of each. */
async function inTurn<T, R>(rounds: number, each: readonly T[], act: (one: T) => Promise<R>): Promise<R[][]> {
  const figures: R[][] = each.map(() => []);
  for (let round = 0; round < rounds; round++) {
    const turns = [...each.entries()];
    for (const [i, one] of round % 2 === 0 ? turns : turns.toReversed()) figures[i]!.push(await act(one));
  }
  return figures;
}

/**
 * The least of several looks: pings that are under way just then are not idle. `undefined` when connections were lost, as to
 * pings that a busy machine answers too late.
 */
async function memoryOf(holder: Part<Questions>, wanted: number): Promise<Memory | undefined> {
  const looks: Memory[] = [];
  for (let look = 0; look < idleLooks; look++) {
    const { connections, ...memory } = await holder.ask('memory', undefined);
    if (connections !== wanted) {
      process.stderr.write(
        `A node has ${connections} connections instead of ${wanted}, and does not count\n`,
      );
      return undefined;
    }
    looks.push(memory);
    await pause(idleLookMs);
  }
  const least = (of: (memory: Memory) => number): number => Math.min(...looks.map(of));
  return { rss: least(({ rss }) => rss), heap: least(({ heap }) => heap) };
}

/** By how much each connection made a process grow, in KiB. */
interface Grown {
  readonly stack: StackName;
  readonly rss: number;
  readonly heap: number;
}

/** What an idle connection takes of memory: several nodes of each stack, all at the same time, with the same visitors. */
function idleGrowth(): Promise<Grown[]> {
  const stacks = Array.from({ length: idleNodes }, (): StackName[] => ['tuned', 'stock']).flat();
  return withParts(1 + stacks.length, async ([crowd, ...holders]) => {
    await crowd!.ask('crowd', idleCount);
    const plan = { maxConnections: 2 * idleCount, isPatient: true };
    const targets = await Promise.all(
      holders.map((holder, i) => holder.ask('start', [{ ...plan, stack: stacks[i]! }])),
    );
    const addresses = targets.map(([target]) => target!.address);
    const memory = (connections: number) =>
      Promise.all(holders.map((holder) => memoryOf(holder, connections)));
    await crowd!.ask('come', { addresses, count: idleWarmUp });
    await crowd!.ask('go', undefined);
    await pause(idleMs);
    const before = await memory(0);
    await crowd!.ask('come', { addresses, count: idleCount });
    await pause(idleMs);
    const after = await memory(idleCount);
    return stacks.flatMap((stack, i) => {
      const [from, to] = [before[i], after[i]];
      if (from === undefined || to === undefined) return [];
      const each = (which: keyof Memory): number => (to[which] - from[which]) / idleCount / 1_024;
      return [{ stack, rss: each('rss'), heap: each('heap') }];
    });
  });
}

async function idleRows(): Promise<Row[]> {
  const grown = await idleGrowth();
  if (new Set(grown.map(({ stack }) => stack)).size < 2) return [];
  const of = (which: keyof Memory) => {
    const kib = (stack: StackName): number =>
      median(grown.filter((each) => each.stack === stack).map((each) => each[which]));
    return { value: kib('tuned'), baseline: kib('stock'), unit: 'KiB', against };
  };
  return [
    row('peers.idle-memory.vs-libp2p', of('heap'), 0.8),
    row('peers.idle-memory.rss.vs-libp2p', of('rss')),
  ];
}

/** Somebody who dials and hangs up, and those who are dialled, all of one stack. */
async function createPair(stack: StackName, [client, server]: readonly Part<Questions>[]) {
  const plan: NodePlan = { stack };
  await client!.ask('start', [plan]);
  const targets = await server!.ask(
    'start',
    Array.from({ length: dialTargets }, () => plan),
  );
  return (ms: number) => client!.ask('dials', { targets, ms });
}

/** How many dials and hang-ups a second, one after the other. */
function dialRows(): Promise<Row[]> {
  const stacks: readonly StackName[] = ['service', 'stock', 'tuned'];
  return withParts(2 * stacks.length, async (parts) => {
    const pairs = await Promise.all(
      stacks.map((stack, i) => createPair(stack, parts.slice(2 * i, 2 * i + 2))),
    );
    for (const pair of pairs) await pair(dialWarmUpMs);
    const [service, stock, tuned] = (await inTurn(dialRounds, pairs, (pair) => pair(dialMs))).map(median);
    const rateRow = (metric: string, value: number, goal: number | null): Row =>
      row(metric, { value, baseline: stock!, unit: '1/s', against }, goal);
    return [
      rateRow('peers.dials.vs-libp2p', service!, 0.9),
      rateRow('peers.dials-tuned.vs-libp2p', tuned!, null),
    ];
  });
}

/** What a storm of dials and streams does to a node, and to an honest peer of it. */
async function stormRows(): Promise<Row[]> {
  const stacks: readonly StackName[] = ['tuned', 'stock'];
  const [ours, stock] = await inTurn(stormRounds, stacks, (stack) => storm(stack));
  const rowsOf = (name: string, unit: string, { goal, of }: { goal: number; of: (one: Storm) => number }) => {
    const [value, baseline] = [median(ours!.map(of)), median(stock!.map(of))];
    return [
      row(`peers.storm.${name}.vs-goal`, { value, baseline: goal, unit, against: 'goal' }, 1),
      row(`peers.storm.${name}.vs-libp2p`, { value, baseline, unit, against }),
    ];
  };
  const countRow = (name: string, of: (one: Storm) => number): Row =>
    row(`peers.storm.${name}`, {
      value: median(ours!.map(of)),
      baseline: median(stock!.map(of)),
      unit: 'of all',
      against,
    });
  return [
    ...rowsOf('rss', 'MB', { goal: stormRssGoalMb, of: ({ rssGrowth }) => rssGrowth / mebibyte }),
    ...rowsOf('p99', 'ms', { goal: stormP99GoalMs, of: ({ p99Ms }) => p99Ms }),
    countRow('connected', ({ connected }) => connected),
    countRow('opened', ({ opened }) => opened),
  ];
}

/** How long the plan of the pool takes for many peers. */
async function plannerRow(): Promise<Row> {
  const measured = {
    value: median(await plannerTimes()),
    baseline: plannerGoalMs,
    unit: 'ms',
    against: 'goal',
  };
  return row('peers.planner10k.vs-goal', measured, 1);
}

/**
 * What the service costs beside libp2p as it comes: memory of idle connections, dials, a plan for many peers; and what a
 * storm of dials and streams does to either.
 */
export async function peersSuite(): Promise<Row[]> {
  return [await plannerRow(), ...(await idleRows()), ...(await dialRows()), ...(await stormRows())];
}
