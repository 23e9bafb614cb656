import { test } from 'vitest';
import { expectFlow } from './flowWorld.ts';

test('200,000 requests end exactly once each, with the right answers, whatever befalls their sessions, and nothing is left', async () => {
  for (let seed = 101; seed <= 300; seed++) await expectFlow(seed, 1_000);
});
