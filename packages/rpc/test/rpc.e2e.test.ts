import { test } from '@lloom/inspector/vitest';
import { expect } from 'vitest';
import { Refusal, RpcError, type AnswerPiece, type RpcEvents } from '../src/index.ts';
import { inboundMachine, requestMachine } from '../src/machines/index.ts';
import { createNode, failure, introduce, question } from './nodes.ts';

const mebibyte = 1024 * 1024;

async function pair(server: Parameters<typeof createNode>[0] = {}, client: typeof server = {}) {
  const [executor, asker] = await Promise.all([createNode(server), createNode(client)]);
  await introduce(asker, executor);
  return { executor, asker };
}

async function* words(text: string): AsyncGenerator<AnswerPiece> {
  for (const word of text.split(/(?<= )/)) yield word;
  yield { inboundTokens: 3, totalCost: '42', finishReason: 'stop' };
}

test('a ping is answered by a node that serves nothing', async () => {
  const { executor, asker } = await pair();
  await expect(asker.rpc.request(executor.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
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

test('the result of a stream can be awaited alone, and the chunks be read afterwards', async () => {
  const { executor, asker } = await pair({ serve: () => words('a b c') });
  const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
  expect((await answer.result).content).toBe('a b c');
  let text = '';
  for await (const chunk of answer) text += chunk.text;
  expect(text).toBe('a b c');
});

test('who asks without chunks gets a streaming handler’s answer in one piece, and the other way round', async () => {
  const { executor, asker } = await pair({ serve: () => words('in pieces') });
  const message = await question(asker.identity, executor.identity);
  const { response } = await asker.rpc.request(executor.peerId, message);
  expect(response.payload).toMatchObject({ content: 'in pieces', outboundTokens: 2, totalCost: '42' });

  const totals = {
    finishReason: 'stop',
    inboundTokens: 1,
    outboundTokens: 7,
    totalCost: '9',
    modelUsed: 'm',
  };
  executor.rpc.serve(() => ({ type: 'llmResponse', response: { content: 'whole', ...totals } }));
  const streamed = await asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity))
    .result;
  expect(streamed).toMatchObject({ content: 'whole', ...totals });
});

test('characters outside the basic plane survive being cut into pieces', async () => {
  const halves = ['\ud83d', '\ude00'];
  const { executor, asker } = await pair({
    serve: async function* () {
      yield halves[0]!;
      yield halves[1]!;
      yield 'é';
    },
  });
  const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
  expect((await answer.result).content).toBe('\u{1f600}é');
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

test('sendRequest returns an id at once and tells the outcome by events', async () => {
  const { executor, asker } = await pair();
  const received = new Promise<RpcEvents['response:received']>((resolve) =>
    asker.rpc.addEventListener('response:received', ({ detail }) => resolve(detail)),
  );
  const requestId = asker.rpc.sendRequest(executor.peerId, { type: 'ping' }, { timeoutMs: 5_000 });
  const [pending] = asker.rpc.pendingRequests();
  expect(pending).toMatchObject({ requestId, peerId: executor.peerId, method: 'ping', attempt: 1 });
  expect(pending!.deadlineAt - pending!.startedAt).toBe(5_000);
  expect(await received).toEqual({ requestId, peerId: executor.peerId, response: { type: 'pong' } });
  expect(asker.rpc.pendingRequests()).toEqual([]);
});

test('a listener of request:received can answer instead of a handler, and the first answer wins', async () => {
  const { executor, asker } = await pair();
  const totals = {
    finishReason: 'stop',
    inboundTokens: 1,
    outboundTokens: 1,
    totalCost: '0',
    modelUsed: 'm',
  };
  const second = Promise.withResolvers<unknown>();
  executor.rpc.addEventListener('request:received', ({ detail: { channel } }) => {
    const answer = (content: string) => ({ type: 'llmResponse', response: { content, ...totals } }) as const;
    void executor.rpc.sendResponse(channel, answer('first'));
    second.resolve(failure(executor.rpc.sendResponse(channel, answer('second'))));
  });
  const message = await question(asker.identity, executor.identity);
  const { response } = await asker.rpc.request(executor.peerId, message);
  expect(response.payload.content).toBe('first');
  expect(await second.promise).toMatchObject({ code: 'CHANNEL_CLOSED', data: { reason: 'answered' } });
});

test.each([
  ['nobody serves', undefined, 'NO_HANDLER'],
  ['a handler refuses with a code', new Refusal('MODEL_UNAVAILABLE', 'no such model'), 'MODEL_UNAVAILABLE'],
  ['a handler is full', new Refusal('BUSY', 'full', { retryAfterMs: 7, queueDepth: 3 }), 'BUSY'],
  ['a handler throws', new TypeError('secret: /etc/shadow'), 'REMOTE'],
])('when %s the client gets one typed error and the node lives', async (_case, thrown, code) => {
  const { executor, asker } = await pair();
  if (thrown !== undefined) {
    executor.rpc.serve(() => {
      throw thrown;
    });
  }
  const message = await question(asker.identity, executor.identity);
  const error = (await failure(asker.rpc.request(executor.peerId, message))) as RpcError;
  expect(error).toMatchObject({ name: 'RpcError', code });
  expect(JSON.stringify(error)).not.toContain('shadow');
  expect(error.data).toMatchObject(
    code === 'BUSY' ? { retryAfterMs: 7, queueDepth: 3 } : { peerId: executor.peerId },
  );
  await expect(asker.rpc.request(executor.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
});

test('a stream that breaks off inside its handler ends in one typed error after the text that came', async () => {
  const { executor, asker } = await pair({
    serve: async function* () {
      yield 'some ';
      throw new Error('out of memory');
    },
  });
  const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
  const texts: string[] = [];
  const iterate = async (): Promise<void> => {
    for await (const { text } of answer) texts.push(text);
  };
  expect(await failure(iterate())).toMatchObject({ code: 'REMOTE' });
  expect(await failure(answer.result)).toMatchObject({ code: 'REMOTE' });
  expect(texts).toEqual(['some ']);
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
  const total = 2_000;
  let produced = 0;
  const limits = { maxResponseSizeBytes: 64 * mebibyte };
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
  // The muxer's windows grow to 16 MiB, and as much may wait on the way.
  expect(mostAhead * piece.length).toBeLessThan(24 * mebibyte);
});

test('an executor that streams nothing for ever is cut off, in bounded memory', async () => {
  const endless = async function* (): AsyncGenerator<AnswerPiece> {
    for (;;) yield { text: 'x', tokens: 0 };
  };
  const { executor, asker } = await pair({ serve: endless }, { maxResponseSizeBytes: 256 * 1024 });
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
  const other = await createNode();
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
  expect(await failure(asker.rpc.request(executor.peerId, { type: 'ping' }))).toMatchObject({ code: 'BUSY' });
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
  const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity)).result;
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

test('the pending requests of a node are bounded', async () => {
  const { executor, asker } = await pair({}, { maxPendingRequests: 1 });
  const first = asker.rpc.request(executor.peerId, { type: 'ping' });
  expect(() => asker.rpc.sendRequest(executor.peerId, { type: 'ping' })).toThrow(
    expect.objectContaining({ code: 'PENDING_LIMIT' }),
  );
  await first;
  await expect(asker.rpc.request(executor.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
});

test('a call with fields that cannot be used is refused with all of them named', async () => {
  const { executor, asker } = await pair();
  const call = { timeoutMs: 0, traceparent: 'x' };
  const error = await failure(asker.rpc.request(executor.peerId, { type: 'ping' }, call));
  expect(error).toMatchObject({ name: 'ConfigError' });
  expect((error as Error).message).toMatch(/timeoutMs.*traceparent/);
});

test('two hundred requests at once on one connection all succeed', async () => {
  const { executor, asker } = await pair({ maxInboundRequests: 500, maxInboundRequestsPerPeer: 500 });
  const pings = Array.from({ length: 200 }, () => asker.rpc.request(executor.peerId, { type: 'ping' }));
  await expect(Promise.all(pings)).resolves.toHaveLength(200);
});

test('every step of both sides can be inspected', async ({ machines }) => {
  const { executor, asker } = await pair(
    { inspect: machines.inspect, serve: () => words('hi') },
    { inspect: machines.inspect },
  );
  await asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity)).result;
  expect(machines.coverage(requestMachine).missed).not.toContain('verifying answer.verified → succeeded');
  expect(machines.coverage(inboundMachine).missed).not.toContain(
    'working.handling answer.began → working.responding',
  );
});
