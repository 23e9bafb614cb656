import type { GaugeSample, Meter, MeterLabels, MetricFamily } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { fakeNodes } from './fakeNode.ts';
import { larger, smaller, turn } from './fakes.ts';

const { createNode } = fakeNodes();
const address = '/ip4/8.8.8.8/tcp/4001';

/** Counts what it is told, by name and labels. */
class FakeMeter implements Meter {
  readonly totals: Record<string, number> = {};
  readonly #gauges = new Map<string, () => number | readonly GaugeSample[]>();

  counter({ name }: MetricFamily, labels: MeterLabels = {}): (by?: number) => void {
    const key = [name, ...Object.values(labels)].join(' ');
    this.totals[key] ??= 0;
    return (by = 1) => (this.totals[key] = (this.totals[key] ?? 0) + by);
  }

  histogram(): never {
    throw new Error('there is none here');
  }

  gauge({ name }: MetricFamily, read: () => number | readonly GaugeSample[]): void {
    this.#gauges.set(name, read);
  }

  read(name: string): unknown {
    const shown = this.#gauges.get(name)?.();
    if (shown === undefined || typeof shown === 'number') return shown;
    return Object.fromEntries(shown.map(({ labels, value }) => [Object.values(labels).join(' '), value]));
  }

  /** What has happened. */
  get counted(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.totals).filter(([, count]) => count > 0));
  }
}

describe('the figures of peers', () => {
  it('tell who is connected, of which role, and who dialled', () => {
    const meter = new FakeMeter();
    const roles = {
      rolesOf: (peerId: string) => (peerId === larger ? (['executor', 'validator'] as const) : []),
      async *find() {},
    };
    const { network } = createNode({ meter, roles });
    network.open(larger, { direction: 'inbound' });
    const first = network.open(smaller);
    network.open(larger, { direction: 'outbound' });
    expect(meter.read('peers_connected')).toBe(2);
    expect(meter.read('peers_connected_by_role')).toEqual({ executor: 1, validator: 1, relay: 0 });
    expect(meter.read('peers_connections')).toEqual({ inbound: 1, outbound: 2 });
    first.end();
    expect(meter.read('peers_connected')).toBe(1);
    expect(meter.read('peers_connections')).toEqual({ inbound: 1, outbound: 1 });
  });

  it('tell how many are banned, and how often somebody was', async () => {
    const meter = new FakeMeter();
    const { clock, peers } = createNode({ meter });
    await peers.banPeer(larger, 1_000);
    await peers.banPeer(smaller, 2_000);
    expect(meter.read('peers_banned')).toBe(2);
    clock.increment(1_000);
    expect(meter.read('peers_banned')).toBe(1);
    await peers.unbanPeer(smaller);
    expect(meter.read('peers_banned')).toBe(0);
    expect(meter.counted).toEqual({ peers_bans_total: 2 });
  });

  it('are 0 from the start, and count what peers do', () => {
    const meter = new FakeMeter();
    const { network, peers } = createNode({ meter });
    expect(Object.keys(meter.totals)).toHaveLength(12);
    expect(meter.counted).toEqual({});
    peers.reportPeer(larger, 'SERVED');
    peers.reportPeer(smaller, 'SERVED');
    peers.reportPeer(larger, 'FLOOD');
    peers.reportPeer(network.peerId, 'FLOOD');
    expect(meter.counted).toEqual({ 'peers_facts_total SERVED': 2, 'peers_facts_total FLOOD': 1 });
  });

  it('count dials that led to a connection and those that failed, and none that was given up', async () => {
    const meter = new FakeMeter();
    const { clock, network, peers } = createNode({ meter });
    const outcomes = (): unknown => [
      meter.totals['peers_dials_total connected'],
      meter.totals['peers_dials_total failed'],
    ];
    const dial = (signal?: AbortSignal): Promise<unknown> =>
      peers.dialPeer(larger, address, signal && { signal }).catch(() => undefined);
    const refused = dial();
    await turn();
    network.lastDial.fail(new Error('connection refused'));
    await refused;
    expect(outcomes()).toEqual([0, 1]);
    const late = dial();
    await turn();
    clock.increment(60_000);
    await late;
    expect(outcomes()).toEqual([0, 2]);
    const controller = new AbortController();
    const given = dial(controller.signal);
    await turn();
    controller.abort();
    await given;
    await turn();
    expect(outcomes()).toEqual([0, 2]);
    const lost = dial();
    await turn();
    network.lastDial.end();
    await lost;
    expect(outcomes()).toEqual([0, 3]);
    const good = dial();
    await turn();
    network.open(larger);
    network.lastDial.end();
    await good;
    await turn();
    expect(outcomes()).toEqual([1, 3]);
  });

  it('cost nothing when the meter throws', async () => {
    const fail = (): never => {
      throw new Error('no space');
    };
    const { network, peers } = createNode({ meter: { counter: () => fail, histogram: fail, gauge: fail } });
    network.open(larger);
    peers.reportPeer(larger, 'SERVED');
    await peers.banPeer(larger, 1_000);
    expect(peers.bannedPeers()).toHaveLength(1);
    expect(new Set(network.logged)).toEqual(new Set(['the meter failed']));
  });
});

describe('the log', () => {
  it('has a line for each connection that has ended, and for each ban', async () => {
    const { clock, network, peers } = createNode();
    const connection = network.open(larger, { direction: 'inbound' });
    clock.increment(500);
    connection.end();
    network.open(larger);
    await peers.banPeer(larger, 1_000, 'spam');
    await peers.unbanPeer(larger);
    const ended = { text: 'a connection has ended', peerId: larger, transport: 'memory', relayed: false };
    expect(network.noted).toEqual([
      { ...ended, direction: 'inbound', openMs: 500 },
      { ...ended, direction: 'outbound', openMs: 500, cause: 'BANNED' },
      { text: 'a peer is banned', peerId: larger, by: 'user', ms: 1_000 },
      { text: 'a ban has ended', peerId: larger, by: 'user' },
    ]);
  });
});
