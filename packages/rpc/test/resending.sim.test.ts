import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Refusal, RpcError, type CustomProtocol, type RequestId } from '../src/index.ts';
import { createWorld, errorOf, failing, silent, watched } from './callWorld.ts';
import { ends, outcomeOf, pause, whole } from './simulation.ts';

const ping = { type: 'ping' } as const;
const broken = new Error('broken');
const minuteMs = 60_000;

describe('a request that has failed', () => {
  test('is made again by its id, with the same key, of the same peer', async ({ createNetwork }) => {
    const keys: string[] = [];
    const serve = failing([broken], ({ request }) => {
      keys.push(request.payload.idempotencyKey);
      return whole('done');
    });
    const world = await createWorld(createNetwork, { executors: { a: { serve }, b: { serve } } });
    const { network, asker, id } = world;
    const message = await world.question('a');
    const first = asker.rpc.sendRequest(id('a'), message);
    await network.run(errorOf(world.outcome(first)));
    const second = asker.rpc.retryRequest(first);
    expect(second).not.toBe(first);
    expect(await network.run(world.outcome(second))).toMatchObject({
      response: { payload: { content: 'done' } },
    });
    expect(keys).toEqual([message.request.payload.idempotencyKey]);
    expect(() => asker.rpc.retryRequest(first)).toThrow(expect.objectContaining({ code: 'UNKNOWN_REQUEST' }));
    expect(() => asker.rpc.retryRequest(second)).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_REQUEST' }),
    );
    await world.end();
  });

  test('is answered from memory when the peer had answered it after all', async ({ createNetwork }) => {
    const { serve, calls } = watched(async () => {
      await pause(1_000);
      return whole('once');
    });
    const executor = { serve, rejoinTimeoutMs: 5_000 };
    const world = await createWorld(createNetwork, { executors: { a: executor } });
    const { network, asker, id } = world;
    const first = asker.rpc.sendRequest(id('a'), await world.question('a'));
    const failed = errorOf(world.outcome(first));
    await network.runFor(500);
    await network.run(asker.node.hangUp(network.node('a').node.peerId));
    expect(await network.run(failed)).toMatchObject({ code: 'CONNECTION_CLOSED' });
    await network.runFor(2_000);
    const second = asker.rpc.retryRequest(first);
    expect(await network.run(world.outcome(second))).toMatchObject({
      response: { payload: { content: 'once' } },
    });
    expect(calls).toHaveLength(1);
    await world.end();
  });

  test('is made of another peer, which it is signed for again', async ({ createNetwork }) => {
    const serve = ({ request }: { readonly request: { readonly to: string } }) => whole(request.to);
    const world = await createWorld(createNetwork, {
      executors: { a: { serve: failing([broken], serve) }, b: { serve } },
    });
    const { network, asker, id } = world;
    const first = asker.rpc.sendRequest(id('a'), await world.question('a'));
    await network.run(errorOf(world.outcome(first)));
    const second = asker.rpc.resendRequest(first, network.node('b').node.peerId);
    const signer = network.node('b').identity.evmAddress.toLowerCase();
    expect(await network.run(world.outcome(second))).toMatchObject({
      response: { signer, payload: { content: signer } },
    });
    await world.end();
  });

  test('that somebody else has signed stays with who it was signed for', async ({ createNetwork }) => {
    const { serve, calls } = watched(() => whole('done'));
    const world = await createWorld(createNetwork, {
      asker: { maxPendingRequestsPerPeer: 1 },
      executors: { a: { serve: failing([broken], serve) }, b: { serve } },
    });
    const { network, asker, id } = world;
    const { identity } = network.node('b');
    const to = network.node('a').identity.evmAddress.toLowerCase() as `0x${string}`;
    const request = await identity.sign({ model: 'demo-small', prompt: 'Hello' }, { to });
    const first = asker.rpc.sendRequest(id('a'), { type: 'llmRequest', request });
    await network.run(errorOf(world.outcome(first)));
    const second = asker.rpc.resendRequest(first, id('b'));
    expect(await network.run(errorOf(world.outcome(second)))).toMatchObject({
      code: 'AUDIENCE_MISMATCH',
      data: { requestId: second, peerId: id('b'), signedFor: to },
    });
    expect(calls).toEqual([]);
    // It takes no place there.
    await expect(network.run(asker.rpc.request(id('b'), ping))).resolves.toEqual({ type: 'pong' });
    await world.end();
  });

  test('is known for five minutes, and not a moment longer', async ({ createNetwork }) => {
    const serve = failing([broken, broken], () => whole('done'));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id } = world;
    const ids: RequestId[] = [];
    for (let count = 0; count < 2; count++) {
      ids.push(asker.rpc.sendRequest(id('a'), await world.question('a')));
      await network.run(errorOf(world.outcome(ids[count]!)));
    }
    await network.runFor(5 * minuteMs - 200);
    await network.run(world.outcome(asker.rpc.retryRequest(ids[0]!)));
    await network.runFor(1_000);
    expect(() => asker.rpc.retryRequest(ids[1]!)).toThrow(RpcError);
    await world.end();
  });

  test('makes room for others when there is no more, the oldest first', async ({ createNetwork }) => {
    const serve = failing([broken, broken, broken], () => whole('done'));
    const config = { maxKeptRequestBytes: 3_000 };
    const world = await createWorld(createNetwork, { asker: config, executors: { a: { serve } } });
    const { network, asker, id } = world;
    const ids: RequestId[] = [];
    for (let count = 0; count < 3; count++) {
      ids.push(asker.rpc.sendRequest(id('a'), await world.question('a', { prompt: 'x'.repeat(1_000) })));
      await network.run(errorOf(world.outcome(ids[count]!)));
    }
    expect(() => asker.rpc.retryRequest(ids[0]!)).toThrow(RpcError);
    await network.run(world.outcome(asker.rpc.retryRequest(ids[2]!)));
    await world.end();
  });

  test('is not known when it was answered, or is the promise of its caller', async ({ createNetwork }) => {
    const serve = failing([broken], () => whole('done'));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id } = world;
    const ids: RequestId[] = [];
    asker.rpc.addEventListener('request:failed', ({ detail }) => ids.push(detail.requestId));
    await network.run(outcomeOf(asker.rpc.request(id('a'), await world.question('a'))));
    ids.push(asker.rpc.sendRequest(id('a'), await world.question('a')));
    await network.run(world.outcome(ids[1]!));
    for (const requestId of ids) {
      const unknown = expect.objectContaining({ code: 'UNKNOWN_REQUEST', data: { requestId } });
      expect(() => asker.rpc.retryRequest(requestId)).toThrow(unknown);
      expect(() => asker.rpc.resendRequest(requestId, id('a'))).toThrow(unknown);
    }
    await world.end();
  });
});

