import { describe, expect, it } from 'vitest';

import { CircuitCounts } from './circuitCounts.ts';
import { RelayPlaces } from './relayPlaces.ts';

describe('places', () => {
  it('are there for as long as they were promised', () => {
    const places = new RelayPlaces(() => true);
    expect(places.take('a', { endsAt: 100, now: 0, most: 1 })).toBe(true);
    // Renewed by a configuration that promises less.
    places.take('a', { endsAt: 60, now: 10, most: 1 });
    expect([places.has('a', 99), places.has('a', 100), places.has('b', 0)]).toEqual([true, false, false]);
    places.take('a', { endsAt: 250, now: 150, most: 1 });
    expect(places.has('a', 249)).toBe(true);
  });

  it('are given away when all are taken, those first that have ended or whose peers are gone', () => {
    const connected = new Set(['a', 'b', 'c']);
    const places = new RelayPlaces((peerId) => connected.has(peerId));
    const take = (peerId: string, now: number) => places.take(peerId, { endsAt: now + 5_000, now, most: 2 });
    expect([take('a', 0), take('b', 0), take('c', 0)]).toEqual([true, true, false]);
    connected.delete('b');
    // They are looked through once a second.
    expect([take('c', 500), take('c', 1_000), take('d', 2_000)]).toEqual([false, true, false]);
    expect([places.has('a', 3_000), places.has('b', 3_000)]).toEqual([true, false]);
    expect([take('d', 5_500), places.size]).toEqual([true, 2]);
  });

  it('are a thousand, and none afterwards', () => {
    const places = new RelayPlaces(() => true);
    for (let count = 0; count < 1_100; count++) {
      const isTaken = places.take(`p${count}`, { endsAt: 100, now: 0, most: 1_000 });
      expect(isTaken).toBe(count < 1_000);
    }
    places.release('p0');
    expect(places.clear()).toHaveLength(999);
    expect(places.size).toBe(0);
  });
});

describe('connections that are carried', () => {
  it('are counted in all and for each peer, each once', () => {
    const counts = new CircuitCounts();
    const most = { total: 3, perPeer: 2 };
    const [first, second] = [counts.take('a', most), counts.take('a', most)];
    expect([first, second, counts.take('a', most)].map(Boolean)).toEqual([true, true, false]);
    expect([counts.take('b', most), counts.take('c', most)].map(Boolean)).toEqual([true, false]);
    first?.();
    first?.();
    second?.();
    expect(counts.total).toBe(1);
    expect(counts.take('a', most)).toBeDefined();
  });
});
