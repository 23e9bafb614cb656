import { verifySignedMessage } from '@lloom/identity';
import { test } from '@lloom/simkit/vitest';
import { CodecError, limits } from '@lloom/codec';
import { describe, expect } from 'vitest';
import { Refusal, type AnswerPiece, type Handler, type RelayBudget } from '../src/index.ts';
import { counted } from './byHand.ts';
import { createWorld } from './callWorld.ts';
import { question } from './nodes.ts';
import { createPair, pause, readAll, ways } from './simulation.ts';

const call = {
  id: 'call_1',
  type: 'function',
  function: { name: 'weather', arguments: '{"city":"Zürich"}' },
};
const extra = { tool_calls: [call] };
const end = { finishReason: 'tool_calls', inboundTokens: 3, outboundTokens: 9, totalCost: '42' };

/** Calls a tool, and says so with words or without. */
const calling = (...texts: readonly string[]): Handler =>
  async function* (): AsyncGenerator<AnswerPiece> {
    yield* texts;
    yield { ...end, extra };
  };

describe.each(ways)('what an answer has beyond its text, over $fidelity links by $carrier', (way) => {
  for (const texts of [['Let me ', 'look.'], []])
    test(`arrives at the end of a stream of ${texts.length} words, signed`, async ({ createNetwork }) => {
      const { serve, calls } = counted(calling(...texts));
      const { network, asker, executor } = await createPair(createNetwork, { ...way, executor: { serve } });
      const ask = async () => {
        const message = await question(asker.identity, executor.identity, { idempotencyKey: 'once' });
        const stream = asker.rpc.stream(executor.peerId, message);
        expect(await readAll(stream)).toBe(texts.join(''));
        return stream.result;
      };
      const answer = await network.run(ask());
      expect(answer).toMatchObject({ ...end, extra, content: texts.join('') });
      const last = answer.parts.at(-1);
      expect(last?.signed?.payload.extra).toEqual(extra);
      const { requestDigest } = answer;
      expect(await verifySignedMessage(answer.parts, { requestDigest })).toMatchObject({ unsignedTokens: 0 });
      const payload = { ...last!.signed!.payload, extra: { tool_calls: [] } };
      const forged = [{ ...last!, signed: { ...last!.signed!, payload } }];
      await expect(verifySignedMessage(forged, { requestDigest })).rejects.toMatchObject({
        code: 'WRONG_ANSWER',
      });
      // Whoever asks once more is told the same, and nothing is run.
      expect((await network.run(ask())).extra).toEqual(extra);
      expect(calls.count).toBe(1);
      asker.expectNothingLeft();
      executor.expectNothingLeft();
    });

  test('arrives with an answer in one piece, signed', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: { serve: calling('Let me look.') },
    });
    const message = await question(asker.identity, executor.identity);
    const { response } = await network.run(asker.rpc.request(executor.peerId, message));
    expect(response.payload).toMatchObject({ ...end, extra, content: 'Let me look.' });
    expect(await verifySignedMessage(response)).toMatchObject({ signer: executor.identity.evmAddress });
  });
});

test('messages of a chat arrive with all of their fields', async ({ createNetwork }) => {
  const seen: unknown[] = [];
  const { network, asker, executor } = await createPair(createNetwork, {
    executor: {
      serve: async function* ({ request }) {
        seen.push(...request.payload.messages);
        yield 'Dry.';
      },
    },
  });
  const messages = [
    { role: 'user', content: 'Is it raining?' },
    { role: 'assistant', content: '', extra },
    { role: 'tool', content: '{"rain":false}', extra: { tool_call_id: 'call_1' } },
  ];
  const input = { prompt: undefined, messages };
  const message = await question(asker.identity, executor.identity, input as object);
  await network.run(readAll(asker.rpc.stream(executor.peerId, message)));
  expect(seen.slice(-messages.length)).toEqual(messages);
});

test('a request with tools goes elsewhere only to whoever offers them', async ({ createNetwork }) => {
  const refuse: Handler = () => {
    throw new Refusal('MODEL_UNAVAILABLE', 'not today');
  };
  const world = await createWorld(createNetwork, {
    executors: { left: { serve: refuse }, right: { serve: calling('Look: ') } },
  });
  const chat = [{ role: 'tool', content: '{}', extra: { tool_call_id: 'call_1' } }];
  const named = [{ role: 'user', content: 'Hello', extra: { name: 'ada' } }];
  const asked: readonly (readonly [input: object, features: readonly string[] | undefined])[] = [
    [{ extra: { tools: [{ type: 'function', function: { name: 'weather' } }] } }, ['tools']],
    [{ messages: chat }, ['tools']],
    [{ messages: named, extra: { tools: [] } }, undefined],
  ];
  for (const [input, features] of asked) {
    const message = await world.question('left', input);
    await world.network.run(readAll(world.asker.rpc.stream(world.id('left'), message, { retry: {} })));
    expect(new Set(world.directory.queries.splice(0).map((query) => query.features))).toEqual(
      new Set([features]),
    );
  }
  await world.end();
});

