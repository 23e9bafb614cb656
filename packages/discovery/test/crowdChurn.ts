import { seededRandom } from '@lloom/simkit';
import { expect } from 'vitest';
import { advertiseAll, crowd, offer, peerIdOf, serviceOf, type SimNetwork } from './simNodes.ts';

const executors = Array.from({ length: 9 }, (_, at) => `e${at + 1}`);
/** They never go down: whoever looks must find each of them, always. */
const stable = executors.slice(0, 4);
const clients = Array.from({ length: 38 }, (_, at) => `c${at + 1}`);

/** Fifty nodes: a hub, two validators, nine executors and thirty-eight clients. */
export const fifty = ['hub', 'v1', 'v2', ...executors, ...clients];
/** The same with six executors and eight clients. */
export const seventeen = ['hub', 'v1', 'v2', ...executors.slice(0, 6), ...clients.slice(0, 8)];

/** Builds them: a few of the clients are servers of the DHT, beside all others. */
export const createCrowd = () =>
  crowd((name) => {
    const isClient = name.startsWith('c');
    return { onlyAsks: isClient, isClient: isClient && Number(name.slice(1)) % 12 !== 0 };
  });

/** What a run of {@link churnCrowd} came to. */
export interface ChurnReport {
  readonly lookups: number;
  /** Lookups that found somebody who lives. */
  readonly answered: number;
  /** Searches to their end that missed a stable executor. */
  readonly missed: readonly string[];
  /** The longest that anybody was listed after its death, in ms. */
  readonly longestGhostMs: number;
}

const roundMs = 12_000;
/** How long a node stays down before another one takes its place. */
const downMs = 120_000;

/**
 * Five nodes go down each minute, a tenth of fifty, every other one with its machine, and comes back two minutes later with
 * an empty disk. In each round a client that is up looks for executors, and now and then searches to the end.
 */
export async function churnCrowd(network: SimNetwork, minutes: number): Promise<ChurnReport> {
  const chance = seededRandom(`churn/${network.seed}`);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(chance.float() * from.length)]!;
  const isThere = (name: string): boolean => network.nodes.has(name);
  const [serving, asking] = [executors.filter(isThere), clients.filter(isThere)];
  await advertiseAll(network, serving);
  const nameOf = new Map(serving.map((name) => [peerIdOf(network, name), name]));
  const diedAtMs = new Map<string, number>();
  const missed: string[] = [];
  let [lookups, answered, longestGhostMs] = [0, 0, 0];
  const note = (peerIds: readonly string[]): void => {
    for (const peerId of peerIds) {
      const atMs = diedAtMs.get(nameOf.get(peerId) ?? '');
      if (atMs !== undefined) longestGhostMs = Math.max(longestGhostMs, network.clock.elapsed() - atMs);
    }
  };
  for (let round = 0; round < (minutes * 60_000) / roundMs; round += 1) {
    const beganAtMs = network.clock.elapsed();
    for (const [name, atMs] of diedAtMs) {
      if (beganAtMs - atMs < downMs) continue;
      await network.restart(name, { datastore: 'empty' });
      diedAtMs.delete(name);
      if (name.startsWith('e')) await network.run(serviceOf(network, name).advertiseService(offer));
    }
    const mortal = [...serving, ...asking].filter((name) => !stable.includes(name) && !diedAtMs.has(name));
    const dying = pick(mortal);
    network.crash(dying, { isSilent: round % 2 === 0 });
    diedAtMs.set(dying, network.clock.elapsed());
    await network.runFor(roundMs / 2);
    const by = pick(asking.filter((name) => !diedAtMs.has(name)));
    lookups += 1;
    const list = await network.run(() => serviceOf(network, by).findModelProviders('demo-small'));
    const found = list.map(({ peerId }) => peerId);
    note(found);
    if (found.some((peerId) => !diedAtMs.has(nameOf.get(peerId) ?? ''))) answered += 1;
    // Every fifth time by asking everybody: that takes as long as the dead are waited for.
    if (round % 5 !== 4) {
      await network.runFor(Math.max(0, beganAtMs + roundMs - network.clock.elapsed()));
      continue;
    }
    const confirmed = await network.run(
      async () => {
        const names: string[] = [];
        for await (const { peerId } of serviceOf(network, by).executors()) names.push(peerId);
        return names;
      },
      { timeoutMs: 120_000 },
    );
    note(confirmed);
    for (const name of stable) {
      const isFound = confirmed.includes([...nameOf].find(([, each]) => each === name)![0]);
      if (!isFound) missed.push(`${name} by ${by} at ${network.clock.elapsed()}`);
    }
    await network.runFor(Math.max(0, beganAtMs + roundMs - network.clock.elapsed()));
  }
  return { lookups, answered, missed, longestGhostMs };
}

/** What T17 demands. */
export function expectCalm(report: ChurnReport, seed: number): void {
  const { lookups, answered, missed, longestGhostMs } = report;
  expect({ seed, missed }).toEqual({ seed, missed: [] });
  expect({ seed, isSure: answered >= 0.99 * lookups }).toEqual({ seed, isSure: true });
  expect({ seed, isGhostFree: longestGhostMs <= 60_000 }).toEqual({ seed, isGhostFree: true });
}

/** How many executors the registry of a validator knows, asked by a client. */
const registered = (network: SimNetwork, by: string, validator: string): Promise<number> =>
  network.run(async () => {
    const peerId = peerIdOf(network, validator);
    const answer = await serviceOf(network, by).queryRegistry(peerId, { type: 'getStatistics' });
    return answer.type === 'statistics' ? answer.totalExecutors : 0;
  });

/** What T19 demands: a validator knows all executors again within one announcement, and a bootstrap peer is no loss. */
export async function restartCrowd(
  network: SimNetwork,
  disks: readonly ('kept' | 'empty')[] = ['kept', 'empty'],
): Promise<void> {
  const { seed } = network;
  const up = executors.filter((name) => network.nodes.has(name));
  const by = clients.find((name) => network.nodes.has(name))!;
  for (const datastore of disks) {
    network.crash('v1', { isSilent: datastore === 'empty' });
    await network.runFor(5_000);
    await network.restart('v1', { datastore });
    await network.run(serviceOf(network, 'v1').advertiseService({ kind: 'validator', stake: '1' }));
    await network.runFor(30_000);
    expect({ seed, datastore, known: await registered(network, by, 'v1') }).toEqual({
      seed,
      datastore,
      known: up.length,
    });
  }
  network.crash('hub');
  await network.runFor(10_000);
  const meanwhile = await network.run(() =>
    serviceOf(network, by).findModelProviders('demo-small', { maxAgeMs: 0 }),
  );
  expect(meanwhile.length).toBeGreaterThan(0);
  await network.restart('hub');
  await network.runFor(35_000);
  // Whoever comes now knows the hub alone.
  network.crash(by);
  await network.restart(by, { datastore: 'empty' });
  await network.runFor(5_000);
  const found = await network.run(
    () => serviceOf(network, by).findModelProviders('demo-small', { maxAgeMs: 0 }),
    {
      timeoutMs: 120_000,
    },
  );
  expect({ seed, found: found.length }).toEqual({ seed, found: up.length });
}
