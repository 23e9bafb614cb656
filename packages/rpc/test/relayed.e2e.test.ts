import { describe, expect, test, vi } from 'vitest';
import type { AnswerPiece, AnswerStream, Handler, RpcError } from '../src/index.ts';
import type { RelayTraces } from '../src/ports.ts';
import { question } from './nodes.ts';
import { TestTracer } from './onlooking.ts';
import { createRelayedPair, directAddressOf, type RelayedConfig } from './relayedNodes.ts';
import { readAll, whole } from './simulation.ts';

const mebibyte = 1024 * 1024;
const token = 'four score '.repeat(3);
const tokensOfMebibyte = Math.ceil(mebibyte / token.length);

/** Streams so many tokens as fast as they are taken; counts how often it is run. */
function streaming(tokens: number): { readonly serve: Handler; readonly runs: () => number } {
  let runs = 0;
  const serve: Handler = async function* (): AsyncGenerator<AnswerPiece> {
    runs++;
    for (let count = 0; count < tokens; count++) yield token;
  };
  return { serve, runs: () => runs };
}

/** An asker that connects directly as soon as room is wanted. */
const connecting: Parameters<typeof createRelayedPair>[1] = (executor, asker) => ({
  makeRoom: async () => {
    const connection = await asker().node.dial(directAddressOf(executor()), { force: true });
    return connection.limits === undefined;
  },
});

async function ask(
  { asker, executor }: Awaited<ReturnType<typeof createRelayedPair>>,
  prompt = 'Hello',
): Promise<AnswerStream> {
  const message = await question(asker.identity, executor.identity, { prompt });
  return asker.rpc.stream(executor.peerId, message, { retry: { initialDelayMs: 1 } });
}

const failureOf = (answer: AnswerStream): Promise<RpcError> =>
  readAll(answer).then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => error as RpcError,
  );

const tokensOf = ({ soFar }: AnswerStream): readonly [shown: number, unsigned: number] => [
  soFar.content.length / token.length,
  soFar.shares.reduce((sum, { unsignedTokens }) => sum + unsignedTokens, 0),
];

