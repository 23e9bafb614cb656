import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Refusal } from '../src/errors.ts';
import type { AnswerPiece, InboundCall, Middleware } from '../src/index.ts';
import { ask, createByHand } from './byHand.ts';
import { openBytes } from './handSession.ts';
import { failure, question } from './nodes.ts';
import { createPair, pause, ways, whole, words } from './simulation.ts';

const text = {
  encode: (value: string) => Buffer.from(value),
  decode: (bytes: Uint8Array) => Buffer.from(bytes).toString(),
};
const echo = { protocolName: '/echo/1.0.0', request: text, response: text };

describe.for(ways)('over $fidelity links by $carrier', (way) => {
  test('a middleware stands around every request, and is told how each ended', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: { serve: () => whole('done') },
    });
    await executor.rpc.addProtocol({ ...echo, handleRequest: (_, value: string) => value });
    const seen: unknown[] = [];
    const note: Middleware = {
      inbound: async ({ peerId, method, metadata, traceparent }, next) => {
        seen.push([
          peerId === asker.peerId,
          method,
          metadata['from'],
          traceparent === undefined,
          await next(),
        ]);
      },
    };
    const remove = executor.rpc.use(note);
    const call = { metadata: { from: 'asker' } };
    const askAll = async (): Promise<void> => {
      const message = await question(asker.identity, executor.identity);
      await asker.rpc.request(executor.peerId, { type: 'ping' }, call);
      await asker.rpc.request(executor.peerId, message, call);
      expect(await asker.rpc.callProtocol(executor.peerId, echo, 'hello', call)).toBe('hello');
    };
    await network.run(askAll());
    await network.runFor(100);
    expect(seen).toEqual(
      ['ping', 'llmRequest', '/echo/1.0.0'].map((method) => [true, method, 'asker', true, 'answered']),
    );
    remove();
    await network.run(askAll());
    expect(seen).toHaveLength(3);
    await network.runFor(3_000);
    executor.expectNothingLeft();
  });

  test('a middleware refuses with a code of its own; anything else it throws is not told', async ({
    createNetwork,
  }) => {
    let handled = 0;
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: { serve: () => whole(`answer ${++handled}`) },
    });
    await executor.rpc.addProtocol({ ...echo, handleRequest: () => `answer ${++handled}` });
    let thrown: Error = new Refusal('MODEL_UNAVAILABLE', 'members only');
    executor.rpc.use({ inbound: () => Promise.reject(thrown) });
    const request = async () =>
      asker.rpc.request(executor.peerId, await question(asker.identity, executor.identity));
    const call = () => asker.rpc.callProtocol(executor.peerId, echo, 'hello');
    const ping = () => asker.rpc.request(executor.peerId, { type: 'ping' });
    for (const act of [request, call, ping]) {
      thrown = new Refusal('MODEL_UNAVAILABLE', 'members only');
      expect(await network.run(failure(act()))).toMatchObject({
        code: 'MODEL_UNAVAILABLE',
        data: { remoteMessage: 'members only' },
      });
      thrown = new Error('secret');
      const error = await network.run(failure(act()));
      expect(error).toMatchObject({ code: 'REMOTE' });
      expect(JSON.stringify(error)).not.toContain('secret');
    }
    expect(handled).toBe(0);
    await network.runFor(3_000);
    executor.expectNothingLeft();
  });
});

test('a middleware is asked once of a question, however often that is sent', async ({ createNetwork }) => {
  const { network, executor, asker, hand } = await createByHand(createNetwork, { serve: words(5, 100) });
  const outcomes: string[] = [];
  executor.rpc.use({ inbound: async (_, next) => void outcomes.push(await next()) });
  for (let time = 0; time < 3; time++) {
    hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(200);
  }
  await network.runFor(2_000);
  hand.ask(await ask(asker.identity, executor.identity));
  await network.runFor(500);
  for (const id of [1, 2, 3, 4]) expect(hand.told(id).at(-1)).toBe('end');
  expect(outcomes).toEqual(['answered']);
});

