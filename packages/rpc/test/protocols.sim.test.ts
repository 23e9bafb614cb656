import { withNetworks } from '@lloom/simkit/vitest';
import { describe, expect, test as base } from 'vitest';
import type { Codec, CustomProtocol, RpcError } from '../src/index.ts';
import { Refusal } from '../src/index.ts';
import { createPair, outcomeOf, pause } from './simulation.ts';
import { failure } from './nodes.ts';

const test = withNetworks(base);

const utf8 = new TextEncoder();
const text: Codec<string> = {
  encode: (value) => utf8.encode(value),
  decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
};
const numbers: Codec<readonly number[]> = {
  encode: (value) => Uint8Array.from(value),
  decode: (bytes) => {
    if (bytes.length % 2 === 1) throw new TypeError('an odd number of numbers');
    return [...bytes];
  },
};

type Sum = CustomProtocol<readonly number[], string>;
type SumHandler = NonNullable<Sum['handleRequest']>;
/** As somebody knows it who only calls it. */
const sumOnly: Sum = { protocolName: '/test/sum/1.0.0', request: numbers, response: text };
const sum: Sum = {
  ...sumOnly,
  handleRequest: (_peerId, request) => String(request.reduce((total, n) => total + n, 0)),
};

describe.each([true, false])('with sessions: %s', (sessions) => {
  const config = { sessions, signatures: 'ignore' } as const;

  test('a protocol that was added is served to who knows it, with its types', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      asker: config,
      executor: config,
    });
    await executor.rpc.addProtocol(sum);
    const answer: string = await network.run(asker.rpc.callProtocol(executor.peerId, sumOnly, [1, 2, 3, 4]));
    expect(answer).toBe('10');
    await asker.rpc.addProtocol(sumOnly);
    const byName = await network.run(asker.rpc.callProtocol(executor.peerId, sum.protocolName, [5, 6]));
    expect(byName).toBe('11');
  });

  test('who asks is told to the handler, and who answers to listeners', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      asker: config,
      executor: config,
    });
    const seen: string[] = [];
    await executor.rpc.addProtocol({
      ...sum,
      handleRequest: async (peerId) => {
        seen.push(peerId);
        await pause(100);
        return 'later';
      },
    });
    const events: unknown[] = [];
    asker.rpc.addEventListener('response:received', ({ detail }) => events.push(detail.response));
    expect(await network.run(asker.rpc.callProtocol(executor.peerId, sumOnly, []))).toBe('later');
    expect(seen).toEqual([asker.peerId]);
    expect(events).toEqual([{ type: 'custom', protocolName: sum.protocolName, value: 'later' }]);
  });

  test('a protocol that was removed, or that only the caller knows, is not supported', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      // Streams of the other fidelities are reset, where a real one says that nobody speaks the protocol.
      fidelity: 'full',
      asker: config,
      executor: config,
    });
    await executor.rpc.addProtocol(sum);
    expect(await network.run(asker.rpc.callProtocol(executor.peerId, sumOnly, [1, 1]))).toBe('2');
    await executor.rpc.removeProtocol(sum.protocolName);
    const error = await network.run(failure(asker.rpc.callProtocol(executor.peerId, sumOnly, [1, 1])));
    expect(error).toMatchObject({
      code: 'UNSUPPORTED_PROTOCOL',
      retryable: false,
      data: { protocol: sum.protocolName, peerId: executor.peerId },
    });
    await executor.rpc.addProtocol(sumOnly);
    expect(await network.run(outcomeOf(asker.rpc.callProtocol(executor.peerId, sumOnly, [1, 1])))).toBe(
      'UNSUPPORTED_PROTOCOL',
    );
    await executor.rpc.removeProtocol(sum.protocolName);
    await executor.rpc.addProtocol(sum);
    expect(await network.run(asker.rpc.callProtocol(executor.peerId, sumOnly, [1, 2]))).toBe('3');
  });

  const endings: [string, SumHandler, Partial<RpcError>][] = [
    [
      'that refuses with a code',
      () => {
        throw new Refusal('BUSY', 'try later', { retryAfterMs: 5 });
      },
      {
        code: 'BUSY',
        data: expect.objectContaining({ retryAfterMs: 5, remoteMessage: 'try later' }) as never,
      },
    ],
    [
      'that throws, without its text',
      () => {
        throw new Error('secret');
      },
      { code: 'REMOTE', data: expect.objectContaining({ remoteMessage: 'the handler failed' }) as never },
    ],
    ['that rejects', () => Promise.reject(new Error('secret')), { code: 'REMOTE' }],
    ['whose answer is too large', () => 'x'.repeat(2_000), { code: 'TOO_LARGE' }],
    ['whose answer its codec cannot encode', () => ({}) as string, { code: 'REMOTE' }],
  ];
  for (const [ending, handleRequest, wanted] of endings)
    test(`a handler ${ending} fails the call`, async ({ createNetwork }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        asker: config,
        executor: { ...config, maxResponseSizeBytes: 1_000 },
      });
      const response = { ...text, encode: (value: string) => utf8.encode(value.slice()) };
      await executor.rpc.addProtocol({ ...sum, response, handleRequest });
      const call = asker.rpc.callProtocol(executor.peerId, sumOnly, [1, 1]);
      expect(await network.run(failure(call))).toMatchObject(wanted);
      executor.expectNothingLeft();
    });

  test('bytes that do not fit the protocol are refused where they arrive', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      asker: config,
      executor: config,
    });
    await executor.rpc.addProtocol(sum);
    const odd = { ...sumOnly, request: { ...numbers, encode: () => new Uint8Array(3) } };
    expect(await network.run(outcomeOf(asker.rpc.callProtocol(executor.peerId, odd, [])))).toBe(
      'INVALID_REQUEST',
    );
    const later = { ...numbers, decode: () => Promise.reject(new Error('later')) as never };
    await executor.rpc.addProtocol({ ...sum, protocolName: '/test/later/1.0.0', request: later });
    const late = { ...sumOnly, protocolName: '/test/later/1.0.0' };
    expect(await network.run(outcomeOf(asker.rpc.callProtocol(executor.peerId, late, [])))).toBe(
      'INVALID_REQUEST',
    );
    const lateAnswer = { ...sumOnly, response: { ...text, decode: later.decode } };
    expect(await network.run(outcomeOf(asker.rpc.callProtocol(executor.peerId, lateAnswer, [4, 2])))).toBe(
      'INVALID_RESPONSE',
    );
    const deaf = { protocolName: sum.protocolName, request: numbers, response: numbers };
    expect(await network.run(outcomeOf(asker.rpc.callProtocol(executor.peerId, deaf, [4, 1])))).toBe(
      'INVALID_RESPONSE',
    );
    const broken = {
      ...sumOnly,
      request: {
        ...numbers,
        encode: (): Uint8Array => {
          throw new TypeError('cannot');
        },
      },
    };
    await expect(asker.rpc.callProtocol(executor.peerId, broken, [])).rejects.toThrow('cannot');
    expect(asker.rpc.pendingRequests()).toEqual([]);
  });

  test('a handler hears of a caller that gives up, and of a deadline', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      asker: config,
      executor: config,
    });
    const ends: unknown[] = [];
    await executor.rpc.addProtocol({
      ...sum,
      handleRequest: (_peerId, _request, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            ends.push((signal.reason as RpcError).data);
            reject(signal.reason as Error);
          });
        }),
    });
    const controller = new AbortController();
    const call = outcomeOf(
      asker.rpc.callProtocol(executor.peerId, sumOnly, [], { signal: controller.signal }),
    );
    await network.runFor(1_000);
    controller.abort();
    expect(await network.run(call)).toBe('CANCELLED');
    await network.runFor(100);
    const late = asker.rpc.callProtocol(executor.peerId, sumOnly, [], { timeoutMs: 500 });
    expect(['TIMEOUT', 'OMITTED']).toContain(await network.run(outcomeOf(late)));
    await network.runFor(3_000);
    expect(ends).toMatchObject([
      { reason: 'client gone' },
      { reason: expect.stringMatching(/deadline|gone/) },
    ]);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });
});

