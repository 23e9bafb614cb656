import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { Handler } from '../src/index.ts';
import { ask, createByHand, type ByHand } from './byHand.ts';
import { openBytes } from './handSession.ts';
import { question } from './nodes.ts';
import { createPair, pause, whole } from './simulation.ts';

/** A handler that takes a second, and the keys in the order in which it was called. */
function oneSecond() {
  const order: string[] = [];
  const serve: Handler = async ({ request }) => {
    order.push(request.payload.idempotencyKey);
    await pause(1_000);
    return whole('done');
  };
  return { order, serve };
}

/** Signs and asks a question under each key. */
async function askAll(
  hand: ByHand,
  { asker, executor }: Pick<Awaited<ReturnType<typeof createByHand>>, 'asker' | 'executor'>,
  keys: readonly string[],
): Promise<number[]> {
  const ids: number[] = [];
  for (const idempotencyKey of keys)
    ids.push(hand.ask(await ask(asker.identity, executor.identity, { idempotencyKey })));
  return ids;
}

test('what is beyond the slots waits its turn, and what is beyond the queue is told when to come back', async ({
  createNetwork,
}) => {
  const { order, serve } = oneSecond();
  const world = await createByHand(createNetwork, { serve, capacity: 2, maxQueuedRequests: 3 });
  const { network, executor, hand } = world;
  expect(executor.rpc.load).toEqual({ capacity: 2, freeSlots: 2, queueDepth: 0 });
  const ids = await askAll(hand, world, ['a', 'b', 'c', 'd', 'e', 'f']);
  await network.runFor(200);
  expect(executor.rpc.load).toEqual({ capacity: 2, freeSlots: 0, queueDepth: 3 });
  expect(order).toEqual(['a', 'b']);
  expect(hand.errorOf(ids[5]!)).toMatchObject({ code: 'BUSY', queueDepth: 3, retryAfterMs: 1_000 });
  await network.runFor(3_000);
  expect(order).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(ids.map((id) => hand.told(id).at(-1))).toEqual(['end', 'end', 'end', 'end', 'end', 'BUSY']);
  expect(executor.rpc.load).toEqual({ capacity: 2, freeSlots: 2, queueDepth: 0 });
  executor.expectNothingLeft();
});

test('peers take turns, however much one of them has asked for', async ({ createNetwork }) => {
  const { order, serve } = oneSecond();
  const world = await createByHand(createNetwork, { serve, capacity: 1 }, ['modest']);
  const { network, executor, hand, connect } = world;
  const modest = await connect('modest');
  await askAll(hand, world, ['g1', 'g2', 'g3', 'g4', 'g5']);
  await network.runFor(100);
  const asker = network.node('modest');
  await askAll(modest, { asker, executor }, ['m1', 'm2']);
  await network.runFor(8_000);
  expect(order).toEqual(['g1', 'g2', 'm1', 'g3', 'm2', 'g4', 'g5']);
  executor.expectNothingLeft();
});

test('one peer alone fills no queue', async ({ createNetwork }) => {
  const { serve } = oneSecond();
  const limits = { capacity: 1, maxQueuedRequests: 4, maxQueuedRequestsPerPeer: 2 };
  const world = await createByHand(createNetwork, { serve, ...limits }, ['modest']);
  const { network, executor, hand, connect } = world;
  const modest = await connect('modest');
  const greedy = await askAll(hand, world, ['a', 'b', 'c', 'd']);
  await network.runFor(100);
  const others = await askAll(modest, { asker: network.node('modest'), executor }, ['a', 'b']);
  await network.runFor(8_000);
  expect(greedy.map((id) => hand.told(id).at(-1))).toEqual(['end', 'end', 'end', 'BUSY']);
  expect(others.map((id) => modest.told(id).at(-1))).toEqual(['end', 'end']);
});

