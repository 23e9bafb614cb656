// The rows of the specification's table that are about requests; the others stand in conformance.e2e.test.ts.
import { describe, expect, test } from 'vitest';
import { Refusal, verifySignedMessage } from '../src/index.ts';
import {
  advertise,
  createNetwork,
  failure,
  next,
  offer,
  pair,
  question,
  wholeAnswer,
  type Node,
} from './nodes.ts';

describe('requests', () => {
  test('send_request, RequestMessage, ResponseMessage', async () => {
    const [executor, client] = await pair();
    executor.serve(({ request }) => ({
      type: 'llmResponse',
      response: {
        content: request.payload.messages[0]!.content.toUpperCase(),
        finishReason: 'stop',
        inboundTokens: 1,
        outboundTokens: 1,
        totalCost: '3',
        modelUsed: request.payload.model,
      },
    }));
    const received = next(client, 'response:received');
    const requestId = client.sendRequest(executor.peerId, await question(client.identity, executor.peerId));
    const { response, ...rest } = await received;
    expect(rest).toMatchObject({ requestId, peerId: executor.peerId });
    if (response.type !== 'llmResponse') throw new Error(`Got ${response.type}`);
    expect(await verifySignedMessage(response.response)).toMatchObject({
      signer: executor.identity.evmAddress,
    });
    expect(response.response.payload.content).toBe('HELLO');
  });

  test('the executor’s side: serve, send_response, send_error_response', async () => {
    const [executor, client] = await pair();
    executor.addEventListener('request:received', ({ detail: { request, channel } }) => {
      if (request.type !== 'llmRequest') return;
      const { model } = request.request.payload;
      const totals = {
        finishReason: 'stop',
        inboundTokens: 1,
        outboundTokens: 1,
        totalCost: '0',
        modelUsed: model,
      };
      if (model === 'demo-small') {
        void executor.sendResponse(channel, {
          type: 'llmResponse',
          response: { content: 'hello', ...totals },
        });
      } else {
        void executor.sendErrorResponse(channel, 'Invalid signature');
      }
    });
    const good = await question(client.identity, executor.peerId);
    expect((await client.request(executor.peerId, good)).response.payload.content).toBe('hello');
    const bad = await question(client.identity, executor.peerId, { model: 'other' });
    expect(await failure(client.request(executor.peerId, bad))).toMatchObject({
      code: 'REMOTE',
      data: { remoteMessage: 'Invalid signature' },
    });
  });

  test('Ping, Pong', async () => {
    const [one, other] = await pair();
    await expect(one.request(other.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
  });

  test('pending requests', async () => {
    const [executor, client] = await pair();
    const release = Promise.withResolvers<void>();
    executor.serve(async function* () {
      await release.promise;
      yield 'done';
    });
    const answer = client.stream(executor.peerId, await question(client.identity, executor.peerId));
    expect(client.pendingRequests()).toMatchObject([
      { requestId: answer.requestId, peerId: executor.peerId, attempt: 1 },
    ]);
    release.resolve();
    await answer.result;
    expect(client.pendingRequests()).toEqual([]);
  });

  test('RequestError::Timeout, RequestError::ConnectionClosed', async () => {
    const [executor, client] = await pair();
    executor.serve(async (_request, { signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
    const message = await question(client.identity, executor.peerId);
    const error = await failure(client.request(executor.peerId, message, { timeoutMs: 200 }));
    expect(['TIMEOUT', 'OMITTED']).toContain((error as { code: string }).code);
    await executor.stop({ drainMs: 0 });
    const closed = (await failure(client.request(executor.peerId, { type: 'ping' }))) as { code: string };
    expect(['CONNECTION_CLOSED', 'DIAL_FAILED']).toContain(closed.code);
  });

  test('track_request, RequestMetadata: the peer stops working when the noted time is over', async () => {
    const [executor, client] = await pair();
    const begun = Promise.withResolvers<void>();
    const stopped = new Promise<void>((resolve) => {
      executor.serve(async (_request, { signal }) => {
        signal.addEventListener('abort', () => resolve());
        begun.resolve();
        await stopped;
      });
    });
    const failed = next(client, 'request:failed');
    const requestId = client.sendRequest(executor.peerId, await question(client.identity, executor.peerId));
    await begun.promise;
    const deadlineAt = Date.now() + 50;
    client.trackRequest(requestId, { peerId: executor.peerId, deadlineAt, retryCount: 2 });
    expect(client.pendingRequests()).toMatchObject([{ requestId, deadlineAt, attempt: 3 }]);
    expect(await failed).toMatchObject({ requestId, error: { code: 'TIMEOUT' } });
    await stopped;
  });

  test('RetryStrategy, send_request_with_retry: the same peer is asked again', async () => {
    const [executor, client] = await pair();
    const keys: string[] = [];
    executor.serve(({ request }) => {
      keys.push(request.payload.idempotencyKey);
      if (keys.length < 3) throw new Refusal('BUSY', 'not yet', { retryAfterMs: 1 });
      return wholeAnswer('hello');
    });
    const retrying: number[] = [];
    client.addEventListener('request:retrying', ({ detail }) => retrying.push(detail.attempt));
    const received = next(client, 'response:received');
    const message = await question(client.identity, executor.peerId);
    const strategy = { maxAttempts: 3, initialDelayMs: 1 };
    const requestId = client.sendRequestWithRetry(executor.peerId, message, strategy);
    expect(await received).toMatchObject({ requestId, peerId: executor.peerId });
    expect(retrying).toHaveLength(2);
    expect(new Set(keys)).toEqual(new Set([message.request.payload.idempotencyKey]));
    expect(keys).toHaveLength(3);
  });

  test('RetryStrategy, send_request_with_retry: another provider takes over from one that is gone', async () => {
    const { nodes } = await createNetwork(3);
    const [first, second, client] = nodes as [Node, Node, Node];
    const asked: string[] = [];
    for (const executor of [first, second]) {
      await advertise(executor);
      executor.serve((_request, { peerId }) => {
        asked.push(peerId);
        return wholeAnswer('hello');
      });
    }
    const message = await question(client.identity, first.peerId);
    await first.stop({ drainMs: 0 });
    const received = next(client, 'response:received');
    const strategy = { maxAttempts: 5, initialDelayMs: 1 };
    const requestId = client.sendRequestWithRetry(first.peerId, message, strategy);
    expect(await received).toMatchObject({ requestId, peerId: second.peerId });
    expect(asked).toEqual([client.peerId]);
  });

  test('retry_request, resend_request', async () => {
    const { nodes } = await createNetwork(3);
    const [first, second, client] = nodes as [Node, Node, Node];
    const sent = async () => {
      const failed = next(client, 'request:failed');
      const requestId = client.sendRequest(first.peerId, await question(client.identity, first.peerId));
      expect(await failed).toMatchObject({ requestId, error: { code: 'NO_HANDLER' } });
      return requestId;
    };
    const received = (id: string) =>
      next(client, 'response:received', ({ requestId: answered }) => answered === id);
    const [one, other] = [await sent(), await sent()];
    first.serve(() => wholeAnswer('from the first'));
    second.serve(() => wholeAnswer('from the second'));
    const retried = client.retryRequest(one);
    expect(await received(retried)).toMatchObject({
      peerId: first.peerId,
      response: { response: { payload: { content: 'from the first' } } },
    });
    const resent = client.resendRequest(other, second.peerId);
    expect(await received(resent)).toMatchObject({
      peerId: second.peerId,
      response: { response: { signer: second.identity.evmAddress.toLowerCase() } },
    });
    expect(new Set([one, other, retried, resent]).size).toBe(4);
  });

  test('find_alternative_peer', async () => {
    const { nodes } = await createNetwork(3);
    const [first, second, client] = nodes as [Node, Node, Node];
    for (const executor of [first, second]) {
      await advertise(executor);
      executor.serve(() => wholeAnswer('hello'));
    }
    expect(await client.findModelProviders('demo-small')).toHaveLength(2);
    const alternative = client.findAlternativePeer(first.peerId);
    expect(alternative).toBe(second.peerId);
    expect(client.findAlternativePeer(first.peerId, { model: 'another' })).toBeUndefined();
    const message = await question(client.identity, second.peerId);
    const { response } = await client.request(alternative!, message);
    expect(response.payload.content).toBe('hello');
  });

  test('an executor tells how many more requests it would take', async () => {
    const { nodes } = await createNetwork(2, { packages: { rpc: { capacity: 2 } } });
    const [executor, client] = nodes as [Node, Node];
    const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    executor.serve(async () => {
      begun.resolve();
      await release.promise;
      return wholeAnswer('hello');
    });
    await advertise(executor, { ...offer, capacity: 2 });
    const answer = client.request(executor.peerId, await question(client.identity, executor.peerId));
    await begun.promise;
    const described = await client.describeService(executor.peerId);
    expect(described?.services).toMatchObject([{ capacity: 2, freeSlots: 1, queueDepth: 0 }]);
    release.resolve();
    await answer;
  });

  test('ProtocolHandler, add_protocol', async () => {
    const [executor, client] = await pair();
    const json = {
      encode: (value: unknown) => new TextEncoder().encode(JSON.stringify(value)),
      decode: (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as string,
    };
    const custom = { protocolName: '/lloom/custom/1.0.0', request: json, response: json };
    await executor.addProtocol({
      ...custom,
      handleRequest: (peerId, request, { signal }) => `${peerId} asked ${String(request)}, ${signal.aborted}`,
    });
    const answer = `${client.peerId} asked why, false`;
    expect(await client.callProtocol(executor.peerId, custom, 'why')).toBe(answer);
    await executor.removeProtocol(custom.protocolName);
    expect(await failure(client.callProtocol(executor.peerId, custom, 'why'))).toMatchObject({
      code: 'UNSUPPORTED_PROTOCOL',
      data: { protocol: custom.protocolName },
    });
  });
});
