import { expect, test } from 'vitest';
import { Usage } from './usage.ts';

function createUsage() {
  const clock = { nowMs: 5, elapsed: () => clock.nowMs };
  return { clock, usage: new Usage(clock) };
}

test('counts what is under way with a peer, and knows when the last one ended', () => {
  const { clock, usage } = createUsage();
  expect(usage.of('a')).toBeUndefined();
  usage.began('a');
  usage.began('a');
  expect(usage.of('a')).toEqual({ active: 2 });
  usage.ended('a');
  expect(usage.of('a')).toEqual({ active: 1, lastUsedAt: 5 });
  clock.nowMs = 9;
  usage.ended('a');
  expect(usage.of('a')).toEqual({ active: 0, lastUsedAt: 9 });
  usage.began('a');
  expect(usage.of('a')).toEqual({ active: 1, lastUsedAt: 9 });
  expect(usage.of('b')).toBeUndefined();
});

test('an end without a beginning counts nothing', () => {
  const { usage } = createUsage();
  usage.ended('a');
  expect(usage.of('a')).toBeUndefined();
});

test('forgets those used longest ago, and nobody with whom something is under way', () => {
  const { usage } = createUsage();
  usage.began('busy');
  for (let peer = 0; peer <= 4_096; peer++) {
    usage.began(String(peer));
    usage.ended(String(peer));
  }
  expect(usage.of('busy')).toEqual({ active: 1 });
  expect(usage.of('0')).toBeUndefined();
  expect(usage.of('1')).toEqual({ active: 0, lastUsedAt: 5 });
});
