import { EventHub, type GaugeSample, type Meter } from '@lloom/core';
import { beforeEach, describe, expect, it } from 'vitest';

import type { NatEvents } from '../events.ts';
import type { NatStatus } from '../types.ts';
import { givenUp, measureNat } from './families.ts';

const counts = new Map<string, number>();
const gauges = new Map<string, () => number | readonly GaugeSample[]>();

const meter: Meter = {
  counter: ({ name }, labels = {}) => {
    const key = [name, ...Object.values(labels)].join(' ');
    counts.set(key, 0);
    return (by = 1) => void counts.set(key, (counts.get(key) ?? 0) + by);
  },
  histogram: () => () => {},
  gauge: ({ name }, read) => void gauges.set(name, read),
};

const upgraded = { peerId: 'p', remoteAddress: '/ip4/127.0.0.1/tcp/1', tookMs: 7 };

let hub: EventHub<NatEvents>;
let status: NatStatus['kind'];

beforeEach(() => {
  counts.clear();
  gauges.clear();
  hub = new EventHub<NatEvents>(() => undefined);
  status = 'unknown';
  measureNat(meter, hub, {
    status: () => status,
    reservations: () => 1,
    relayedConnections: () => 2,
    circuits: () => 3,
    places: () => 4,
    placesLimit: () => 5,
  });
});

describe('the figures of the nat service', () => {
  it('are there from the start, each with all of its labels', () => {
    expect(Object.fromEntries(counts)).toEqual({
      'nat_upgrades_total dialed': 0,
      'nat_upgrades_total reversed': 0,
      'nat_upgrades_total punched': 0,
      'nat_upgrades_total relayed': 0,
      nat_relays_lost_total: 0,
    });
    const { nat_status: kinds, ...others } = Object.fromEntries(
      Array.from(gauges, ([name, read]) => [name, read()]),
    );
    expect(kinds).toEqual([
      { labels: { kind: 'public' }, value: 0 },
      { labels: { kind: 'private' }, value: 0 },
      { labels: { kind: 'unknown' }, value: 1 },
    ]);
    expect(others).toEqual({
      nat_reservations: 1,
      nat_relayed_connections: 2,
      nat_circuits: 3,
      nat_places: 4,
      nat_places_limit: 5,
    });
  });

  it('show as what the node was found to be', () => {
    status = 'private';
    const samples = gauges.get('nat_status')?.() as readonly GaugeSample[];
    expect(samples.filter(({ value }) => value === 1)).toEqual([{ labels: { kind: 'private' }, value: 1 }]);
  });

  it('count how connections have left their relays, or have not where that was tried', () => {
    for (const how of ['dialed', 'reversed', 'punched', 'punched'] as const)
      hub.emit('connection:upgraded', { ...upgraded, how });
    hub.emit('connection:stays-relayed', { peerId: 'p', reason: 'nothing came through' });
    hub.emit('connection:stays-relayed', { peerId: 'p', reason: 'disabled' });
    expect([...counts.values()]).toEqual([1, 1, 2, 1, 0]);
  });

  it('count places that relays took away, not those that were given up', () => {
    hub.emit('relay:lost', { relay: 'r', reason: 'the connection closed', retryAt: 7 });
    hub.emit('relay:lost', { relay: 'r', reason: givenUp });
    expect(counts.get('nat_relays_lost_total')).toBe(1);
  });
});