test('a name that is taken, that is none, or that nobody added is said so', async ({ createNetwork }) => {
  const { network, asker, executor } = await createPair(createNetwork);
  await asker.rpc.addProtocol(sum);
  expect(await failure(asker.rpc.addProtocol(sum))).toMatchObject({ code: 'PROTOCOL_EXISTS' });
  for (const protocolName of ['/lloom/rpc/1.0.0', '/lloom/req-resp/1.0.0', '/ipfs/ping/1.0.0'])
    expect(await failure(asker.rpc.addProtocol({ ...sum, protocolName }))).toMatchObject({
      code: 'PROTOCOL_EXISTS',
      data: { protocol: protocolName },
    });
  for (const protocolName of ['', 'sum', '/', `/${'x'.repeat(256)}`, 7 as unknown as string])
    expect(await failure(asker.rpc.addProtocol({ ...sum, protocolName }))).toMatchObject({
      code: 'INVALID_CONFIG',
    });
  expect(await failure(asker.rpc.addProtocol({ ...sum, request: {} as Codec<number[]> }))).toMatchObject({
    code: 'INVALID_CONFIG',
  });
  expect(await failure(asker.rpc.removeProtocol('/none/1.0.0'))).toMatchObject({ code: 'UNKNOWN_PROTOCOL' });
  const call = asker.rpc.callProtocol(executor.peerId, '/none/1.0.0', 1);
  expect(await network.run(failure(call))).toMatchObject({ code: 'UNKNOWN_PROTOCOL' });
});

test('a protocol added before the node starts is served, and shown to peers', async ({ createNetwork }) => {
  const { network, asker, executor } = await createPair(createNetwork);
  await executor.rpc.addProtocol(sum);
  await network.runFor(5_000);
  expect(executor.node.getProtocols()).toContain(sum.protocolName);
  await executor.rpc.removeProtocol(sum.protocolName);
  expect(executor.node.getProtocols()).not.toContain(sum.protocolName);
  expect(asker.node.getProtocols()).not.toContain(sum.protocolName);
});
