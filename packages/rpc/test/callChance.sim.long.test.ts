import { test } from '@lloom/simkit/vitest';
import { expectCallStory } from './callChance.ts';

test('in two hundred stories, too, requests that are made again end once each, with one text that is paid once', async ({
  createNetwork,
}) => {
  for (let seed = 101; seed <= 300; seed++) await expectCallStory(createNetwork, seed);
});
