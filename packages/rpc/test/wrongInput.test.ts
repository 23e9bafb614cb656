import { AddressError, ConfigError } from '@lloom/core';
import { CodecError, type RequestMessage } from '@lloom/codec';
import { describe, expect, test } from 'vitest';
import type { CallConfig, CustomProtocol, Handler, LlmRequestMessage } from '../src/index.ts';
import { failure, question } from './nodes.ts';
import { pattern } from './sessionProbes.ts';
import { bytesProtocol, constantSigner, expectNothingLeft, World } from './sessionServices.ts';

const echo = bytesProtocol('/echo/1', (_, bytes) => bytes);
const config = { signatures: 'ignore', signer: constantSigner } as const;
const ping = { type: 'ping' } as const;

/** Two services; between them is a session already, or not yet. */
async function createPair(hasSession = true) {
  const world = new World();
  const [client, server] = [await world.add('client', config), await world.add('server', config)];
  await server.rpc.addProtocol(echo);
  const { rpc } = client;
  if (hasSession) {
    const first = rpc.request(server.peerId, ping);
    await world.settle();
    await first;
  }
  const message = await question(client.identity, server.identity);
  return { world, rpc, peerId: server.peerId, message };
}

/** What an act throws or rejects with. */
const errorOf = (act: () => unknown): Promise<unknown> => failure(Promise.try(act));

describe('a peer id that is none', () => {
  const wrong: unknown[] = [undefined, null, 5, {}, Object.create(null), ['x'], '', 'nobody', Symbol('x')];
  test.each(wrong.map((peerId) => ({ peerId })))('is told as such: $peerId', async ({ peerId }) => {
    const { rpc, message } = await createPair();
    const to = peerId as string;
    for (const act of [
      () => rpc.request(to, ping),
      () => rpc.stream(to, message),
      () => rpc.sendRequest(to, ping),
      () => rpc.callProtocol(to, echo, pattern(1)),
    ])
      expect(AddressError.is(await errorOf(act), 'INVALID_PEER_ID')).toBe(true);
    expect(rpc.pendingRequests()).toEqual([]);
  });

  test('also when its text is that of a known peer', async () => {
    const { rpc, peerId } = await createPair();
    const lookalike = { toString: () => peerId } as string;
    expect(AddressError.is(await errorOf(() => rpc.request(lookalike, ping)))).toBe(true);
  });
});

describe('a message that is none', () => {
  const wrong: unknown[] = [undefined, null, 5, {}, { type: 'zzz' }, { type: 'llmRequest' }];
  test.each(wrong.map((message) => ({ message })))('is told as such: $message', async ({ message }) => {
    const { rpc, peerId } = await createPair();
    for (const act of [
      () => rpc.request(peerId, message as RequestMessage),
      () => rpc.stream(peerId, message as LlmRequestMessage),
      () => rpc.sendRequest(peerId, message as RequestMessage),
    ])
      expect(CodecError.is(await errorOf(act), 'INVALID_FIELD')).toBe(true);
  });

  test('is told as such when it has no answer in chunks, or no payload beside its bytes', async () => {
    const { rpc, peerId, message } = await createPair();
    expect(await errorOf(() => rpc.stream(peerId, ping as unknown as LlmRequestMessage))).toMatchObject({
      code: 'INVALID_FIELD',
      data: { got: '"ping"', wanted: '"llmRequest"' },
    });
    const { payload: _, ...request } = message.request;
    const bare = { ...message, request } as LlmRequestMessage;
    expect(CodecError.is(await errorOf(() => rpc.request(peerId, bare)), 'INVALID_FIELD')).toBe(true);
  });
});

describe('what is no protocol, handler or time', () => {
  const codec = echo.request;
  const wrong: [unknown, string][] = [
    [undefined, 'protocol'],
    [null, 'protocol'],
    [{ ...echo, protocolName: '/\ud800' }, 'protocol.protocolName'],
    [{ ...echo, protocolName: '/' }, 'protocol.protocolName'],
    [{ ...echo, protocolName: `/${'é'.repeat(128)}` }, 'protocol.protocolName'],
    [{ ...echo, protocolName: Object.create(null) as unknown }, 'protocol.protocolName'],
    [{ ...echo, handleRequest: 5 }, 'protocol.handleRequest'],
    [{ protocolName: '/a', request: codec }, 'protocol.response'],
  ];
  test.each(wrong.map(([given, path]) => ({ given, path })))(
    'is told by its path: $path',
    async ({ given, path }) => {
      const { rpc, peerId } = await createPair();
      const protocol = given as CustomProtocol<Uint8Array, Uint8Array>;
      for (const act of [
        () => rpc.addProtocol(protocol),
        () => rpc.callProtocol(peerId, protocol, pattern(1)),
      ])
        expect(await errorOf(act)).toMatchObject({ code: 'INVALID_CONFIG', data: { problems: [{ path }] } });
    },
  );

  test('is told with what was got and what is wanted', async () => {
    const { rpc, peerId } = await createPair();
    const problems = async (act: () => unknown): Promise<unknown> => {
      const error = await errorOf(act);
      return ConfigError.is(error) ? error.data.problems : error;
    };
    expect(await problems(() => rpc.serve({} as Handler))).toEqual([
      { path: 'handler', got: 'object', wanted: 'a function' },
    ]);
    for (const ms of [Number.NaN, -1, Infinity])
      expect(await problems(() => rpc.drain(ms))).toMatchObject([{ path: 'drainMs', got: `${ms}` }]);
    for (const signal of [new AbortController(), null, 5, {}])
      expect(
        await problems(() => rpc.request(peerId, ping, { signal } as unknown as CallConfig)),
      ).toMatchObject([{ path: 'call.signal', wanted: 'an AbortSignal' }]);
    // A time that is none does not stop a service either.
    expect(rpc.activeInbound).toBe(0);
  });
});

describe.each([true, false])('a request that cannot be sent, with a session: %s', (hasSession) => {
  const failing = {
    'a signal that takes no listener': (): CallConfig => ({
      signal: Object.assign(Object.create({}) as AbortSignal, {
        aborted: false,
        addEventListener: () => {
          throw new TypeError('no listeners');
        },
        removeEventListener: () => {
          throw new TypeError('no listeners');
        },
      }),
    }),
  };

  test.for(Object.keys(failing) as (keyof typeof failing)[])(
    'for %s fails at once, and once',
    async (name) => {
      const { world, rpc, peerId } = await createPair(hasSession);
      const error = await failure(rpc.request(peerId, ping, failing[name]()));
      expect(error).toMatchObject({ code: 'CONNECTION_CLOSED', data: { outcome: 'not sent' } });
      await world.settle();
      expectNothingLeft(world);
    },
  );

  test('for a name that changed after it was checked fails at once, and once', async () => {
    const { world, rpc, peerId } = await createPair(hasSession);
    let name = '/echo/1';
    const protocol = {
      ...echo,
      get protocolName() {
        return name;
      },
    };
    const first = rpc.callProtocol(peerId, protocol, pattern(1));
    await world.settle();
    expect(await first).toEqual(pattern(1));
    name = '/\ud800';
    const error = failure(rpc.callProtocol(peerId, protocol, pattern(1)));
    expect(await error).toMatchObject({ code: 'CONNECTION_CLOSED', data: { outcome: 'not sent' } });
    const next = rpc.callProtocol(peerId, echo, pattern(2));
    await world.settle();
    expect(await next).toEqual(pattern(2));
    expectNothingLeft(world);
  });
});
