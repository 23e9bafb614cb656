import { describe, expect, it } from 'vitest';

import { CircuitCounts } from './circuitCounts.ts';
import { RelayPlaces } from './relayPlaces.ts';
import { circuitShares, placesPerNetwork, type Taker } from './shares.ts';

const from = (peerId: string, network?: string): Taker => ({ peerId, network });
const perNetwork = Infinity;

describe('places', () => {
  it('are there for as long as they were promised', () => {
    const places = new RelayPlaces(() => true);
    expect(places.take(from('a'), { endsAt: 100, now: 0, most: 1, perNetwork })).toBe(true);
    // Renewed by a configuration that promises less.
    places.take(from('a'), { endsAt: 60, now: 10, most: 1, perNetwork });
    expect([places.has('a', 99), places.has('a', 100), places.has('b', 0)]).toEqual([true, false, false]);
    places.take(from('a'), { endsAt: 250, now: 150, most: 1, perNetwork });
    expect(places.has('a', 249)).toBe(true);
    expect([places.countAt(249), places.countAt(250)]).toEqual([1, 0]);
  });

  it('are given away when all are taken, those first that have ended or whose peers are gone', () => {
    const connected = new Set(['a', 'b', 'c']);
    const places = new RelayPlaces((peerId) => connected.has(peerId));
    const take = (peerId: string, now: number) =>
      places.take(from(peerId), { endsAt: now + 5_000, now, most: 2, perNetwork });
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
      const isTaken = places.take(from(`p${count}`), { endsAt: 100, now: 0, most: 1_000, perNetwork });
      expect(isTaken).toBe(count < 1_000);
    }
    places.release('p0');
    expect(places.clear()).toHaveLength(999);
    expect(places.size).toBe(0);
  });

  it('are a quarter for those of one network, who renew them also from another one', () => {
    const places = new RelayPlaces((peerId) => peerId !== 'gone');
    const take = (peerId: string, network?: string, now = 0) =>
      places.take(from(peerId, network), { endsAt: 9_000, now, most: 32, perNetwork: placesPerNetwork(32) });
    const names = Array.from({ length: 20 }, (_, n) => `p${n}`);
    expect(names.filter((name) => take(name, 'office'))).toHaveLength(8);
    // On this machine nobody is of a network.
    expect([take('other', 'home'), take('own'), take('p7', 'office')]).toEqual([true, true, true]);
    expect([take('p7', 'home'), take('p8', 'office'), take('p9', 'office')]).toEqual([true, true, false]);
    places.release('p0');
    expect([take('gone', 'office'), take('p9', 'office', 1_500)]).toEqual([true, true]);
    expect(places.has('gone', 1_500)).toBe(false);
    places.clear();
    expect(names.filter((name) => take(name, 'office'))).toHaveLength(8);
    expect([1, 4, 16, 128, 10_000].map(placesPerNetwork)).toEqual([4, 4, 4, 32, 2_500]);
  });
});

describe('connections that are carried', () => {
  it('are counted in all and for each peer, each once', () => {
    const counts = new CircuitCounts();
    const most = { total: 3, perPeer: 2, perNetwork };
    const take = (peerId: string) => counts.take(from(peerId, 'home'), most);
    const [first, second] = [take('a'), take('a')];
    expect([first, second, take('a')].map(Boolean)).toEqual([true, true, false]);
    expect([take('b'), take('c')].map(Boolean)).toEqual([true, false]);
    first?.();
    first?.();
    second?.();
    expect(counts.total).toBe(1);
    expect(take('a')).toBeDefined();
  });

  it('leave something for others, whoever asks, by whatever names', () => {
    const counts = new CircuitCounts();
    const total = 64;
    const take = (taker: Taker) => counts.take(taker, { total, ...circuitShares(total) }) !== undefined;
    const taken = (takers: readonly Taker[]): number => takers.filter(take).length;
    const times = Array.from({ length: 20 }, (_, n) => n);
    expect(taken(times.map(() => from('a', 'home')))).toBe(8);
    expect(taken(times.map((n) => from(`p${n}`, 'home')))).toBe(8);
    expect(taken(times.map((n) => from(`p${n}`, 'office')))).toBe(16);
    expect(taken(times.map((n) => from(`p${n}`)))).toBe(20);
    expect([4, 16, 512].map(circuitShares)).toEqual([
      { perPeer: 2, perNetwork: 8 },
      { perPeer: 2, perNetwork: 8 },
      { perPeer: 16, perNetwork: 128 },
    ]);
  });
});