describe('a request that waits for a slot', () => {
  test('is told that it was not run when its time is over', async ({ createNetwork }) => {
    const { order, serve } = oneSecond();
    const world = await createByHand(createNetwork, { serve, capacity: 1 });
    const { network, executor, asker, hand } = world;
    await askAll(hand, world, ['a']);
    const late = await ask(asker.identity, executor.identity, { idempotencyKey: 'late' });
    const id = hand.ask(late, { timeoutMs: 500 });
    await network.runFor(700);
    expect(hand.told(id)).toEqual(['BUSY']);
    expect(executor.rpc.load.queueDepth).toBe(0);
    await network.runFor(2_000);
    expect(order).toEqual(['a']);
    executor.expectNothingLeft();
  });

  for (const how of ['is cancelled', 'loses its connection'] as const)
    test(`and ${how} leaves its place to others, and may be asked again`, async ({ createNetwork }) => {
      const { order, serve } = oneSecond();
      const world = await createByHand(createNetwork, { serve, capacity: 1 });
      const { network, executor, asker, hand, connect } = world;
      await askAll(await connect(), world, ['a']);
      const [id] = await askAll(hand, world, ['b']);
      await network.runFor(200);
      expect(executor.rpc.load.queueDepth).toBe(1);
      if (how === 'is cancelled') hand.cancel(id!);
      else hand.session.stream.abort(new Error('broken'));
      await network.runFor(100);
      expect(executor.rpc.load.queueDepth).toBe(0);
      const back = await connect();
      const again = back.ask(await ask(asker.identity, executor.identity, { idempotencyKey: 'b' }));
      await network.runFor(3_000);
      expect(order).toEqual(['a', 'b']);
      expect(back.told(again)).toEqual(['done', 'end']);
    });

  test('is one however often it is asked', async ({ createNetwork }) => {
    const { order, serve } = oneSecond();
    const world = await createByHand(createNetwork, { serve, capacity: 1, maxQueuedRequests: 1 });
    const { network, executor, hand } = world;
    const ids = await askAll(hand, world, ['a', 'b', 'b', 'b']);
    await network.runFor(3_000);
    expect(order).toEqual(['a', 'b']);
    for (const id of ids) expect(hand.told(id)).toEqual(['done', 'end']);
    executor.expectNothingLeft();
  });

  test('is told that it was not run when the node stops', async ({ createNetwork }) => {
    const { order, serve } = oneSecond();
    const world = await createByHand(createNetwork, { serve, capacity: 1 });
    const { network, executor, hand } = world;
    const ids = await askAll(hand, world, ['a', 'b']);
    await network.runFor(200);
    await network.run(executor.stop());
    await network.runFor(2_000);
    expect(ids.map((id) => hand.told(id))).toEqual([['REMOTE'], ['BUSY']]);
    expect(order).toEqual(['a']);
    executor.expectNothingLeft();
  });

  test('is answered before a drain is over', async ({ createNetwork }) => {
    const { order, serve } = oneSecond();
    const world = await createByHand(createNetwork, { serve, capacity: 1 });
    const { network, executor, hand } = world;
    const ids = await askAll(hand, world, ['a', 'b', 'c']);
    await network.runFor(200);
    await network.run(executor.rpc.drain(10_000));
    await network.runFor(200);
    for (const id of ids) expect(hand.told(id)).toEqual(['done', 'end']);
    expect(order).toEqual(['a', 'b', 'c']);
    const [refused] = await askAll(hand, world, ['d']);
    await network.runFor(200);
    expect(hand.told(refused!)).toEqual(['BUSY']);
  });
});

test('a handler that ignores its signal keeps its slot until it is done', async ({ createNetwork }) => {
  const { order, serve } = oneSecond();
  const world = await createByHand(createNetwork, { serve, capacity: 1 });
  const { network, executor, hand } = world;
  const [cancelled] = await askAll(hand, world, ['a']);
  await network.runFor(200);
  hand.cancel(cancelled!);
  await askAll(hand, world, ['b']);
  await network.runFor(500);
  expect(order).toEqual(['a']);
  expect(executor.rpc.load).toEqual({ capacity: 1, freeSlots: 0, queueDepth: 1 });
  await network.runFor(1_500);
  expect(order).toEqual(['a', 'b']);
  executor.expectNothingLeft();
});

test('a request that a listener answers has a slot until it is answered', async ({ createNetwork }) => {
  const world = await createByHand(createNetwork, { capacity: 1 });
  const { network, executor, hand } = world;
  executor.rpc.addEventListener('request:received', ({ detail: { channel } }) => {
    void pause(1_000).then(() => channel.respond(whole('later')));
  });
  const ids = await askAll(hand, world, ['a', 'b']);
  await network.runFor(500);
  expect(executor.rpc.load).toEqual({ capacity: 1, freeSlots: 0, queueDepth: 1 });
  await network.runFor(2_000);
  for (const id of ids) expect(hand.told(id)).toEqual(['later', 'end']);
  executor.expectNothingLeft();
});

test('pings need no slot', async ({ createNetwork }) => {
  const { serve } = oneSecond();
  const world = await createByHand(createNetwork, { serve, capacity: 1, maxQueuedRequests: 0 });
  const { network, executor, asker, hand } = world;
  await askAll(hand, world, ['a']);
  await network.runFor(200);
  const ping = asker.rpc.request(executor.peerId, { type: 'ping' });
  await expect(network.run(ping)).resolves.toEqual({ type: 'pong' });
});

describe('a peer that asks too often', () => {
  for (const carrier of ['sessions', 'streams'] as const)
    test(`by ${carrier} is told when to come back, and is served then; other methods and peers are not limited`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        carrier,
        executor: { serve: () => whole('done'), rateLimits: { llmRequest: { requests: 2, perMs: 1_000 } } },
      });
      await network.run(asker.rpc.request(executor.peerId, { type: 'ping' }));
      const request = async (): Promise<unknown> => {
        const message = await question(asker.identity, executor.identity);
        return asker.rpc.request(executor.peerId, message).catch((error: unknown) => error);
      };
      const answers = await network.run(Promise.all([request(), request(), request()]));
      expect(answers).toMatchObject([
        { type: 'llmResponse' },
        { type: 'llmResponse' },
        { code: 'RATE_LIMITED', data: { retryAfterMs: 500 } },
      ]);
      await network.runFor(500);
      expect(await network.run(request())).toMatchObject({ type: 'llmResponse' });
      await network.run(asker.rpc.request(executor.peerId, { type: 'ping' }));
    });

  test('is told so before its request is read', async ({ createNetwork }) => {
    const { network, executor, hand } = await createByHand(createNetwork, {
      rateLimits: { ping: { requests: 1, perMs: 60_000 } },
    });
    hand.session.write(
      openBytes(1),
      openBytes(2, { piece: new Uint8Array(10), sizeBytes: 1_000_000, more: true }),
    );
    await network.runFor(200);
    expect(hand.session.answers).toEqual({ 1: ['pong'], 2: ['RATE_LIMITED'] });
    executor.expectNothingLeft();
  });
});
