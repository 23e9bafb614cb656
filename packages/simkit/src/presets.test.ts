import { describe, expect, test } from 'vitest';
import { ConfigError } from '@lloom/core';
import {
  bandwidthClass,
  linkPreset,
  regionLinks,
  regions,
  type LinkEnd,
  type LinkPreset,
} from './presets.ts';

const end = (index: number): LinkEnd => ({ name: `n${index}`, index });
const presets: readonly LinkPreset[] = ['lan', 'continental', 'global', 'mobile'];

describe.each(presets)('%s', (name) => {
  test('is a rule that gives the same link both ways, with a delay that a message feels', () => {
    const rule = linkPreset(name);
    for (let from = 0; from < regions.length; from += 1) {
      for (let to = 0; to < regions.length; to += 1) {
        const link = rule(end(from), end(to));
        expect(rule(end(to), end(from))).toEqual(link);
        expect(link.delayMs).toBeGreaterThan(0);
        expect(link.delayMs).toBeLessThan(200);
        expect(link.jitterMs).toBeLessThan(link.delayMs!);
      }
    }
  });
});

test('hosts of the global preset stand in the regions in turn, each pair with its own delay', () => {
  const rule = linkPreset('global');
  const delayMs = (from: number, to: number): number => rule(end(from), end(to)).delayMs!;
  expect(regions.slice(0, 5)).toEqual(['us-east', 'us-west', 'south-america', 'europe', 'africa']);
  expect(delayMs(0, 3)).toBe(40);
  expect(delayMs(8, 3)).toBe(40);
  expect(delayMs(2, 4)).toBe(170);
  expect(delayMs(3, 11)).toBe(10);
});

test('a matrix of delays replaces the pairs that it names, and no other', () => {
  const rule = regionLinks({
    regionOf: ({ index }) => regions[index]!,
    matrix: { europe: { 'us-east': 45, africa: { delayMs: 70, lossRatio: 0.2 } } },
  });
  expect([rule(end(3), end(0)).delayMs, rule(end(0), end(3)).delayMs]).toEqual([45, 45]);
  expect(rule(end(4), end(3))).toMatchObject({ delayMs: 70, lossRatio: 0.2, jitterMs: 0 });
  expect(rule(end(0), end(1)).delayMs).toBe(30);
});

test('a matrix that names both ways of a pair means both', () => {
  const matrix = { ground: { orbit: 20, ground: 1 }, orbit: { ground: 30 } };
  const rule = regionLinks({ regionOf: ({ index }) => (index === 0 ? 'ground' : 'orbit'), matrix });
  expect([rule(end(0), end(1)).delayMs, rule(end(1), end(0)).delayMs]).toEqual([20, 30]);
  expect(() => rule(end(1), end(2))).toThrow('nothing from orbit to orbit');
});

test('a matrix that cannot be is refused, with every reason', () => {
  const matrix = { europe: { africa: -5, india: 'far', oceania: { delay: 3 } }, africa: 7, india: undefined };
  const refused = (): unknown => regionLinks({ regionOf: () => 'europe', matrix: matrix as never });
  expect(refused).toThrow(ConfigError);
  expect(refused).toThrow(/europe\.africa.*europe\.india.*europe\.oceania.*matrix\.africa/s);
  expect(() => regionLinks({ regionOf: 'europe' as never })).toThrow('regions.regionOf');
  expect(() => regionLinks({ regionOf: () => 'europe', matrix: [] as never })).toThrow('regions.matrix');
});

test('names that are none are refused, with those that are', () => {
  expect(() => linkPreset('wifi' as never)).toThrow('"lan", "continental", "global", "mobile"');
  expect(() => bandwidthClass('dialup' as never)).toThrow('"server", "fibre", "cable", "mobile"');
  expect(() => bandwidthClass('toString' as never)).toThrow(ConfigError);
});

test('classes differ in what they can send, and nobody changes them', () => {
  const uploads = (['server', 'fibre', 'cable', 'mobile'] as const).map(
    (name) => bandwidthClass(name).uploadBytesPerSecond,
  );
  expect(uploads).toEqual([125_000_000, 37_500_000, 2_500_000, 1_500_000]);
  expect(Object.isFrozen(bandwidthClass('cable'))).toBe(true);
});
