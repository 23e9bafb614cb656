import { test } from '@lloom/simkit/vitest';
import { cryptoBackend, createVerifier } from '@lloom/identity';
import { describe, expect } from 'vitest';
import type { AnswerPrefix } from '@lloom/codec';
import type { Hex } from '@lloom/core';
import type { AnswerPiece, Handler } from '../src/index.ts';
import { ask, createByHand, type Asked } from './byHand.ts';
import type { SimNode } from './simulation.ts';
import { whole } from './simulation.ts';

await cryptoBackend();
const verifier = createVerifier();
const digestOf = (text: string): Hex => verifier.digest(Buffer.from(text));

const begun = { text: 'Once upon ', tokens: 2, totalCost: '7' };

/** A question whose answer has begun elsewhere. */
async function goOn(
  from: SimNode,
  to: SimNode,
  { prefix = begun, signedFor = prefix.text }: { prefix?: AnswerPrefix; signedFor?: string } = {},
): Promise<Asked> {
  return { ...(await ask(from.identity, to.identity, { inReplyTo: digestOf(signedFor) })), prefix };
}

const story: Handler = async function* (_request, { prefix }): AsyncGenerator<AnswerPiece> {
  yield 'a ';
  yield `time (${prefix?.text ?? 'nothing'}, ${prefix?.tokens ?? 0}, ${prefix?.totalCost ?? 0})`;
  yield { totalCost: '3', inboundTokens: 9 };
};

test('an answer that began elsewhere goes on behind it, and is signed as its own part', async ({
  createNetwork,
}) => {
  const { network, executor, asker, hand } = await createByHand(createNetwork, {
    serve: story,
    canContinue: true,
    segmentTokens: 1,
  });
  const message = await goOn(asker, executor);
  const id = hand.ask(message);
  await network.runFor(500);
  const second = 'time (Once upon , 2, 7)';
  expect(hand.told(id)).toEqual(['a ', second, 'end']);
  const requestDigest = verifier.digest(message.request.payloadBytes);
  expect(hand.segmentsOf(id)).toMatchObject(
    ['Once upon a ', `Once upon a ${second}`, `Once upon a ${second}`].map((text, index) => ({
      index,
      requestDigest,
      prefixDigest: digestOf(begun.text),
      runningDigest: digestOf(text),
      tokens: index < 2 ? 1 : 0,
      outboundTokens: Math.min(index + 1, 2),
    })),
  );
  expect(hand.segmentsOf(id).at(-1)).toMatchObject({
    totalCost: '3',
    inboundTokens: 9,
    finishReason: 'stop',
  });
  executor.expectNothingLeft();
});

test('an answer in one piece goes on behind it, too', async ({ createNetwork }) => {
  const { network, executor, asker, hand } = await createByHand(createNetwork, {
    serve: () => whole('a time'),
    canContinue: true,
  });
  const id = hand.ask(await goOn(asker, executor));
  await network.runFor(500);
  expect(hand.told(id)).toEqual(['a time', 'end']);
  expect(hand.segmentsOf(id)).toMatchObject([
    { index: 0, prefixDigest: digestOf(begun.text), runningDigest: digestOf('Once upon a time') },
  ]);
});

test('an answer that begins here continues nothing', async ({ createNetwork }) => {
  const { network, executor, asker, hand } = await createByHand(createNetwork, {
    serve: story,
    canContinue: true,
  });
  const id = hand.ask(await ask(asker.identity, executor.identity));
  await network.runFor(500);
  expect(hand.told(id)).toEqual(['a ', 'time (nothing, 0, 0)', 'end']);
  expect(hand.segmentsOf(id)).toMatchObject([{ prefixDigest: digestOf('') }]);
});

describe('the beginning of an answer is refused', () => {
  for (const [name, refuse, wanted] of [
    [
      'when it is not what was signed',
      (asker: SimNode, executor: SimNode) => goOn(asker, executor, { signedFor: 'Once upon' }),
      { code: 'SIGNATURE_REFUSED', reason: 'WRONG_PREFIX' },
    ],
    [
      'when it is kept back',
      (asker: SimNode, executor: SimNode) =>
        ask(asker.identity, executor.identity, { inReplyTo: digestOf(begun.text) }),
      { code: 'SIGNATURE_REFUSED', reason: 'WRONG_PREFIX' },
    ],
    [
      'when none was signed',
      async (asker: SimNode, executor: SimNode): Promise<Asked> => ({
        ...(await ask(asker.identity, executor.identity)),
        prefix: begun,
      }),
      { code: 'SIGNATURE_REFUSED', reason: 'WRONG_PREFIX' },
    ],
  ] as const)
    test(name, async ({ createNetwork }) => {
      let calls = 0;
      const { network, executor, asker, hand } = await createByHand(createNetwork, {
        serve: () => whole(`answer ${++calls}`),
        canContinue: true,
      });
      const id = hand.ask(await refuse(asker, executor));
      await network.runFor(500);
      expect(hand.errorOf(id)).toMatchObject(wanted);
      expect(calls).toBe(0);
      executor.expectNothingLeft();
    });

  test('when the handler cannot go on with it, and the question may be asked again', async ({
    createNetwork,
  }) => {
    let calls = 0;
    const { network, executor, asker, hand } = await createByHand(createNetwork, {
      serve: () => whole(`answer ${++calls}`),
    });
    const refused = hand.ask(await goOn(asker, executor));
    await network.runFor(500);
    expect([hand.told(refused), calls]).toEqual([['CANNOT_CONTINUE'], 0]);
    const asked = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(500);
    expect(hand.told(asked)).toEqual(['answer 1', 'end']);
  });

  test('when the answer is wanted as a whole', async ({ createNetwork }) => {
    const { network, executor, asker, hand } = await createByHand(createNetwork, {
      serve: story,
      canContinue: true,
    });
    const id = hand.ask(await goOn(asker, executor), { stream: false });
    await network.runFor(500);
    expect(hand.told(id)).toEqual(['INVALID_REQUEST']);
  });

  test('when the key was used for another one', async ({ createNetwork }) => {
    const { network, executor, asker, hand } = await createByHand(createNetwork, {
      serve: story,
      canContinue: true,
    });
    const told: string[] = [];
    const other = { ...begun, text: 'Once upon a midnight ' };
    for (const message of [
      await goOn(asker, executor),
      await goOn(asker, executor),
      await goOn(asker, executor, { prefix: other }),
      await ask(asker.identity, executor.identity),
    ]) {
      const id = hand.ask(message);
      await network.runFor(500);
      told.push(hand.told(id).at(-1)!);
    }
    expect(told).toEqual(['end', 'end', 'IDEMPOTENCY_CONFLICT', 'IDEMPOTENCY_CONFLICT']);
  });
});
