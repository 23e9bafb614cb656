import { describe, expect, test } from 'vitest';
import { Places } from './places.ts';

describe('places', () => {
  test('are there up to the limit of a peer, and up to that of all', () => {
    const places = new Places({ ofAll: 3, ofOnePeer: 2 });
    expect(['a', 'a', 'a', 'b', 'b', 'c'].map((peer) => places.take(peer))).toEqual([
      true,
      true,
      false,
      true,
      false,
      false,
    ]);
  });

  test('are free again when a request has ended, also when its handler still works', () => {
    const places = new Places({ ofAll: 2, ofOnePeer: 1 });
    expect([places.take('a'), places.take('a')]).toEqual([true, false]);
    places.leave('a', true);
    expect([places.take('a'), places.take('a')]).toEqual([true, false]);
  });

  test('are never more than twice the limit of a peer with handlers that still work', () => {
    const places = new Places({ ofAll: 100, ofOnePeer: 4 });
    const begin = (): boolean => {
      const isTaken = places.take('a');
      if (isTaken) places.leave('a', true);
      return isTaken;
    };
    expect(Array.from({ length: 1_000 }, begin).filter(Boolean)).toHaveLength(8);
    expect(places.take('b')).toBe(true);
    places.settle('a');
    expect([begin(), begin()]).toEqual([true, false]);
  });

  test('are never more than twice the limit of all, whoever they are of', () => {
    const places = new Places({ ofAll: 4, ofOnePeer: 2 });
    const begun: string[] = [];
    for (let index = 0; index < 1_000; index++) {
      const peer = `peer${index}`;
      if (!places.take(peer)) continue;
      begun.push(peer);
      places.leave(peer, true);
    }
    expect(begun).toHaveLength(8);
    for (const peer of begun) places.settle(peer);
    expect(['a', 'b', 'c', 'd', 'e'].map((peer) => places.take(peer))).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
  });
});
