import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { besiege } from './attacks.ts';

test('a hundred among four hundred censors hear one another within six seconds', async ({
  createNetwork,
}) => {
  const share = await besiege(createNetwork, { honest: 100, censors: 400, degree: 5 }, 6_000);
  expect(share).toBeGreaterThanOrEqual(0.99);
});
