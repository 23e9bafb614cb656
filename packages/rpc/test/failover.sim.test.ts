import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { askAndKill, createFailoverWorld, killAtEveryToken } from './failoverStory.ts';
import { question } from './nodes.ts';

const seeds = 12;

for (let seed = 1; seed <= seeds; seed++)
  test(`an executor that is killed at any token is followed by another: each token is shown once and paid for once (seed ${seed})`, async ({
    createNetwork,
  }) => {
    await killAtEveryToken(createNetwork, seed);
  });

test('the same seed gives the same story each time', async ({ createNetwork }) => {
  const hashes = [];
  for (let time = 0; time < 2; time++) hashes.push(await killAtEveryToken(createNetwork, 33));
  expect(hashes[1]).toBe(hashes[0]);
});

test('an answer outlives two executors, and is paid to all three', async ({ createNetwork }) => {
  const world = await createFailoverWorld(createNetwork, { seed: 7, names: ['left', 'middle', 'right'] });
  const { answer, victims } = await askAndKill(world, 'left', { atToken: 4, isSilent: false, times: 2 });
  expect(victims).toHaveLength(2);
  expect(answer.shares.map(({ tokens, unsignedTokens }) => tokens + unsignedTokens)).toEqual([4, 4, 4]);
});

test('when nobody can go on, what was shown comes with what is owed for it', async ({ createNetwork }) => {
  const world = await createFailoverWorld(createNetwork, { seed: 4, names: ['left'] });
  const { network, asker } = world;
  const message = await network.run(question(asker.identity, network.node('left').identity));
  const answer = asker.rpc.stream(world.peerIdOf('left'), message, { retry: { initialDelayMs: 100 } });
  const shown: string[] = [];
  const read = async (): Promise<void> => {
    for await (const { text } of answer) {
      shown.push(text);
      if (shown.length === 6) network.crash('left');
    }
  };
  const error: unknown = await network.run(read().catch((thrown: unknown) => thrown));
  const data = { tokens: 6, signedTokens: 4, totalCost: '18', failure: 'CONNECTION_CLOSED' };
  expect(error).toMatchObject({ code: 'PARTIAL_ANSWER', data, retryable: true });
  expect(answer.soFar).toMatchObject({
    content: shown.join(''),
    parts: [{ tokens: 4, signed: { payload: { totalCost: '18' } } }, { tokens: 2 }],
    totalCost: '18',
  });
  await expect(answer.result).rejects.toBe(error);
});
