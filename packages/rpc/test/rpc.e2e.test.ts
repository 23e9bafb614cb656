import { test } from '@lloom/inspector/vitest';
import { expect } from 'vitest';
import { Refusal, type AnswerPiece, type RpcError, type RpcEvents } from '../src/index.ts';
import { inboundMachine, requestMachine } from '../src/machines/index.ts';
import { createNode, failure, introduce, question } from './nodes.ts';

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

test('every step of both sides can be inspected', async ({ machines }) => {
  const { executor, asker } = await pair(
    { inspect: machines.inspect, serve: () => words('hi') },
    { inspect: machines.inspect },
  );
  await asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity)).result;
  expect(machines.coverage(requestMachine).missed).not.toContain('verifying answer.verified → succeeded');
  expect(machines.coverage(inboundMachine).missed).not.toContain('handling answer.began → responding');
});
