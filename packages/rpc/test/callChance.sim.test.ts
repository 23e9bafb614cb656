import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { callStory, expectCallStory } from './callChance.ts';

test('requests that are made again in every way end once each, with one text that is paid once', async ({
  createNetwork,
}) => {
  const ends = new Set<string>();
  for (let seed = 1; seed <= 6; seed++)
    for (const code of await expectCallStory(createNetwork, seed)) ends.add(code);
  for (const code of [
    'answered',
    'PARTIAL_ANSWER',
    'CANCELLED',
    'TIMEOUT',
    'BUSY',
    'REMOTE',
    'CONNECTION_CLOSED',
  ])
    expect([...ends]).toContain(code);
});

test('the same story told twice is the same', async ({ createNetwork }) => {
  expect(await callStory(createNetwork, 3)).toEqual(await callStory(createNetwork, 3));
});
