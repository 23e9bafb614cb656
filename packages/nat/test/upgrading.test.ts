import { EventHub, type Clock } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { NatEvents } from '../src/events.ts';
import type { DirectNetwork, PeerLinks, PunchCall, PunchPlan } from '../src/internal/directNetwork.ts';
import type { Observation } from '../src/internal/mapping.ts';
import { Upgrading } from '../src/upgrading.ts';
import { settled } from './machines.ts';

class TestClock extends SimulatedClock implements Clock {
  elapsed(): number {
    return this.now();
  }
}

const relayedIn: PeerLinks = { relayed: { isInbound: true, isIdentified: true } };
const direct: PeerLinks = { ...relayedIn, direct: { address: '/ip4/10.7.0.1/tcp/1', isInbound: false } };

/** A network whose dials and agreements end when the test says so. */
class FakeNetwork implements DirectNetwork {
  readonly selfPeerId = 'peer-m';
  readonly links = new Map<string, PeerLinks>();
  readonly dials: { readonly peerId: string; readonly fail: (error: Error) => void }[] = [];
  readonly agreed: { readonly peerId: string; readonly isCalled: boolean; readonly mapping: string }[] = [];
  seen: readonly Observation[] = [];
  plan: Pick<PunchPlan, 'reason'> | 'none' = 'none';
  ended = 0;
  isServed = false;
  #changed: ((peerId: string) => void) | undefined;
  asked: (call: PunchCall) => void = () => undefined;
  addresses: readonly string[] = ['/ip4/192.168.1.2/tcp/4001'];

  get isWatched(): boolean {
    return this.#changed !== undefined;
  }

  change(peerId: string, links: PeerLinks): void {
    this.links.set(peerId, links);
    this.#changed?.(peerId);
  }

  relayedPeers(): readonly string[] {
    return Array.from(this.links.keys());
  }

  linksTo(peerId: string): PeerLinks {
    return this.links.get(peerId) ?? {};
  }

  ownAddresses(): readonly string[] {
    return this.addresses;
  }