describe('a request under way', () => {
  test('that is made again ends as cancelled, and the new one is answered', async ({ createNetwork }) => {
    const { serve, stops } = watched(silent);
    const world = await createWorld(createNetwork, {
      executors: { a: { serve }, b: { serve: () => whole('done') } },
    });
    const { network, asker, id } = world;
    const first = asker.rpc.sendRequestWithRetry(id('a'), await world.question('a'), { maxAttempts: 3 });
    const cancelled = errorOf(world.outcome(first));
    await network.runFor(1_000);
    const second = asker.rpc.resendRequest(first, id('b'));
    expect(await network.run(cancelled)).toMatchObject({ code: 'CANCELLED' });
    expect(await network.run(world.outcome(second))).toMatchObject({ type: 'llmResponse' });
    await network.runFor(100);
    expect(stops).toHaveLength(1);
    await world.end();
  });

  test('is left alone when it cannot be made again', async ({ createNetwork }) => {
    const serve = failing([], async () => {
      await pause(2_000);
      return whole('done');
    });
    const world = await createWorld(createNetwork, {
      asker: { maxPendingRequests: 1 },
      executors: { a: { serve } },
    });
    const { network, asker, id } = world;
    const first = asker.rpc.sendRequest(id('a'), await world.question('a'));
    const done = world.outcome(first);
    const full = expect.objectContaining({ code: 'PENDING_LIMIT' });
    expect(() => asker.rpc.retryRequest(first)).toThrow(full);
    expect(() => asker.rpc.resendRequest(first, id('a'))).toThrow(full);
    expect(await network.run(done)).toMatchObject({ type: 'llmResponse' });
    await world.end();
  });
});