test('a middleware that takes long hears that its request is over, and nothing runs any more', async ({
  createNetwork,
}) => {
  let handled = 0;
  const { network, executor, asker, hand } = await createByHand(createNetwork, {
    serve: () => whole(`answer ${++handled}`),
  });
  const seen: string[] = [];
  executor.rpc.use({
    inbound: async ({ signal }: InboundCall, next) => {
      await pause(1_000);
      seen.push(`${signal.aborted}`, await next());
    },
  });
  const cancelled = hand.ask(await ask(asker.identity, executor.identity));
  const late = await ask(asker.identity, executor.identity, { idempotencyKey: 'late' });
  hand.ask(late, { timeoutMs: 500 });
  await network.runFor(300);
  hand.cancel(cancelled);
  await network.runFor(2_000);
  expect(hand.told(2)).toEqual(['OMITTED']);
  expect(seen).toEqual(['true', 'cancelled', 'true', 'omitted']);
  expect(handled).toBe(0);
  executor.expectNothingLeft();
});

describe('through a relay', () => {
  test('an answer ends with a signature before the relay cuts it off', async ({ createNetwork }) => {
    let bytesLeft = 20_000;
    const { network, executor, asker, hand } = await createByHand(createNetwork, {
      relayBudget: { bytesLeft: () => bytesLeft },
      segmentTokens: 1_000,
      segmentIntervalMs: 60_000,
      serve: async function* (): AsyncGenerator<AnswerPiece> {
        for (;;) {
          yield 'x'.repeat(1_000);
          bytesLeft -= 1_000;
          await pause(1);
        }
      },
    });
    const id = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(1_000);
    const told = hand.told(id);
    expect(told.at(-1)).toBe('RELAY_LIMIT');
    expect(told.slice(0, -1).join('')).toBe('x'.repeat(10_000));
    expect(hand.segmentsOf(id)).toMatchObject([{ index: 0, tokens: 10, outboundTokens: 10 }]);
    // Nobody comes back for the rest.
    await network.runFor(12_000);
    executor.expectNothingLeft();
  });

  for (const [name, stream] of [
    ['as a whole', false],
    ['in one chunk', true],
  ] as const)
    test(`an answer ${name} that does not fit is not begun`, async ({ createNetwork }) => {
      const { network, executor, asker, hand } = await createByHand(createNetwork, {
        relayBudget: { bytesLeft: () => 10_000 },
        serve: ({ request }) => whole('x'.repeat(request.payload.idempotencyKey === 'large' ? 10_001 : 500)),
      });
      const large = await ask(asker.identity, executor.identity, { idempotencyKey: 'large' });
      const ids = [
        hand.ask(large, { stream }),
        hand.ask(await ask(asker.identity, executor.identity), { stream }),
      ];
      await network.runFor(500);
      expect(ids.map((id) => hand.told(id).at(-1))).toEqual([
        'RELAY_LIMIT',
        stream ? 'end' : 'x'.repeat(500),
      ]);
    });

  test('an answer is not repeated that would be cut off', async ({ createNetwork }) => {
    let bytesLeft = 10_000;
    const { network, executor, asker, hand } = await createByHand(createNetwork, {
      relayBudget: { bytesLeft: () => bytesLeft },
      serve: () => whole('x'.repeat(1_000)),
    });
    const told: string[] = [];
    for (bytesLeft of [10_000, 900, 10_000]) {
      const id = hand.ask(await ask(asker.identity, executor.identity));
      await network.runFor(500);
      told.push(hand.told(id).at(-1)!);
    }
    expect(told).toEqual(['end', 'RELAY_LIMIT', 'end']);
    executor.expectNothingLeft();
  });

  test('a request that does not fit is refused before it is read', async ({ createNetwork }) => {
    const { network, executor, hand } = await createByHand(createNetwork, {
      relayBudget: { bytesLeft: () => 100_000 },
    });
    const begin = { piece: new Uint8Array(10), more: true };
    hand.session.write(
      openBytes(1, { ...begin, sizeBytes: 100_001 }),
      openBytes(2, { ...begin, sizeBytes: 99_999 }),
    );
    await network.runFor(200);
    expect(hand.session.answers).toEqual({ 1: ['RELAY_LIMIT'] });
    expect(executor.rpc.activeInbound).toBe(1);
  });
});
