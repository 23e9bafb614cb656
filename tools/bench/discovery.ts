import type { Drained, Iterated, Listed, Named } from './discovery/client.ts';
import { wantedCount, wantedModel, type Hub } from './discovery/nodes.ts';
import type { Questions } from './discovery/part.ts';
import { Part } from './part.ts';
import { median, row, type Row } from './report.ts';

/** How many new clients each figure is of. */
const rounds = 15;
/** How long the rounds of one comparison may take, in ms; those that are done by then count. */
const roundsLimitMs = 45_000;

const wanted = (count: number): string[] => Array<string>(count).fill(wantedModel);
const others = (count: number): (string | null)[] =>
  Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 'demo-large' : null));

/** 30 nodes: the hub and 13 in a process, 13 in a second, and three of the executors in one that can be killed. */
const [hubModels, firstModels, secondModels, doomedModels] = [
  [null],
  [...wanted(2), ...others(11)],
  [...wanted(3), ...others(10)],
  wanted(3),
];

/** New clients in turn, the order reversed every other round, after one round that does not count. */
async function runRounds(acts: readonly ((counts: boolean) => Promise<void>)[]): Promise<void> {
  const end = performance.now() + roundsLimitMs;
  for (let round = 0; round <= rounds; round++) {
    if (round > 1 && performance.now() > end) {
      process.stderr.write(`Only ${round - 1} of ${rounds} rounds: the machine is slow\n`);
      return;
    }
    for (const act of round % 2 === 0 ? acts : acts.toReversed()) await act(round > 0);
  }
}

/** What a client found, and how long that took. */
async function measure(client: Part<Questions>, hub: Hub): Promise<Row[]> {
  const [iterated, drained, listed]: [Iterated[], Drained[], Listed[]] = [[], [], []];
  const iterate = async (counts: boolean): Promise<void> => {
    const measured = await client.ask('iterate', hub);
    if (counts) iterated.push(measured);
  };
  const drain = async (counts: boolean): Promise<void> => {
    const measured = await client.ask('drain', hub);
    if (counts) drained.push(measured);
  };
  const list = async (counts: boolean): Promise<void> => {
    const measured = await client.ask('list', hub);
    if (counts) listed.push(measured);
  };
  await runRounds([iterate, drain]);
  // Lists take longer, and would come before one of the others more often than before the other.
  await runRounds([list]);
  return [
    goalRow(
      'cold.first',
      iterated.map(({ firstMs }) => firstMs),
      100,
    ),
    goalRow(
      'cold.p50',
      listed.map(({ coldMs }) => coldMs),
      500,
    ),
    goalRow(
      'warm',
      listed.flatMap(({ warmMs }) => warmMs),
      5,
    ),
    row('discovery.lookup.vs-kad', {
      value: median(iterated.map(({ allMs }) => allMs)),
      baseline: median(drained.map(({ allMs }) => allMs)),
      unit: 'ms',
      against: 'kad-dht findProviders to its end',
    }),
    foundRow('discovery.found', iterated),
    foundRow('discovery.list.found', listed),
    foundRow('discovery.kad.found', drained),
    ...selectRows(listed),
  ];
}

const goalRow = (metric: string, figures: readonly number[], goal: number): Row =>
  row(
    `discovery.${metric}.vs-goal`,
    { value: median(figures), baseline: goal, unit: 'ms', against: 'goal' },
    1,
  );

/** How many of the executors clients found, on the average. */
function foundRow(metric: string, clients: readonly { readonly found: number }[]): Row {
  const value = clients.reduce((sum, { found }) => sum + found, 0) / (clients.length * wantedCount);
  return row(metric, { value, baseline: 1, unit: 'share', against: 'all of them' });
}

function selectRows(listed: readonly Listed[]): Row[] {
  const figures = listed.flatMap(({ selectMs }) => selectMs);
  const against = 'the list it selects from';
  const baseline = median(listed.flatMap(({ warmMs }) => warmMs)) * 1_000;
  const value = median(figures) * 1_000;
  return [row('discovery.select', { value, baseline, unit: 'us', against })];
}

/** How many of those who are named are dead; the ratio is of the shares that live. */
function ghostRows({ ours, listed, stock }: Named, dead: ReadonlySet<string>): Row[] {
  const ghosts = (names: readonly string[]): number => names.filter((name) => dead.has(name)).length;
  const living = (names: readonly string[]): number =>
    names.length === 0 ? 0 : 1 - ghosts(names) / names.length;
  const ghostRow = (metric: string, names: readonly string[]): Row =>
    row(metric, {
      value: ghosts(names),
      baseline: ghosts(stock),
      unit: 'dead',
      against: 'kad-dht findProviders to its end',
      // Whoever names nobody alive leaves nothing to compare with.
      ratio: living(stock) === 0 ? 1 : living(names) / living(stock),
    });
  return [ghostRow('discovery.ghosts', ours), ghostRow('discovery.ghosts.list', listed)];
}

/**
 * How fast executors are found in a network of 30 nodes over TCP on loopback, beside bare kad-dht in the same network,
 * and whether dead ones are named. Clients are new for each figure.
 */
export async function discoverySuite(): Promise<Row[]> {
  const script = new URL('discovery/part.ts', import.meta.url);
  const begin = (): Part<Questions> => new Part(script);
  const [first, second, doomed, client] = [begin(), begin(), begin(), begin()];
  const parts = [first, second, doomed, client];
  try {
    const [started] = await first.ask('start', { hub: [], models: hubModels });
    const hub = started!.addresses;
    await first.ask('start', { hub, models: firstModels });
    await second.ask('start', { hub, models: secondModels });
    const dead = await doomed.ask('start', { hub, models: doomedModels });
    await Promise.all([first, second, doomed].map((part) => part.ask('offer', undefined)));
    const rows = await measure(client, hub);
    await client.ask('stand', hub);
    await doomed.kill();
    const named = await client.ask('named', undefined);
    return [...rows, ...ghostRows(named, new Set(dead.map(({ peerId }) => peerId)))];
  } finally {
    await Promise.all(parts.map((part) => part.kill()));
  }
}
