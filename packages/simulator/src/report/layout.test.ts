import { expect, test } from 'vitest';
import { layoutOf } from './layout.ts';

const nodesIn = (regions: readonly string[]) =>
  regions.map((region, place) => ({
    name: `c${place}`,
    role: 'client' as const,
    region,
    peerId: `p${place}`,
  }));

test('nodes of regions with long names that begin alike stand in sectors of their own', () => {
  const regions = ['under-the-ice-of-europa', 'under-the-ice-of-enceladus'];
  const { places, sectors } = layoutOf(nodesIn(regions));
  expect(sectors.map(({ region }) => region)).toEqual(regions.toSorted());
  expect(places[0]).not.toEqual(places[1]);
});

test('a hundred regions have a sector each, none beyond its end', () => {
  const { places, sectors } = layoutOf(nodesIn(Array.from({ length: 100 }, (_, place) => `region-${place}`)));
  expect(new Set(places.map(String)).size).toBe(100);
  for (const { from, until } of sectors) expect(until).toBeGreaterThan(from);
});
