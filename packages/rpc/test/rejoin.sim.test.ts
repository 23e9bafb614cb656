import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { AnswerPiece } from '../src/index.ts';
import { ask, counted, createByHand, said, type ByHand } from './byHand.ts';
import { pause, whole, words } from './simulation.ts';

describe('a client that goes', () => {
  test('by cancelling stops the work at once; what it had been told is lost', async ({ createNetwork }) => {
    const { calls, serve } = counted(words(10, 100));
    const { network, executor, asker, hand } = await createByHand(createNetwork, { serve });
    const first = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(400);
    hand.cancel(first);
    await network.runFor(50);
    expect(calls.aborts).toBe(1);
    executor.expectNothingLeft();
    const again = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(500);
    expect(hand.told(again)).toEqual(['REQUEST_LOST']);
    expect(calls.count).toBe(1);
  });

  test('by cancelling before anything was said may ask again, when the work has ended', async ({
    createNetwork,
  }) => {
    const { calls, serve } = counted(words(2, 500));
    const { network, executor, asker, hand } = await createByHand(createNetwork, { serve });
    hand.cancel(hand.ask(await ask(asker.identity, executor.identity)));
    const early = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(200);
    hand.cancel(early);
    await network.runFor(200);
    // Its handler waits for its word, and has not heard of it.
    const beside = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(400);
    expect(hand.told(beside)).toEqual(['BUSY']);
    const again = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(2_000);
    expect(hand.told(again)).toEqual([...said(2), 'end']);
    expect(calls).toEqual({ count: 2, aborts: 1 });
  });

  test('because its connection broke finds the work going on when it comes back', async ({
    createNetwork,
  }) => {
    const { calls, serve } = counted(words(50, 100));
    const { network, executor, asker, hand, connect } = await createByHand(createNetwork, { serve });
    hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(1_000);
    hand.session.stream.abort(new Error('broken'));
    await network.runFor(4_900);
    expect(executor.rpc.activeInbound).toBe(0);
    const back = await connect();
    const id = back.ask(await ask(asker.identity, executor.identity));
    await network.runFor(1_000);
    expect(back.told(id)).toEqual([...said(50), 'end']);
    expect(calls).toEqual({ count: 1, aborts: 0 });
    await network.runFor(5_000);
    executor.expectNothingLeft();
  });

  test('because its connection broke is given up when it does not come back, and told what was said then', async ({
    createNetwork,
  }) => {
    const { calls, serve } = counted(words(100, 100));
    const { network, executor, asker, hand, connect } = await createByHand(createNetwork, { serve });
    hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(1_000);
    hand.session.stream.abort(new Error('broken'));
    await network.runFor(5_000);
    expect(calls.aborts).toBe(0);
    await network.runFor(100);
    expect(calls.aborts).toBe(1);
    executor.expectNothingLeft();
    const back = await connect();
    const id = back.ask(await ask(asker.identity, executor.identity));
    await network.runFor(500);
    const told = back.told(id);
    expect(told.at(-1)).toBe('REQUEST_LOST');
    expect(told.slice(0, -1)).toEqual(said(told.length - 1));
    expect(told.length).toBeGreaterThan(50);
    expect(calls.count).toBe(1);
  });

  test('is not worked for beyond its own deadline', async ({ createNetwork }) => {
    const { calls, serve } = counted(words(100, 100));
    const { network, executor, asker, hand } = await createByHand(createNetwork, { serve });
    hand.ask(await ask(asker.identity, executor.identity), { timeoutMs: 3_000 });
    await network.runFor(1_000);
    hand.session.stream.abort(new Error('broken'));
    await network.runFor(2_000);
    expect(calls.aborts).toBe(0);
    await network.runFor(100);
    expect(calls.aborts).toBe(1);
    executor.expectNothingLeft();
  });

  test('costs no memory beyond what is kept: a larger answer is given up', async ({ createNetwork }) => {
    const { calls, serve } = counted(async function* (): AsyncGenerator<AnswerPiece> {
      for (;;) {
        yield 'x'.repeat(1_000);
        await pause(10);
      }
    });
    const { network, executor, asker, hand } = await createByHand(createNetwork, {
      serve,
      maxKeptAnswerBytes: 100_000,
    });
    hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(500);
    hand.session.stream.abort(new Error('broken'));
    await network.runFor(1_500);
    expect(calls.aborts).toBe(1);
    executor.expectNothingLeft();
  });

  test('leaves others to be answered who ask the same', async ({ createNetwork }) => {
    const { calls, serve } = counted(words(10, 100));
    const { network, executor, asker, hand, connect } = await createByHand(createNetwork, { serve }, [
      'other',
    ]);
    const first = hand.ask(await ask(asker.identity, executor.identity));
    const second = await connect('other');
    await network.runFor(300);
    const joined = second.ask(await ask(asker.identity, executor.identity));
    await network.runFor(300);
    hand.cancel(first);
    await network.runFor(2_000);
    expect(second.told(joined)).toEqual([...said(10), 'end']);
    expect(calls).toEqual({ count: 1, aborts: 0 });
    executor.expectNothingLeft();
  });
});