describe('a request that is tracked', () => {
  test('ends at the deadline of its tracker, and its executor is told to stop', async ({ createNetwork }) => {
    for (const retry of [undefined, { maxAttempts: 2 }]) {
      const { serve, stops } = watched(silent);
      const world = await createWorld(createNetwork, { executors: { a: { serve } } });
      const { network, asker, id } = world;
      const startedAt = network.clock.now();
      const call = retry === undefined ? {} : { retry };
      const requestId = asker.rpc.sendRequest(id('a'), await world.question('a'), call);
      const failed = errorOf(world.outcome(requestId));
      await network.runFor(1_000);
      const deadlineAt = startedAt + 3_000;
      asker.rpc.trackRequest(requestId, { peerId: id('a'), deadlineAt, retryCount: 4 });
      expect(asker.rpc.pendingRequests()).toMatchObject([{ requestId, deadlineAt, attempt: 5 }]);
      expect(await network.run(failed)).toMatchObject({
        code: 'TIMEOUT',
        data: { stage: 'awaiting', waitedMs: 3_000 },
      });
      expect(network.clock.now()).toBe(deadlineAt);
      await network.runFor(50);
      expect(stops).toHaveLength(1);
      await world.end();
    }
  });

  test('is not given more time than it has, and the last word counts', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: { serve: silent } } });
    const { network, asker, id } = world;
    const startedAt = network.clock.now();
    const requestId = asker.rpc.sendRequest(id('a'), await world.question('a'), { timeoutMs: 5_000 });
    const failed = errorOf(world.outcome(requestId));
    const track = (deadlineAt: number): void =>
      asker.rpc.trackRequest(requestId, { peerId: id('a'), deadlineAt, retryCount: 0 });
    track(startedAt + 1_000);
    track(startedAt + minuteMs);
    expect(asker.rpc.pendingRequests()).toMatchObject([{ deadlineAt: startedAt + 5_000 }]);
    expect(await network.run(failed)).toMatchObject({ code: 'TIMEOUT', data: { waitedMs: 5_000 } });
    await world.end();
  });

  test('ends at once when its deadline is over', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: { serve: silent } } });
    const { network, asker, id } = world;
    const requestId = asker.rpc.sendRequest(id('a'), await world.question('a'));
    const failed = errorOf(world.outcome(requestId));
    asker.rpc.trackRequest(requestId, { peerId: id('a'), deadlineAt: 0, retryCount: 0 });
    expect(await network.run(failed)).toMatchObject({ code: 'TIMEOUT' });
    expect(world.elapsed()).toBeLessThanOrEqual(1);
    await world.end();
  });

  test('is under way, at that peer', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: {}, b: {} } });
    const { network, asker, id } = world;
    const requestId = asker.rpc.sendRequest(id('a'), ping);
    const metadata = { deadlineAt: network.clock.now() + 1_000, retryCount: 0 };
    const unknown = expect.objectContaining({ code: 'UNKNOWN_REQUEST', data: { requestId } });
    expect(() => asker.rpc.trackRequest(requestId, { ...metadata, peerId: id('b') })).toThrow(unknown);
    await network.run(world.outcome(requestId));
    expect(() => asker.rpc.trackRequest(requestId, { ...metadata, peerId: id('a') })).toThrow(unknown);
    await world.end();
  });
});

/** Values as JSON. */
const json = {
  encode: (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value)),
  decode: (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes)),
};

describe('a request that must stay with its peer', () => {
  const retry = { maxAttempts: 3, initialDelayMs: 100 };

  test('is a ping', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: {}, b: {} } });
    const { network, asker, retries, directory, id } = world;
    network.hold('asker', 'a');
    const failed = errorOf(asker.rpc.request(id('a'), ping, { firstByteTimeoutMs: 1_000, retry }));
    expect(await network.run(failed)).toMatchObject({ code: 'FIRST_BYTE_TIMEOUT' });
    expect(retries.map(({ peerId }) => world.nameOf(peerId))).toEqual(['a', 'a']);
    expect(directory.queries).toEqual([]);
    network.release('asker', 'a');
    await world.end();
  });

  /** A custom protocol whose server does what it is told, one after the other. */
  function protocolOf(answers: readonly (() => unknown)[]) {
    let calls = 0;
    const protocol: CustomProtocol = {
      protocolName: '/test/count/1.0.0',
      request: json,
      response: json,
      handleRequest: () => answers[calls++]?.(),
    };
    return { protocol, calls: () => calls };
  }
  const throwing = (error: Error) => (): never => {
    throw error;
  };

  test('is one of a custom protocol, which is made again when it surely was not run', async ({
    createNetwork,
  }) => {
    const { protocol, calls } = protocolOf([throwing(new Refusal('BUSY', 'not now')), () => 'done']);
    const world = await createWorld(createNetwork, { executors: { a: {}, b: {} } });
    const { network, asker, retries, directory, id } = world;
    await network.run(network.node('a').rpc.addProtocol(protocol));
    expect(await network.run(asker.rpc.callProtocol(id('a'), protocol, 'x', { retry }))).toBe('done');
    expect([calls(), retries.length, directory.queries.length]).toEqual([2, 1, 0]);
    await world.end();
  });

  test('is one of a custom protocol, which is not made again when it may have run', async ({
    createNetwork,
  }) => {
    const { protocol, calls } = protocolOf([throwing(broken), () => 'late']);
    const world = await createWorld(createNetwork, { executors: { a: {} } });
    const { network, asker, retries, id } = world;
    await network.run(network.node('a').rpc.addProtocol(protocol));
    const failed = errorOf(asker.rpc.callProtocol(id('a'), protocol, 'x', { retry }));
    expect(await network.run(failed)).toMatchObject({ code: 'REMOTE' });
    expect([calls(), retries.length]).toEqual([1, 0]);
    expect(ends(asker).at(-1)).toBe('REMOTE');
    await world.end();
  });
});
