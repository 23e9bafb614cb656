import { expect, test } from 'vitest';
import { expectHarmless, fuzzAsking, fuzzServing } from './sessionFuzz.ts';

const seed = 20_261_122;

test(`nothing that clients say in 15,000 conversations harms a service: requests end once, and nothing is left (seed ${seed})`, async () => {
  const { survived, ends } = expectHarmless(await fuzzServing(seed, 15_000));
  expect([...ends.keys()].toSorted()).toEqual(['answered', 'refused']);
  // Both halves are worth something: neither is everything refused at the door, nor taken as it is.
  expect(Math.min(survived, 15_000 - survived)).toBeGreaterThan(3_750);
});

test(`nothing that servers say in 10,000 conversations harms a service: requests end once, and nothing is left (seed ${seed})`, async () => {
  const { survived, ends } = expectHarmless(await fuzzAsking(seed, 10_000));
  const codes = ['BUSY', 'CONNECTION_CLOSED', 'INVALID_RESPONSE', 'REMOTE', 'answered'];
  expect([...ends.keys()].toSorted()).toEqual(codes);
  expect(Math.min(survived, 10_000 - survived)).toBeGreaterThan(2_500);
});
