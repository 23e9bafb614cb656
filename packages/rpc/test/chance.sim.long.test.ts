import { test } from '@lloom/simkit/vitest';
import { expectStory } from './chance.ts';

test('whatever befalls nodes and links in a hundred stories, each request ends exactly once and nothing of it is left', async ({
  createNetwork,
}) => {
  for (let seed = 101; seed <= 200; seed++) await expectStory(createNetwork, seed);
});