describe('over a connection through a relay', () => {
  test.each([true, false])('requests dial nothing (sessions: %s)', async (sessions) => {
    const { asker, executor } = await createRelayedPair({ sessions }, () => ({ sessions }));
    asker.dialed.length = 0;
    for (let count = 0; count < 5; count++) await asker.rpc.request(executor.peerId, { type: 'ping' });
    expect(asker.dialed).toEqual([]);
    expect(asker.connectionsTo(executor.peerId)).toHaveLength(1);
    expect(asker.sessionsTo(executor.peerId)).toHaveLength(sessions ? 1 : 0);
  });

  test.each([true, false])(
    'the relay of a request that is followed is known (sessions: %s)',
    async (sessions) => {
      const tracer = new TestTracer();
      const carried = vi.fn<RelayTraces['carried']>();
      const { relay, asker, executor } = await createRelayedPair({ sessions, tracer }, () => ({
        ...{ sessions, tracer, relayTraces: { carried } },
      }));
      await asker.rpc.request(executor.peerId, { type: 'ping' }, { retry: {} });
      const attempt = tracer.spans.find(({ name }) => name === 'lloom.attempt');
      const told = { relay: relay.node.peerId.toString(), peerId: executor.peerId };
      expect(carried.mock.calls).toMatchObject([[{ ...told, traceparent: attempt?.traceparent }]]);
      expect(attempt?.attributes).toMatchObject({ 'lloom.relay': told.relay });
      expect(tracer.wrong).toEqual([]);
    },
  );

  test.each<[string, RelayedConfig]>([
    ['in a session', {}],
    ['over a stream', { sessions: false }],
    ['when its executor waits for nobody', { rejoinTimeoutMs: 0 }],
    ['when its executor waits for who comes back', { rejoinTimeoutMs: 200 }],
  ])('an answer that is too long ends before the relay cuts it, %s', async (_, config) => {
    const { serve } = streaming(tokensOfMebibyte);
    const pair = await createRelayedPair({ ...config, serve }, () => config);
    const answer = await ask(pair);
    const error = await failureOf(answer);
    expect(error).toMatchObject({ code: 'PARTIAL_ANSWER', data: { failure: 'RELAY_LIMIT' } });
    const [shown, unsigned] = tokensOf(answer);
    expect(shown).toBeGreaterThan(500);
    expect(unsigned).toBe(0);
    expect(pair.connection.status).toBe('open');
    expect(Number(pair.connection.limits?.bytes)).toBeGreaterThan(0);
  });

  test('many answers at once all end so', async () => {
    const { serve } = streaming(tokensOfMebibyte);
    const pair = await createRelayedPair({ serve });
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(pair)));
    const errors = await Promise.all(answers.map((answer) => failureOf(answer)));
    expect(new Set(errors.map(({ code, data }) => (data as { failure?: string }).failure ?? code))).toEqual(
      new Set(['RELAY_LIMIT']),
    );
    expect(answers.map((answer) => tokensOf(answer)[1])).toEqual(answers.map(() => 0));
    expect(pair.connection.status).toBe('open');
  });

  test('an answer in one piece that does not fit is refused, and what fits still passes', async () => {
    const lengths = [mebibyte, 40_000];
    const pair = await createRelayedPair({ serve: () => whole('x'.repeat(lengths.shift()!)) });
    const { asker, executor } = pair;
    const request = async () =>
      asker.rpc.request(executor.peerId, await question(asker.identity, executor.identity));
    await expect(request()).rejects.toMatchObject({ code: 'RELAY_LIMIT' });
    const { response } = await request();
    expect(response.payload.content).toHaveLength(40_000);
    expect(pair.connection.status).toBe('open');
  });

  test('requests at once that do not fit together are refused as far as they do not', async () => {
    const pair = await createRelayedPair({ serve: () => whole('read') });
    const { asker, executor } = pair;
    const prompt = 'x'.repeat(20_000);
    const outcomes = Array.from({ length: 10 }, async () => {
      const message = await question(asker.identity, executor.identity, { prompt });
      return asker.rpc.request(executor.peerId, message).then(
        () => 'answered',
        (error: unknown) => (error as RpcError).code,
      );
    });
    const counted = Object.groupBy(await Promise.all(outcomes), (outcome) => outcome);
    expect(Object.keys(counted).toSorted()).toEqual(['RELAY_LIMIT', 'answered']);
    expect(counted['answered']?.length).toBeGreaterThan(3);
    expect(pair.connection.status).toBe('open');
  });

  test('without a budget, a cut is a lost connection', async () => {
    const { serve } = streaming(tokensOfMebibyte);
    const pair = await createRelayedPair({ serve, hasBudget: false }, () => ({ hasBudget: false }));
    const message = await question(pair.asker.identity, pair.executor.identity);
    const error = await failureOf(pair.asker.rpc.stream(pair.executor.peerId, message));
    expect(error).toMatchObject({ code: 'CONNECTION_CLOSED', data: { outcome: 'unknown' } });
  });
});