test('of an answer that two executors give, it is what the one says that finishes it', async ({
  createNetwork,
}) => {
  const world = await createWorld(createNetwork, {
    executors: {
      left: {
        segmentTokens: 1,
        serve: async function* () {
          yield { extra: { tool_calls: [] }, totalCost: '1' };
          yield 'Let me ';
          await pause(500);
          throw new Error('broken');
        },
      },
      right: { canContinue: true, serve: calling('look.') },
    },
  });
  const stream = world.asker.rpc.stream(world.id('left'), await world.question('left'), { retry: {} });
  expect(await world.network.run(readAll(stream))).toBe('Let me look.');
  const answer = await stream.result;
  expect(answer).toMatchObject({ extra, finishReason: 'tool_calls', peerId: world.id('right') });
  expect(answer.parts.flatMap(({ signed }) => signed?.payload.extra ?? [])).toEqual([extra]);
  expect(answer.shares.map(({ totalCost }) => totalCost)).toEqual(['1', '42']);
  await world.end();
});

test('an executor that breaks off before its first word is owed nothing for the tokens of a call', async ({
  createNetwork,
}) => {
  const world = await createWorld(createNetwork, {
    executors: {
      left: {
        serve: async function* () {
          yield { totalCost: '100' };
          yield { text: '', tokens: 100 };
          await pause(5_000);
          throw new Error('broken');
        },
      },
      right: { serve: calling('Look: ') },
    },
  });
  const stream = world.asker.rpc.stream(world.id('left'), await world.question('left'), { retry: {} });
  expect(await world.network.run(readAll(stream))).toBe('Look: ');
  const answer = await stream.result;
  expect(answer).toMatchObject({ extra, peerId: world.id('right'), totalCost: '42' });
  expect(answer.shares).toHaveLength(1);
  await world.end();
});

test('more than its bounds ends the request, and the executor is told why', async ({ createNetwork }) => {
  const errors: unknown[] = [];
  const { network, asker, executor } = await createPair(createNetwork, {
    executor: {
      serve: async (_request, { channel }) => {
        const pieces = async function* (): AsyncGenerator<AnswerPiece> {
          yield 'Let me ';
          yield { ...end, extra: { a: 'x'.repeat(limits.extraBytes) } };
        };
        await channel.stream(pieces()).catch((error: unknown) => errors.push(error));
      },
    },
  });
  const message = await question(asker.identity, executor.identity);
  const stream = asker.rpc.stream(executor.peerId, message);
  await expect(network.run(stream.result)).rejects.toMatchObject({ code: 'REMOTE' });
  expect(errors.map((error) => CodecError.is(error, 'INVALID_FIELD') && error.data.path)).toEqual([
    'AnswerSegment.extra',
  ]);
  executor.expectNothingLeft();
});

test('what a relay would cut of it waits for room, and what was shown is signed before', async ({
  createNetwork,
}) => {
  let bytesLeft: number | undefined = 30_000;
  let asked = 0;
  const relay = (): RelayBudget => ({
    bytesLeft: () => bytesLeft,
    makeRoom: async () => {
      asked++;
      bytesLeft = undefined;
      return true;
    },
  });
  const large = { a: 'x'.repeat(60_000) };
  const { network, asker, executor } = await createPair(createNetwork, {
    asker: { relayBudget: relay() },
    executor: {
      relayBudget: relay(),
      rejoinTimeoutMs: 5_000,
      serve: async function* () {
        yield 'Let me look.';
        yield { ...end, extra: large };
      },
    },
  });
  const message = await question(asker.identity, executor.identity);
  const stream = asker.rpc.stream(executor.peerId, message, { retry: {} });
  const answer = await network.run(stream.result);
  expect(answer).toMatchObject({ extra: large, content: 'Let me look.' });
  expect(answer.parts.map(({ text }) => text)).toEqual(['Let me look.', '']);
  expect(asked).toBe(1);
});
