import { expect, test } from 'vitest';
import { expectFlow } from './flowWorld.ts';

test('10,000 requests end exactly once each, with the right answers, whatever befalls their sessions, and nothing is left', async () => {
  const codes = new Map<string, number>();
  for (let seed = 1; seed <= 8; seed++)
    for (const [code, count] of await expectFlow(seed, 1_250))
      codes.set(code, (codes.get(code) ?? 0) + count);
  // Each of them had its chance.
  expect([...codes.keys()].toSorted()).toEqual([
    'BUSY',
    'CANCELLED',
    'CONNECTION_CLOSED',
    'DIAL_FAILED',
    'DIAL_TIMEOUT',
    'FIRST_BYTE_TIMEOUT',
    'IDLE_TIMEOUT',
    'RATE_LIMITED',
    'REMOTE',
    'STOPPED',
    'TIMEOUT',
    'UNSUPPORTED_PROTOCOL',
    'answered',
  ]);
  expect(codes.get('answered')).toBeGreaterThan(5_000);
});

test.for([1, 2])('story %i goes the same way each time', async (seed) => {
  const first = await expectFlow(seed, 400);
  expect(await expectFlow(seed, 400)).toEqual(first);
});