describe('when room can be made', () => {
  test('an answer of 1 MiB goes on over a direct connection: run once, and each token shown and paid once', async () => {
    const { serve, runs } = streaming(tokensOfMebibyte);
    const pair = await createRelayedPair({ serve, rejoinTimeoutMs: 5_000 }, connecting);
    const answer = await ask(pair);
    expect(await readAll(answer)).toBe(token.repeat(tokensOfMebibyte));
    const { content, shares } = await answer.result;
    expect(content).toHaveLength(token.length * tokensOfMebibyte);
    expect(shares).toMatchObject([
      { peerId: pair.executor.peerId, tokens: tokensOfMebibyte, unsignedTokens: 0 },
    ]);
    expect(runs()).toBe(1);
  });

  test('an answer in one piece is given over it, and was made once', async () => {
    let runs = 0;
    const serve: Handler = () => {
      runs++;
      return whole('x'.repeat(mebibyte));
    };
    const { asker, executor } = await createRelayedPair({ serve, rejoinTimeoutMs: 5_000 }, connecting);
    const message = await question(asker.identity, executor.identity);
    const { response } = await asker.rpc.request(executor.peerId, message, { retry: { initialDelayMs: 1 } });
    expect(response.payload.content).toHaveLength(mebibyte);
    expect(runs).toBe(1);
  });

  test('through another relayed connection comes as much as that lets through, with what it says again', async () => {
    const { serve, runs } = streaming(1_000);
    const [used, tooLong] = ['x'.repeat(100_000), 'too long'];
    const pair = await createRelayedPair(
      {
        rejoinTimeoutMs: 5_000,
        serve: (message, context) => {
          const [{ content } = { content: '' }] = message.request.payload.messages;
          if (content === 'fill') return whole(used);
          return content === tooLong
            ? streaming(tokensOfMebibyte).serve(message, context)
            : serve(message, context);
        },
      },
      (executor, asker) => ({
        makeRoom: async () => {
          const [address] = asker().connectionsTo(executor().peerId);
          const fresh = await asker().node.dial(address!.remoteAddr, { force: true });
          return fresh.status === 'open';
        },
      }),
    );
    const { asker, executor } = pair;
    await asker.rpc.request(
      executor.peerId,
      await question(asker.identity, executor.identity, { prompt: 'fill' }),
    );
    expect(await readAll(await ask(pair))).toBe(token.repeat(1_000));
    expect(runs()).toBe(1);

    const answer = await ask(pair, tooLong);
    expect(await failureOf(answer)).toMatchObject({ data: { failure: 'RELAY_LIMIT' } });
    expect(tokensOf(answer)[1]).toBe(0);
    for (const { status } of asker.connectionsTo(executor.peerId)) expect(status).toBe('open');
  });

  test('a request that does not fit is sent over it, without a retry', async () => {
    const pair = await createRelayedPair({ serve: () => whole('read') }, connecting);
    const { asker, executor } = pair;
    const message = await question(asker.identity, executor.identity, { prompt: 'x'.repeat(mebibyte) });
    const { response } = await asker.rpc.request(executor.peerId, message);
    expect(response.payload.content).toBe('read');
    const direct = asker.connectionsTo(executor.peerId).filter(({ limits }) => limits === undefined);
    expect(asker.sessionsTo(executor.peerId)).toEqual(direct.map(({ id }) => id));
  });
});

describe('when a better connection opens', () => {
  test('new requests use it at once, one under way ends where it began, and then nothing is left there', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const pair = await createRelayedPair({
      serve: async function* () {
        yield 'first ';
        await released;
        yield 'last';
      },
    });
    const { asker, executor, connection: relayed } = pair;
    const answer = await ask(pair);
    const reading = answer[Symbol.asyncIterator]();
    expect(await reading.next()).toMatchObject({ value: { text: 'first ' } });
    const direct = await asker.node.dial(directAddressOf(executor), { force: true });
    await asker.rpc.request(executor.peerId, { type: 'ping' });
    expect(asker.sessionsTo(executor.peerId)).toEqual([relayed.id, direct.id]);
    release();
    expect(await reading.next()).toMatchObject({ value: { text: 'last' } });
    expect(await reading.next()).toMatchObject({ done: true });
    expect((await answer.result).content).toBe('first last');
    await vi.waitFor(() => expect(asker.sessionsTo(executor.peerId)).toEqual([direct.id]));
    expect(relayed.status).toBe('open');
  });

  test('an idle session is closed, and a lost one is opened again where there is still a way', async () => {
    const { asker, executor, connection: relayed } = await createRelayedPair();
    for (let count = 0; count < 6; count++) {
      await asker.rpc.request(executor.peerId, { type: 'ping' });
      expect(asker.sessionsTo(executor.peerId)).toEqual([relayed.id]);
      const direct = await asker.node.dial(directAddressOf(executor), { force: true });
      await vi.waitFor(() => expect(asker.sessionsTo(executor.peerId)).toEqual([]));
      await asker.rpc.request(executor.peerId, { type: 'ping' });
      expect(asker.sessionsTo(executor.peerId)).toEqual([direct.id]);
      await direct.close();
    }
  });

  test('another relayed one with more left takes the place of one that is used up', async () => {
    const { asker, executor, connection, relayed } = await createRelayedPair({
      serve: () => whole('x'.repeat(30_000)),
    });
    const message = await question(asker.identity, executor.identity);
    await asker.rpc.request(executor.peerId, message);
    const fresh = await asker.node.dial(relayed, { force: true });
    await asker.rpc.request(executor.peerId, { type: 'ping' });
    expect(asker.sessionsTo(executor.peerId)).toEqual([fresh.id]);
    expect(connection.status).toBe('open');
  });
});