test('a client that reads slowly holds up nobody who asks the same, and gets all of it', async ({
  createNetwork,
}) => {
  const { calls, serve } = counted(async function* (): AsyncGenerator<AnswerPiece> {
    for (let piece = 0; piece < 60; piece++) {
      yield `${piece}`.padEnd(10_000, '.');
      await pause(1);
    }
  });
  const { network, executor, asker, hand } = await createByHand(createNetwork, { serve });
  const [slow, fast] = [
    hand.ask(await ask(asker.identity, executor.identity)),
    hand.ask(await ask(asker.identity, executor.identity)),
  ];
  await network.runFor(200);
  hand.grant(fast, 1_000_000);
  await network.runFor(2_000);
  expect(hand.told(fast)).toHaveLength(61);
  expect(hand.told(slow).length).toBeLessThan(30);
  hand.grant(slow, 1_000_000);
  await network.runFor(2_000);
  expect(hand.bytesOf(slow)).toEqual(hand.bytesOf(fast));
  expect(calls.count).toBe(1);
  executor.expectNothingLeft();
});

test('a client that comes back before its old connection is known to be broken is told all of it', async ({
  createNetwork,
}) => {
  const { calls, serve } = counted(async function* (): AsyncGenerator<AnswerPiece> {
    for (let piece = 0; piece < 60; piece++) yield `${piece}`.padEnd(10_000, '.');
  });
  const { network, executor, asker, hand, connect } = await createByHand(createNetwork, { serve }, ['other']);
  const stuck = hand.ask(await ask(asker.identity, executor.identity));
  await network.runFor(1_000);
  // It has no credit left, and takes nothing more.
  expect(hand.told(stuck).length).toBeLessThan(30);
  const back = await connect('other');
  const id = back.ask(await ask(asker.identity, executor.identity));
  back.grant(id, 1_000_000);
  await network.runFor(1_000);
  expect(back.told(id)).toHaveLength(61);
  expect(calls.count).toBe(1);
  hand.session.stream.abort(new Error('broken'));
  await network.runFor(100);
  executor.expectNothingLeft();
});

for (const [how, leave] of [
  ['gave it up', (hand: ByHand, id: number) => hand.cancel(id)],
  ['had no time left', () => undefined],
] as const)
  test(`an answer that was ready when its client ${how} is given when it is asked for again`, async ({
    createNetwork,
  }) => {
    const text = 'x'.repeat(400_000);
    const { calls, serve } = counted(() => whole(text));
    const { network, executor, asker, hand, connect } = await createByHand(createNetwork, { serve });
    // All of it is beyond what the client takes.
    const first = hand.ask(await ask(asker.identity, executor.identity), { stream: false, timeoutMs: 2_000 });
    await network.runFor(1_000);
    leave(hand, first);
    await network.runFor(2_000);
    hand.session.stream.abort(new Error('gone'));
    const back = await connect();
    const again = back.ask(await ask(asker.identity, executor.identity), { stream: false });
    back.grant(again, text.length);
    await network.runFor(1_000);
    expect(back.told(again)).toEqual([text]);
    expect(calls.count).toBe(1);
    executor.expectNothingLeft();
  });
