import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Refusal } from '../src/errors.ts';
import type { AnswerPiece } from '../src/index.ts';
import { ask, counted, createByHand, said } from './byHand.ts';
import { pause, whole, words } from './simulation.ts';

describe('a question that is asked again', () => {
  test('while it runs is told what was said so far and goes on from there: it runs once', async ({
    createNetwork,
  }) => {
    const { calls, serve } = counted(words(10, 100));
    const { network, executor, asker, hand } = await createByHand(createNetwork, { serve });
    const first = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(550);
    const again = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(100);
    // There and back it is 100 ms, and a word comes each 100 ms.
    expect([hand.told(first).length, hand.told(again).length]).toEqual([5, 5]);
    await network.runFor(2_000);
    for (const id of [first, again]) expect(hand.told(id)).toEqual([...said(10), 'end']);
    expect(hand.bytesOf(again)).toEqual(hand.bytesOf(first));
    expect(calls).toEqual({ count: 1, aborts: 0 });
    executor.expectNothingLeft();
  });

  for (const stream of [true, false])
    test(`after it was answered ${stream ? 'in chunks' : 'as a whole'} is given the same bytes, and is not run`, async ({
      createNetwork,
    }) => {
      const { calls, serve } = counted(stream ? words(3, 10) : () => whole('answer'));
      const { network, executor, asker, hand, connect } = await createByHand(createNetwork, { serve });
      const first = hand.ask(await ask(asker.identity, executor.identity), { stream });
      await network.runFor(1_000);
      hand.session.stream.abort(new Error('gone'));
      const later = await connect();
      const again = later.ask(await ask(asker.identity, executor.identity), { stream });
      await network.runFor(1_000);
      expect(hand.told(first)).toEqual(stream ? [...said(3), 'end'] : ['answer']);
      expect(later.bytesOf(again)).toEqual(hand.bytesOf(first));
      expect(calls.count).toBe(1);
      executor.expectNothingLeft();
    });

  test('with another body is refused as a conflict, and harms nothing', async ({ createNetwork }) => {
    const { calls, serve } = counted(words(3, 100));
    const { network, executor, asker, hand } = await createByHand(createNetwork, { serve });
    const first = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(150);
    const other = await ask(asker.identity, executor.identity, { prompt: 'Goodbye' });
    const running = hand.ask(other);
    await network.runFor(1_000);
    const done = hand.ask(other);
    await network.runFor(1_000);
    expect([hand.told(running), hand.told(done)]).toEqual([
      ['IDEMPOTENCY_CONFLICT'],
      ['IDEMPOTENCY_CONFLICT'],
    ]);
    expect(hand.told(first)).toEqual([...said(3), 'end']);
    expect(calls.count).toBe(1);
  });

  test('as a whole, and is answered in chunks, is refused as a conflict; the other way round it is told', async ({
    createNetwork,
  }) => {
    const { serve } = counted(words(2, 10));
    const { network, executor, asker, hand } = await createByHand(createNetwork, { serve });
    const fresh = (idempotencyKey: string) => ask(asker.identity, executor.identity, { idempotencyKey });
    const told: string[][] = [];
    for (const [key, stream] of [
      ['a', true],
      ['a', false],
      ['b', false],
      ['b', true],
    ] as const) {
      const id = hand.ask(await fresh(key), { stream });
      await network.runFor(500);
      told.push(hand.told(id));
    }
    const text = said(2).join('');
    expect(told).toEqual([[...said(2), 'end'], ['IDEMPOTENCY_CONFLICT'], [text], [text]]);
  });

  test('under the same key by somebody else is another question', async ({ createNetwork }) => {
    const { calls, serve } = counted(() => whole('answer'));
    const { network, executor, asker, hand, connect } = await createByHand(createNetwork, { serve }, [
      'other',
    ]);
    const others = await connect('other');
    hand.ask(await ask(asker.identity, executor.identity));
    const id = others.ask(
      await ask(network.node('other').identity, executor.identity, { prompt: 'Goodbye' }),
    );
    await network.runFor(500);
    expect(others.told(id)).toEqual(['answer', 'end']);
    expect(calls.count).toBe(2);
  });
});

describe('the same signed bytes', () => {
  test('are answered again to the peer that sent them first, and to their owner, and to nobody else', async ({
    createNetwork,
  }) => {
    const { calls, serve } = counted(() => whole('answer'));
    const { network, executor, asker, hand, connect } = await createByHand(createNetwork, { serve }, [
      'gateway',
      'thief',
    ]);
    const bytes = await ask(asker.identity, executor.identity);
    const [gateway, thief] = [await connect('gateway'), await connect('thief')];
    const told: string[][] = [];
    for (const client of [gateway, gateway, hand, thief]) {
      const id = client.ask(bytes);
      await network.runFor(500);
      told.push(client.told(id));
    }
    expect(told).toEqual([['answer', 'end'], ['answer', 'end'], ['answer', 'end'], ['SIGNATURE_REFUSED']]);
    expect(thief.errorOf(1).reason).toBe('REPLAYED');
    expect(calls.count).toBe(1);
  });

  test('signed anew are answered to whoever sends them, once each', async ({ createNetwork }) => {
    const { calls, serve } = counted(words(3, 100));
    const { network, executor, asker, hand, connect } = await createByHand(createNetwork, { serve }, [
      'other',
    ]);
    const other = await connect('other');
    hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(200);
    const fresh = await ask(asker.identity, executor.identity);
    const [joined, replayed] = [other.ask(fresh), other.ask(fresh)];
    await network.runFor(1_000);
    expect(other.told(joined)).toEqual([...said(3), 'end']);
    expect(other.told(replayed)).toEqual(['SIGNATURE_REFUSED']);
    expect(calls.count).toBe(1);
  });

  test('are not run again when their question was forgotten', async ({ createNetwork }) => {
    const { calls, serve } = counted(() => {
      throw new Refusal('MODEL_UNAVAILABLE', 'not here');
    });
    const { network, executor, asker, hand } = await createByHand(createNetwork, { serve });
    const bytes = await ask(asker.identity, executor.identity);
    const told: string[][] = [];
    for (const message of [bytes, bytes, await ask(asker.identity, executor.identity)]) {
      const id = hand.ask(message);
      await network.runFor(500);
      told.push(hand.told(id));
    }
    expect(told).toEqual([['MODEL_UNAVAILABLE'], ['SIGNATURE_REFUSED'], ['MODEL_UNAVAILABLE']]);
    expect(calls.count).toBe(2);
  });
});

