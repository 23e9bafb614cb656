import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { createWorld, watched } from './callWorld.ts';
import { outcomeOf, pause, readAll, textOf, whole, words } from './simulation.ts';

const minuteMs = 60_000;

test('a request that is told BUSY may be sent again as it is: its nonce is not used up', async ({
  createNetwork,
}) => {
  const serve = async () => {
    await pause(1_000);
    return whole('done');
  };
  const world = await createWorld(createNetwork, {
    executors: { a: { serve, capacity: 1, maxQueuedRequests: 0 } },
  });
  const { network, asker, id } = world;
  const [first, second] = [await world.question('a'), await world.question('a')];
  const ask = (message: typeof first) => outcomeOf(asker.rpc.request(id('a'), message));
  const answered = ask(first);
  await network.runFor(200);
  expect(await network.run(ask(second))).toBe('BUSY');
  expect(await network.run(answered)).toBe('answered');
  expect(await network.run(ask(second))).toBe('answered');
  await world.end();
});

test('an answer is repeated as long as all of it can be proven, and is lost behind that: it is not run again', async ({
  createNetwork,
}) => {
  const { serve, calls } = watched(words(10, 6_000));
  const world = await createWorld(createNetwork, { executors: { a: { serve } } });
  const { network, asker, id } = world;
  const input = { idempotencyKey: 'one and the same' };
  const ask = async () => readAll(asker.rpc.stream(id('a'), await world.question('a', input)));
  expect(await network.run(ask(), { timeoutMs: 2 * minuteMs })).toBe(textOf(10));
  // Its first word was said 54 s before its last.
  await network.runFor(4 * minuteMs);
  expect(await network.run(ask())).toBe(textOf(10));
  await network.runFor(30_000);
  expect(await network.run(outcomeOf(ask()))).toBe('REQUEST_LOST');
  expect(calls).toHaveLength(1);
  await world.end();
});
