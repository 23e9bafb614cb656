import { describe, expect, test } from 'vitest';
import { RpcError, type AnswerPiece } from '../src/index.ts';
import { sessionProtocol } from '../src/internal/protocolIds.ts';
import { createNode, failure, introduce, question } from './nodes.ts';

const mebibyte = 1024 * 1024;

async function* words(text: string): AsyncGenerator<AnswerPiece> {
  for (const word of text.split(/(?<= )/)) yield word;
  yield { inboundTokens: 3, totalCost: '42', finishReason: 'stop' };
}

describe.each(['sessions', 'streams'])('by %s', (carrier) => {
  const sessions = carrier === 'sessions';

  async function pair(server: Parameters<typeof createNode>[0] = {}, client: typeof server = {}) {
    const [executor, asker] = await Promise.all([
      createNode({ sessions, ...server }),
      createNode({ sessions, ...client }),
    ]);
    await introduce(asker, executor);
    return { executor, asker };
  }

  test('requests travel as they are meant to', async () => {
    const { executor, asker } = await pair();
    for (let time = 0; time < 2; time++) await asker.rpc.request(executor.peerId, { type: 'ping' });
    const streams = asker.node.getConnections().flatMap((connection) => connection.streams);
    expect(streams.filter(({ protocol }) => protocol === sessionProtocol)).toHaveLength(sessions ? 1 : 0);
  });

  test('a signed question is verified, handled, answered, signed, and verified', async () => {
    const { executor, asker } = await pair({
      serve: ({ request }, { peerId }) => ({
        type: 'llmResponse',
        response: {
          content: `${peerId} asked ${request.payload.messages[0]?.content}`,
          finishReason: 'stop',
          inboundTokens: 1,
          outboundTokens: 2,
          totalCost: '5',
          modelUsed: request.payload.model,
        },
      }),
    });
    const message = await question(asker.identity, executor.identity);
    const { response } = await asker.rpc.request(executor.peerId, message);
    expect(response.payload.content).toBe(`${asker.peerId} asked Hello`);
    expect(response.signer.toLowerCase()).toBe(executor.identity.evmAddress.toLowerCase());
  });

  test('an answer is streamed in chunks and proven at its end', async () => {
    const { executor, asker } = await pair({ serve: () => words('one two three') });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    const chunks = [];
    for await (const { text, sequence } of answer) chunks.push([sequence, text]);
    expect(chunks).toEqual([
      [0, 'one '],
      [1, 'two '],
      [2, 'three'],
    ]);
    const whole = await answer.result;
    expect(whole).toMatchObject({
      content: 'one two three',
      outboundTokens: 3,
      inboundTokens: 3,
      totalCost: '42',
    });
    expect(whole.parts).toHaveLength(1);
    expect(whole.parts[0]?.signed?.signer.toLowerCase()).toBe(executor.identity.evmAddress.toLowerCase());
  });

  test('ten MiB pass both ways, and one byte more is refused before it is sent', async () => {
    const { executor, asker } = await pair({
      serve: ({ request }) => ({
        type: 'llmResponse',
        response: {
          content: request.payload.messages[0]!.content.slice(0, 10 * mebibyte - 2_048),
          finishReason: 'stop',
          inboundTokens: 1,
          outboundTokens: 1,
          totalCost: '0',
          modelUsed: 'm',
        },
      }),
    });
    const prompt = 'x'.repeat(10 * mebibyte - 1_024);
    const message = await question(asker.identity, executor.identity, { prompt });
    const { response } = await asker.rpc.request(executor.peerId, message);
    expect(response.payload.content).toHaveLength(10 * mebibyte - 2_048);

    const larger = await question(asker.identity, executor.identity, { prompt: 'x'.repeat(10 * mebibyte) });
    const error = await failure(asker.rpc.request(executor.peerId, larger));
    expect(error).toMatchObject({
      code: 'TOO_LARGE',
      data: { what: 'request', by: 'this node', limitBytes: 10 * mebibyte },
    });
  });

  test('an answer beyond the limit is refused by its executor, and the client told', async () => {
    const serve = (): AsyncIterable<AnswerPiece> => words('too long '.repeat(400));
    const { executor, asker } = await pair({ serve, maxResponseSizeBytes: 1_024 });
    const error = await failure(
      asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity)).result,
    );
    expect(error).toMatchObject({ code: 'TOO_LARGE', data: { what: 'response', by: 'the peer' } });
  });

  test('cancelling reaches the handler, and the request ends as cancelled', async () => {
    const aborted = Promise.withResolvers<void>();
    const { executor, asker } = await pair({
      serve: async function* (_request, { signal }) {
        signal.addEventListener('abort', () => aborted.resolve());
        yield 'first ';
        await aborted.promise;
      },
    });
    const controller = new AbortController();
    const message = await question(asker.identity, executor.identity);
    const answer = asker.rpc.stream(executor.peerId, message, { signal: controller.signal });
    const iterator = answer[Symbol.asyncIterator]();
    await iterator.next();
    controller.abort();
    expect(await failure(iterator.next())).toMatchObject({ code: 'CANCELLED', data: { stage: 'receiving' } });
    await aborted.promise;
  });

  test('ending the iteration early cancels the request', async () => {
    const aborted = Promise.withResolvers<void>();
    const { executor, asker } = await pair({
      serve: async function* (_request, { signal }) {
        signal.addEventListener('abort', () => aborted.resolve());
        yield 'first ';
        await aborted.promise;
      },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    for await (const _chunk of answer) break;
    expect(await failure(answer.result)).toMatchObject({ code: 'CANCELLED' });
    await aborted.promise;
  });

  test('a reader that is slow all the way holds the executor back all the way, and loses nothing', async () => {
    const piece = 'x'.repeat(16 * 1024);
    const total = 4_000;
    let produced = 0;
    const limits = { maxResponseSizeBytes: 80 * mebibyte };
    const serve = async function* (): AsyncGenerator<AnswerPiece> {
      for (; produced < total; produced++) yield piece;
    };
    const { executor, asker } = await pair({ ...limits, serve }, limits);
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    let [read, mostAhead] = [0, 0];
    for await (const _chunk of answer) {
      mostAhead = Math.max(mostAhead, produced - ++read);
      for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(read).toBe(total);
    // The window of a session; that of a stream grows to 16 MiB, and as much may wait on the way.
    expect(mostAhead * piece.length).toBeLessThan((sessions ? 2 : 48) * mebibyte);
  });

  test('an executor that streams nothing for ever is cut off, in bounded memory', async () => {
    const endless = async function* (): AsyncGenerator<AnswerPiece> {
      for (;;) yield { text: 'x', tokens: 0 };
    };
    const { executor, asker } = await pair({ serve: endless }, { maxResponseSizeBytes: 32 * 1024 });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    let isAlive = false;
    setTimeout(() => (isAlive = true), 1);
    expect(await failure(answer.result)).toMatchObject({
      code: 'TOO_LARGE',
      data: { what: 'response', by: 'this node' },
    });
    expect(isAlive).toBe(true);
  });

  test('a full node says BUSY at once and keeps what it works on', async () => {
    const release = Promise.withResolvers<void>();
    const handling = Promise.withResolvers<void>();
    const { executor, asker } = await pair({
      maxInboundRequests: 1,
      serve: async function* () {
        handling.resolve();
        await release.promise;
        yield 'done';
      },
    });
    const first = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity)).result;
    await handling.promise;
    const error = await failure(asker.rpc.request(executor.peerId, { type: 'ping' }));
    expect(error).toMatchObject({ code: 'BUSY', retryable: true, data: { queueDepth: 1 } });
    release.resolve();
    expect((await first).content).toBe('done');
  });

  test('one peer alone cannot take all the room of a node', async () => {
    const release = Promise.withResolvers<void>();
    const { executor, asker } = await pair({
      maxInboundRequestsPerPeer: 2,
      serve: async function* () {
        await release.promise;
        yield 'done';
      },
    });
    const ask = async () =>
      asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity)).result;
    const received = Promise.withResolvers<void>();
    executor.rpc.addEventListener(
      'request:received',
      () => executor.rpc.activeInbound === 2 && received.resolve(),
    );
    const answers = [ask(), ask()];
    await received.promise;
    expect(await failure(ask())).toMatchObject({ code: 'BUSY' });
    const other = await createNode({ sessions });
    await introduce(other, executor);
    await expect(other.rpc.request(executor.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
    release.resolve();
    await Promise.all(answers);
  });

  test('a node that drains refuses new requests and ends those under way', async () => {
    const release = Promise.withResolvers<void>();
    const handling = Promise.withResolvers<void>();
    const { executor, asker } = await pair({
      serve: async function* () {
        handling.resolve();
        await release.promise;
        yield 'finished';
      },
    });
    const first = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity)).result;
    await handling.promise;
    const drained = executor.rpc.drain(10_000);
    expect(await failure(asker.rpc.request(executor.peerId, { type: 'ping' }))).toMatchObject({
      code: 'BUSY',
    });
    release.resolve();
    await drained;
    expect((await first).content).toBe('finished');
  });

  test('a node that has drained may stop at once: a large answer still arrives whole', async () => {
    const release = Promise.withResolvers<void>();
    const handling = Promise.withResolvers<void>();
    const piece = 'x'.repeat(16 * 1024);
    const { executor, asker } = await pair({
      serve: async function* () {
        handling.resolve();
        await release.promise;
        for (let pieces = 0; pieces < 64; pieces++) yield piece;
      },
    });
    const answer = asker.rpc.stream(
      executor.peerId,
      await question(asker.identity, executor.identity),
    ).result;
    await handling.promise;
    const drained = executor.rpc.drain(10_000);
    release.resolve();
    await drained;
    await executor.node.stop();
    expect((await answer).content).toHaveLength(mebibyte);
  });

  test.each(['dialing', 'awaiting', 'receiving'])(
    'a client that stops while %s ends its requests as stopped',
    async (stage) => {
      const reached = Promise.withResolvers<void>();
      const { executor, asker } = await pair({
        serve: async function* (_request, { signal }) {
          if (stage === 'receiving') yield 'first ';
          reached.resolve();
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
        },
      });
      const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
      const { result } = answer;
      const outcome = failure(result);
      if (stage !== 'dialing') await reached.promise;
      await asker.node.stop();
      expect(await outcome).toMatchObject({ code: 'STOPPED' });
      expect(() => asker.rpc.sendRequest(executor.peerId, { type: 'ping' })).toThrow(RpcError);
    },
  );

  test('an executor that stops tells its clients and stops its handlers', async () => {
    const handling = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    const { executor, asker } = await pair({
      serve: async (_request, { signal }) => {
        signal.addEventListener('abort', () => stopped.resolve());
        handling.resolve();
        await stopped.promise;
      },
    });
    const request = failure(
      asker.rpc.request(executor.peerId, await question(asker.identity, executor.identity)),
    );
    await handling.promise;
    await executor.node.stop();
    await stopped.promise;
    // The handler had begun: nobody may claim that the request was not run.
    expect(await request).toMatchObject({ code: expect.stringMatching(/^(REMOTE|CONNECTION_CLOSED)$/) });
  });

  test('two hundred requests at once on one connection all succeed', async () => {
    const { executor, asker } = await pair({ maxInboundRequests: 500, maxInboundRequestsPerPeer: 500 });
    const pings = Array.from({ length: 200 }, () => asker.rpc.request(executor.peerId, { type: 'ping' }));
    await expect(Promise.all(pings)).resolves.toHaveLength(200);
  });
});
