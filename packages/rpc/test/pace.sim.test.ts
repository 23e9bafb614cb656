import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { question } from './nodes.ts';
import { createPair, outcomeOf, pause, readAll, ways, whole, words } from './simulation.ts';

describe.for(ways)('how well a peer serves, over $fidelity links by $carrier', (way) => {
  test('is measured alike for plain requests and for those that are made again when they fail', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: { serve: words(21, 100) },
    });
    await network.run(asker.rpc.request(executor.peerId, { type: 'ping' }));
    expect(asker.rpc.performanceOf(executor.peerId)).toBeUndefined();
    for (const call of [{}, { retry: {} }]) {
      const message = await question(asker.identity, executor.identity);
      await network.run(readAll(asker.rpc.stream(executor.peerId, message, call)));
      const { latencyMs, tokensPerSecond } = asker.rpc.performanceOf(executor.peerId) ?? {};
      // 50 ms there and back, and 100 for the first word, of which all others follow in as many.
      expect(latencyMs).toBeGreaterThanOrEqual(200);
      expect(latencyMs).toBeLessThan(260);
      expect(tokensPerSecond).toBeGreaterThan(9);
      expect(tokensPerSecond).toBeLessThan(11);
    }
    expect(executor.rpc.performanceOf(asker.peerId)).toBeUndefined();
  });

  test('is the time to the whole answer when it comes in one piece, without opening the connection', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: {
        serve: async () => {
          await pause(400);
          return whole('hello');
        },
      },
    });
    const message = await question(asker.identity, executor.identity);
    await network.run(asker.rpc.request(executor.peerId, message));
    const { latencyMs, tokensPerSecond } = asker.rpc.performanceOf(executor.peerId) ?? {};
    expect(latencyMs).toBeGreaterThanOrEqual(500);
    expect(latencyMs).toBeLessThan(560);
    expect(tokensPerSecond).toBeUndefined();
  });
});

test('an answer that fails says nothing of how well a peer serves', async ({ createNetwork }) => {
  const { network, asker, executor } = await createPair(createNetwork, {
    executor: {
      serve: async function* () {
        for (let word = 0; word < 20; word++) {
          await pause(50);
          yield `word${word} `;
        }
        throw new Error('broken');
      },
    },
  });
  const message = await question(asker.identity, executor.identity);
  expect(await network.run(outcomeOf(readAll(asker.rpc.stream(executor.peerId, message))))).not.toBe(
    'answered',
  );
  expect(asker.rpc.performanceOf(executor.peerId)).toBeUndefined();
});