describe('what is remembered', () => {
  test('is forgotten when its time is over, and runs again', async ({ createNetwork }) => {
    const { calls, serve } = counted(() => whole('answer'));
    const { network, executor, asker, hand } = await createByHand(createNetwork, {
      serve,
      idempotencyTtlMs: 60_000,
    });
    for (const waitMs of [59_000, 2_000, 1_000]) {
      hand.ask(await ask(asker.identity, executor.identity));
      await network.runFor(waitMs);
    }
    expect(calls.count).toBe(2);
  });

  test('of one signer is a quarter of all: the oldest is forgotten first, and that of others stays', async ({
    createNetwork,
  }) => {
    const { calls, serve } = counted(() => whole('answer'));
    const { network, executor, asker, hand, connect } = await createByHand(
      createNetwork,
      { serve, maxIdempotencyKeys: 8 },
      ['other'],
    );
    const others = await connect('other');
    others.ask(await ask(network.node('other').identity, executor.identity));
    const fresh = async (idempotencyKey: string): Promise<void> => {
      hand.ask(await ask(asker.identity, executor.identity, { idempotencyKey }));
      await network.runFor(200);
    };
    for (const key of ['a', 'b', 'c', 'd']) await fresh(key);
    expect(calls.count).toBe(5);
    // The last two are known; the first one is not.
    for (const key of ['c', 'd']) await fresh(key);
    others.ask(await ask(network.node('other').identity, executor.identity));
    await network.runFor(200);
    expect(calls.count).toBe(5);
    await fresh('a');
    expect(calls.count).toBe(6);
  });

  test('of an answer that is too large is that it was given: it is lost, and not run again', async ({
    createNetwork,
  }) => {
    const { calls, serve } = counted(words(100, 1));
    const { network, executor, asker, hand } = await createByHand(createNetwork, {
      serve,
      maxKeptAnswerBytes: 1_000,
    });
    const first = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(1_000);
    const again = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(500);
    expect(hand.told(first)).toEqual([...said(100), 'end']);
    expect(hand.told(again)).toEqual(['REQUEST_LOST']);
    expect(calls.count).toBe(1);
  });

  test('makes room for what is asked now: answers go first, and their questions are lost', async ({
    createNetwork,
  }) => {
    const { calls, serve } = counted(() => whole('x'.repeat(3_000)));
    const { network, executor, asker, hand } = await createByHand(createNetwork, {
      serve,
      maxInflightBytes: 32_000,
    });
    const told: string[] = [];
    const fresh = async (idempotencyKey: string, prompt: string): Promise<void> => {
      const id = hand.ask(await ask(asker.identity, executor.identity, { idempotencyKey, prompt }));
      await network.runFor(500);
      told.push(hand.told(id).at(-1)!);
    };
    await fresh('a', 'Hello');
    await fresh('b', 'Hello');
    await fresh('large', 'y'.repeat(22_000));
    await fresh('a', 'Hello');
    await fresh('b', 'Hello');
    await fresh('larger', 'y'.repeat(33_000));
    expect(told).toEqual(['end', 'end', 'end', 'REQUEST_LOST', 'end', 'BUSY']);
    expect(calls.count).toBe(3);
    executor.expectNothingLeft();
  });
});

test('an answer that failed on its way fails the same way again, and is not run', async ({
  createNetwork,
}) => {
  const { calls, serve } = counted(async function* (): AsyncGenerator<AnswerPiece> {
    yield 'one ';
    await pause(100);
    throw new Refusal('PRICE_EXCEEDED', 'too long');
  });
  const { network, executor, asker, hand } = await createByHand(createNetwork, { serve });
  const first = hand.ask(await ask(asker.identity, executor.identity));
  await network.runFor(150);
  const joined = hand.ask(await ask(asker.identity, executor.identity));
  await network.runFor(500);
  const again = hand.ask(await ask(asker.identity, executor.identity));
  await network.runFor(500);
  for (const id of [first, joined, again]) expect(hand.told(id)).toEqual(['one ', 'PRICE_EXCEEDED']);
  expect(calls.count).toBe(1);
  executor.expectNothingLeft();
});

test('a node that checks no signatures takes signers at their word', async ({ createNetwork }) => {
  const { calls, serve } = counted(() => whole('answer'));
  const { network, executor, asker, hand } = await createByHand(createNetwork, {
    serve,
    signatures: 'ignore',
  });
  const { request } = await ask(asker.identity, executor.identity);
  const told: string[][] = [];
  for (const message of [
    request,
    { ...request, signature: '0x00' as const },
    { ...request, signer: executor.identity.evmAddress },
  ]) {
    const id = hand.ask({ type: 'llmRequest', request: { ...message, signature: request.signature } });
    await network.runFor(500);
    told.push(hand.told(id));
  }
  for (const each of told) expect(each).toEqual(['answer', 'end']);
  expect(calls.count).toBe(2);
});
