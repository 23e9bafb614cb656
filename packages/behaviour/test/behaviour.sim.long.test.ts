import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { dieAnswering } from './dyingExecutor.ts';
import { star } from './simNodes.ts';
import { liveAndAsk, ten } from './tenNodes.ts';

/** Beside the seeds of the short test. */
const firstSeed = 3;

for (let seed = firstSeed; seed < firstSeed + 20; seed += 1) {
  test(`ten nodes are all connected after 30 s, and every client is answered, with seed ${seed}`, async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ ...ten, seed, createNode: star() });
    await liveAndAsk(network);
  });
}

for (let seed = firstSeed; seed < firstSeed + 10; seed += 1) {
  test(`they are so when one segment of ten is lost, with seed ${seed}`, async ({ createNetwork }) => {
    const link = { delayMs: 50, lossRatio: 0.1 };
    const network = await createNetwork({ ...ten, link, seed, createNode: star() });
    await liveAndAsk(network);
  });
}

test('they live the same life when they have the same seed', async ({ createNetwork }) => {
  const hashes: string[] = [];
  for (let run = 0; run < 2; run += 1) {
    const network = await createNetwork({ ...ten, createNode: star() });
    await liveAndAsk(network);
    await network.stop();
    hashes.push(network.trace.hash());
  }
  expect(hashes[1]).toBe(hashes[0]);
});

test('they are so over the real handshakes and muxers as well', async ({ createNetwork }) => {
  const network = await createNetwork({ ...ten, seed: 2, fidelity: 'full', createNode: star() });
  await liveAndAsk(network);
});

describe('an executor that dies', () => {
  for (const isSilent of [false, true])
    test(`${isSilent ? 'with its machine' : 'alone'}, while it answers, ends each request once, and another one serves`, async ({
      createNetwork,
    }) => {
      await dieAnswering(createNetwork, { isSilent, idleMs: 600_000 });
    });
});