  watch(changed: (peerId: string) => void): () => void {
    this.#changed = changed;
    return () => (this.#changed = undefined);
  }

  async serve(asked: (call: PunchCall) => void): Promise<() => Promise<void>> {
    this.asked = asked;
    this.isServed = true;
    return async () => {
      await settled();
      this.isServed = false;
    };
  }

  dial(peerId: string): Promise<void> {
    const { promise, reject } = Promise.withResolvers<void>();
    this.dials.push({ peerId, fail: reject });
    return promise;
  }

  async agree({ call, mapping, peerId }: Parameters<DirectNetwork['agree']>[0]): Promise<PunchPlan> {
    this.agreed.push({ peerId, mapping, isCalled: call !== undefined });
    if (this.plan === 'none') return new Promise(() => undefined);
    const punch = (): Promise<void> => Promise.reject(new Error('nothing came through'));
    return { ...this.plan, seen: this.seen, punch, end: () => void this.ended++ };
  }
}

async function begin(isEnabled = true) {
  const [clock, network] = [new TestClock(), new FakeNetwork()];
  const hub = new EventHub<NatEvents>(() => undefined);
  const told: string[] = [];
  hub.addEventListener('connection:upgraded', ({ detail }) => told.push(`${detail.peerId} ${detail.how}`));
  hub.addEventListener('connection:stays-relayed', ({ detail }) =>
    told.push(`${detail.peerId} ${detail.reason}`),
  );
  const random = { bytes: (length: number) => new Uint8Array(length), float: () => 0.5 };
  const shared = { clock, random, inspect: undefined, hub, log: () => undefined };
  const upgrading = new Upgrading({ ...shared, network, isEnabled });
  await upgrading.start();
  return { clock, network, told, upgrading };
}

function callFrom(peerId: string, relay = 'relay-1') {
  const refusals: string[] = [];
  return { peerId, relay, refusals, refuse: (reason: string) => void refusals.push(reason) };
}

const passes = async (clock: TestClock, ms: number): Promise<void> => {
  clock.increment(ms);
  await settled();
};

/** Everything that is tried with one peer fails at once. */
async function failFor(
  ms: number,
  { clock, network }: { readonly clock: TestClock; readonly network: FakeNetwork },
): Promise<void> {
  network.plan = { reason: 'peer has no address to punch' };
  if (!network.links.has('peer-1')) network.change('peer-1', relayedIn);
  for (let passed = 0; passed < ms; passed += 1_000) {
    for (const { fail } of network.dials) fail(new Error('nobody there'));
    await passes(clock, 1_000);
  }
  for (const { fail } of network.dials) fail(new Error('nobody there'));
  await settled();
}

const retryAtOf = (upgrading: Upgrading): number => Number(upgrading.explain().upgrades[0]?.retryAt);

describe('upgrading', () => {
  it('dials eight peers at once, and the next when one has failed', async () => {
    const { network, upgrading } = await begin();
    for (let peer = 0; peer < 20; peer++) network.change(`peer-${peer}`, relayedIn);
    expect(network.dials).toHaveLength(8);
    network.plan = { reason: 'peer has no address to punch' };
    network.dials[0]?.fail(new Error('nobody there'));
    await settled();
    expect(network.dials).toHaveLength(9);
    expect(upgrading.isNeeded('peer-8')).toBe(true);
    expect(upgrading.isNeeded('peer-9')).toBe(false);
    await upgrading.stop();
  });

  it('looks after a thousand peers, and not after one more', async () => {
    const { network, upgrading } = await begin();
    for (let peer = 0; peer < 1_010; peer++) network.change(`peer-${peer}`, relayedIn);
    expect(upgrading.explain().upgrades).toHaveLength(1_000);
    await upgrading.stop();
    expect(network.isWatched || network.isServed).toBe(false);
  });

  it('tells once that a connection became direct, and has nothing to do with peers that were so from the start', async () => {
    const { network, told, upgrading } = await begin();
    network.change('peer-1', relayedIn);
    network.change('peer-1', direct);
    network.change('peer-1', direct);
    network.change('peer-2', direct);
    expect(told).toEqual(['peer-1 dialed']);
    expect(upgrading.explain().upgrades).toEqual([{ peerId: 'peer-1', state: 'direct' }]);
    network.change('peer-1', {});
    expect(upgrading.explain().upgrades).toEqual([]);
    await upgrading.stop();
  });

  it('has callers share an attempt, and says no at once as long as it rests after one that failed', async () => {
    const { clock, network, told, upgrading } = await begin();
    network.change('peer-1', relayedIn);
    expect(['peer-1', 'peer-2'].map((peerId) => upgrading.isPromising(peerId))).toEqual([true, false]);
    const waiters = [1, 2].map(() => upgrading.upgrade('peer-1', AbortSignal.timeout(60_000)));
    network.plan = { reason: 'peer has no address to punch' };
    network.dials[0]?.fail(new Error('nobody there'));
    expect(await Promise.all(waiters)).toEqual([false, false]);
    expect(network.dials).toHaveLength(1);
    expect(told).toEqual(['peer-1 peer has no address to punch']);
    for (let second = 0; second < 25; second += 5) {
      expect(await upgrading.upgrade('peer-1', AbortSignal.timeout(60_000))).toBe(false);
      await passes(clock, 5_000);
    }
    expect(network.dials).toHaveLength(1);
    await passes(clock, 8_000);
    expect(network.dials).toHaveLength(2);
    const third = upgrading.upgrade('peer-1', AbortSignal.timeout(60_000));
    expect(upgrading.isPromising('peer-1')).toBe(false);
    network.change('peer-1', direct);
    expect(await third).toBe(true);
    expect(await upgrading.upgrade('peer-2', AbortSignal.timeout(60_000))).toBe(false);
    await upgrading.stop();
  });

  it('does not let a peer have more attempts by coming back, and tries again later by itself', async () => {
    const { clock, network, upgrading } = await begin();
    for (let visit = 0; visit < 5; visit++) {
      network.change('peer-1', relayedIn);
      await passes(clock, 2_000);
      network.change('peer-1', {});
    }
    expect(network.dials).toHaveLength(1);
    network.change('peer-1', relayedIn);
    await passes(clock, 20_000);
    expect(network.dials).toHaveLength(2);
    await upgrading.stop();
  });

  it('answers three calls of a peer in half a minute, and none of a peer without a relayed connection', async () => {
    const { clock, network, upgrading } = await begin();
    network.plan = {};
    network.change('peer-1', { relayed: { isInbound: false, isIdentified: true } });
    const calls = [1, 2, 3, 4].map(() => callFrom('peer-1'));
    for (const call of calls) {
      network.asked(call);
      await settled();
    }
    expect(network.agreed.map(({ isCalled }) => isCalled)).toEqual([true, true, true]);
    expect(calls[3]?.refusals).toEqual(['asked too often']);
    const stranger = callFrom('peer-2');
    network.asked(stranger);
    expect(stranger.refusals).toHaveLength(1);
    await passes(clock, 30_000);
    network.asked(callFrom('peer-1'));
    await settled();
    expect(network.agreed.filter(({ isCalled }) => isCalled)).toHaveLength(4);
    await upgrading.stop();
  });

  it.each([
    { peerId: 'peer-a', who: 'smaller', isAnswered: false },
    { peerId: 'peer-z', who: 'larger', isAnswered: true },
  ])(
    'gives way to the peer that asks at the same time when its own id is the smaller one: $peerId',
    async (row) => {
      const { network, upgrading } = await begin();
      network.change(row.peerId, relayedIn);
      network.dials[0]?.fail(new Error('nobody there'));
      await settled();
      const call = callFrom(row.peerId);
      network.asked(call);
      await settled();
      expect(call.refusals.length === 0).toBe(row.isAnswered);
      expect(network.agreed.at(-1)?.isCalled).toBe(row.isAnswered);
      await upgrading.stop();
    },
  );

  it('punches once behind a symmetric NAT, remembers the verdict for five minutes, and says so', async () => {
    const { clock, network, told, upgrading } = await begin();
    const sees = (observer: string, port: number): Observation => ({
      ...{ observer, localPort: 5_000, isOwn: false },
      seen: { host: '10.7.0.10', port },
    });
    network.seen = [sees('relay-1', 1), sees('relay-2', 2)];
    network.plan = {};
    network.change('peer-1', relayedIn);
    network.dials[0]?.fail(new Error('nobody there'));
    await settled();
    expect(told).toEqual(['peer-1 own NAT is symmetric']);
    expect(network.agreed).toHaveLength(1);
    expect(network.ended).toBeGreaterThan(0);
    expect(upgrading.mapping).toBe('endpoint-dependent');
    network.change('peer-2', relayedIn);
    expect(upgrading.isPromising('peer-2')).toBe(false);
    network.change('peer-2', {});
    network.seen = [];
    await passes(clock, 300_001);
    expect(upgrading.mapping).toBe('unknown');
    await upgrading.stop();
  });

  it('tries those that stayed relayed again soon when it stands elsewhere, and not because its status is another one', async () => {
    const { clock, network, upgrading } = await begin();
    await failFor(300_000, { clock, network });
    const count = network.dials.length;
    upgrading.reachabilityChanged();
    await passes(clock, 40_000);
    expect(network.dials).toHaveLength(count);
    network.addresses = ['/ip4/192.168.43.7/tcp/4001'];
    const rest = retryAtOf(upgrading);
    upgrading.reachabilityChanged();
    expect(network.dials).toHaveLength(count);
    expect(retryAtOf(upgrading)).toBeLessThan(rest);
    await passes(clock, 5_000);
    expect(network.dials).toHaveLength(count + 1);
    await upgrading.stop();
  });

  it('tries them no sooner than half a minute after they failed, however often it moves', async () => {
    const { clock, network, upgrading } = await begin();
    await failFor(300_000, { clock, network });
    const count = network.dials.length;
    for (let second = 0; second < 60; second++) {
      network.addresses = [`/ip4/192.168.43.7/tcp/${second + 1}`];
      upgrading.reachabilityChanged();
      await failFor(1_000, { clock, network });
    }
    expect(network.dials.length - count).toBeLessThanOrEqual(3);
    await upgrading.stop();
  });

  it('rests as long when the peer comes back by another connection', async () => {
    const { clock, network, upgrading } = await begin();
    await failFor(300_000, { clock, network });
    const count = network.dials.length;
    const rest = retryAtOf(upgrading) - clock.now();
    expect(rest).toBeGreaterThan(60_000);
    network.change('peer-1', {});
    network.change('peer-1', relayedIn);
    await passes(clock, rest - 1_000);
    expect(await upgrading.upgrade('peer-1', AbortSignal.timeout(60_000))).toBe(false);
    expect(network.dials).toHaveLength(count);
    await passes(clock, 1_000);
    expect(network.dials).toHaveLength(count + 1);
    await upgrading.stop();
  });

  it('goes on when its rest is over with a peer that has asked in the meantime, in vain', async () => {
    const { clock, network, upgrading } = await begin();
    network.change('peer-1', { relayed: { isInbound: false, isIdentified: true } });
    await failFor(9_000, { clock, network });
    expect(network.dials).toHaveLength(1);
    network.plan = {};
    network.asked(callFrom('peer-1'));
    await settled();
    expect(upgrading.explain().upgrades).toMatchObject([{ state: 'waiting' }]);
    await passes(clock, 6_000);
    expect(network.dials).toHaveLength(1);
    await passes(clock, 28_000);
    expect(network.dials).toHaveLength(2);
    await upgrading.stop();
  });

  it('begins as many attempts as ever while peers hold all places of those that ask', async () => {
    const { network, upgrading } = await begin();
    const called = (peer: number): PeerLinks => ({ relayed: { isInbound: false, isIdentified: peer < 0 } });
    for (let peer = 0; peer < 24; peer++) network.change(`peer-${peer}`, called(peer));
    const calls = Array.from({ length: 24 }, (_, peer) =>
      callFrom(`peer-${peer}`, `relay-${peer < 12 ? 1 : 2}`),
    );
    for (const call of calls) network.asked(call);
    await settled();
    const answered = calls.filter(({ refusals }) => refusals.length === 0);
    expect(answered.map(({ relay }) => relay)).toEqual([
      ...Array.from({ length: 8 }, () => 'relay-1'),
      ...Array.from({ length: 8 }, () => 'relay-2'),
    ]);
    for (let peer = 30; peer < 40; peer++) network.change(`peer-${peer}`, relayedIn);
    expect(network.dials).toHaveLength(8);
    await upgrading.stop();
  });

  it('is served again at once after it was stopped, and has ended when it says so', async () => {
    const { network, upgrading } = await begin();
    const stopped = upgrading.stop();
    const started = upgrading.start();
    await Promise.all([stopped, started]);
    expect(network.isServed).toBe(true);
    await upgrading.stop();
    expect(network.isServed).toBe(false);
  });

  it('may be started and stopped in any order', async () => {
    const { network, upgrading } = await begin();
    network.change('peer-1', relayedIn);
    await Promise.all([upgrading.stop(), upgrading.start(), upgrading.stop(), upgrading.stop()]);
    expect(network.isWatched || network.isServed).toBe(false);
    await upgrading.start();
    expect(network.isWatched && network.isServed).toBe(true);
    await upgrading.stop();
    upgrading.reachabilityChanged();
    expect(upgrading.explain().upgrades).toEqual([]);
  });
});
