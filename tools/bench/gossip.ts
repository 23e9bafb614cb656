import { seededRandom } from '@lloom/simkit';
import { Network, type NetworkPlan, type OpenPlan } from './gossip/network.ts';
import type { KeyType, StackName } from './gossip/node.ts';
import { fastCount, fastPlan, leafCount, oneIpPlan, sharingCount, starPlan } from './gossip/plans.ts';
import { row, type Row } from './report.ts';
import { mediansOf } from './turns.ts';

/** How many rounds each figure is the median of. */
const rounds = 3;
const roundMs = 5_000;
/** What comes before does not count: the code is compiled then. */
const warmUpMs = 3_000;
/** How long the last messages of a round are waited for. */
const p99GraceMs = 5_000;
/** Within what a message is to be there: two heartbeats. */
const heartbeatsMs = 2_000;
/** How many messages are under way at the same time where as many as possible are published. */
const inFlight = 32;
const against = 'stock gossipsub';

/** Both stacks beside each other. */
async function withBoth<T>(
  planOf: (stack: StackName) => NetworkPlan,
  act: (ours: Network, stock: Network) => Promise<T>,
): Promise<T> {
  const ours = await Network.start(planOf('ours'));
  try {
    const stock = await Network.start(planOf('stock'));
    try {
      return await act(ours, stock);
    } finally {
      await stock.stop();
    }
  } finally {
    await ours.stop();
  }
}

/** How many messages a second reach all nodes. */
async function rates(ours: Network, stock: Network): Promise<[ours: number, stock: number]> {
  const networks = [ours, stock];
  for (const network of networks) {
    await network.pair();
    await network.closed({ inFlight, ms: warmUpMs });
  }
  const acts = networks.map((network) => () => network.closed({ inFlight, ms: roundMs }));
  const [our, their] = await mediansOf(rounds, acts);
  return [our!, their!];
}

const rateRow = (
  metric: string,
  [value, baseline]: readonly [ours: number, stock: number],
  goal: number,
): Row => row(metric, { value, baseline, unit: '1/s', against }, goal);

/** Times that know nothing of one another, as those of many authors do; the same in the same round of each run. */
function timesOf(perSecond: number, round: number): number[] {
  const random = seededRandom(round);
  const times: number[] = [];
  const gapMs = (): number => (-Math.log(1 - random.float()) * 1_000) / perSecond;
  for (let at = gapMs(); at < roundMs; at += gapMs()) times.push(at);
  return times;
}

const everyone = (count: number): number[] => Array.from({ length: count }, (_, place) => place);

/** How old all but one in a hundred of the messages are at most when they arrive, at so many a second. */
async function p99Of(network: Network, perSecond: number, round: number): Promise<number> {
  const plan = { timesMs: timesOf(perSecond, round), speakers: everyone(fastCount), graceMs: p99GraceMs };
  const { agesMs, expected } = await network.open(plan);
  // One that did not come is older than any that did.
  const ages = Float64Array.from({ length: expected }, (_, i) => agesMs[i] ?? roundMs + p99GraceMs);
  return ages.toSorted()[Math.floor(expected * 0.99)] ?? Number.NaN;
}

async function speedRows(ours: Network, stock: Network): Promise<Row[]> {
  const measured = await rates(ours, stock);
  const [half, theirHalf] = [measured[0] / 2, measured[1] / 2];
  const at = (network: Network, perSecond: number) => (round: number) => p99Of(network, perSecond, round);
  const acts = [at(ours, half), at(ours, theirHalf), at(stock, theirHalf)];
  const [value, sameRate, baseline] = await mediansOf(rounds, acts);
  const p99Row = (metric: string, p99: number, goal: number | null): Row =>
    row(metric, { value: p99, baseline: baseline!, unit: 'ms', against }, goal);
  return [
    rateRow('gossip.rate.vs-gossipsub', measured, 8),
    p99Row('gossip.p99.vs-gossipsub', value!, 1),
    p99Row('gossip.p99-same-rate', sameRate!, null),
  ];
}

/** The share of messages and receivers of them that came together within two heartbeats. */
async function shareOf(network: NetworkPlan, plan: Omit<OpenPlan, 'graceMs'>): Promise<number> {
  const started = await Network.start(network);
  try {
    const { agesMs, expected } = await started.open({ ...plan, graceMs: heartbeatsMs });
    return agesMs.filter((age) => age <= heartbeatsMs).length / expected;
  } finally {
    await started.stop();
  }
}

/** A network in which gossipsub loses messages. */
interface Hardship {
  readonly planOf: (stack: StackName) => NetworkPlan;
  readonly speakers: readonly number[];
  readonly messages: number;
  readonly goal: number;
}

/** How much is delivered of messages that come ten a second; the ratio is our share. */
async function deliveryRow(metric: string, hardship: Hardship): Promise<Row> {
  const { planOf, speakers, messages, goal } = hardship;
  const plan = { timesMs: Array.from({ length: messages }, (_, i) => i * 100), speakers };
  const value = await shareOf(planOf('ours'), plan);
  const baseline = await shareOf(planOf('stock'), plan);
  return row(metric, { value, baseline, unit: 'share', against, ratio: value }, goal);
}

/**
 * How fast messages reach everybody among ten nodes over TCP on loopback, and how many of them do where gossipsub loses
 * some, beside stock gossipsub.
 */
export async function gossipSuite(): Promise<Row[]> {
  const fast = (keyType: KeyType) => (stack: StackName) => fastPlan(stack, keyType);
  const rows = await withBoth(fast('secp256k1'), speedRows);
  const ed25519 = await withBoth(fast('Ed25519'), rates);
  return [
    ...rows,
    rateRow('gossip.rate-ed25519.vs-gossipsub', ed25519, 1.5),
    await deliveryRow('gossip.star.delivery', {
      planOf: starPlan,
      speakers: everyone(leafCount).map((leaf) => leaf + 1),
      messages: 100,
      goal: 0.999,
    }),
    await deliveryRow('gossip.one-ip.delivery', {
      planOf: oneIpPlan,
      speakers: everyone(sharingCount),
      messages: 50,
      goal: 1,
    }),
  ];
}
