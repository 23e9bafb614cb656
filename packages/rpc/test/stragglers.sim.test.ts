import { encodeOpenHead, joinOpen } from '@lloom/codec';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { rpcDefaults } from '../src/config.ts';
import type { AnswerPiece, Handler, HandlerResult } from '../src/index.ts';
import { question } from './nodes.ts';
import { frame, framesIn, pattern } from './sessionProbes.ts';
import { bytesProtocol, constantSigner, World } from './sessionServices.ts';
import { createPair, outcomeOf, whole } from './simulation.ts';

const unsigned = { signatures: 'ignore', signer: constantSigner } as const;

/** Handlers that do not look at their signal. */
class Deaf {
  readonly #waiting = new Set<() => void>();
  most = 0;

  get running(): number {
    return this.#waiting.size;
  }

  readonly serve = async (): Promise<Uint8Array> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    this.most = Math.max(this.most, this.running);
    await promise;
    return pattern(3);
  };

  release(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

test('a client that gives up 20,000 requests has at most twice its limit of handlers running', async () => {
  const world = new World();
  const [client, server] = [await world.add('client', unsigned), await world.add('server', unsigned)];
  const deaf = new Deaf();
  const protocol = bytesProtocol('/deaf/1', deaf.serve);
  await server.rpc.addProtocol(protocol);
  const links = world.connect(server, { isRecorded: true });
  const open = encodeOpenHead({ method: '/deaf/1', stream: false, metadata: {} });
  for (let id = 1; id <= 20_000; id++)
    links.near.write([frame('open', id, joinOpen(open, pattern(1))), frame('cancel', id)]);
  links.run();
  await world.settle();
  links.run();
  const most = 2 * rpcDefaults.maxInboundRequestsPerPeer;
  expect([deaf.running, server.rpc.activeInbound]).toEqual([most, 0]);
  expect(framesIn(...links.far.delivered)).toHaveLength(20_000 - most);

  // Those that still work hold up nobody else, and no drain.
  const other = client.rpc.callProtocol(server.peerId, protocol, pattern(1));
  await world.settle();
  expect(deaf.running).toBe(most + 1);
  deaf.release();
  await world.settle();
  expect(await other).toEqual(pattern(3));
  links.near.write([frame('open', 20_001, joinOpen(open, pattern(1)))]);
  links.run();
  deaf.release();
  await world.settle();
  links.run();
  expect(framesIn(...links.far.delivered).at(-1)).toMatchObject({ id: 20_001, payload: pattern(3) });
});

for (const sessions of [true, false])
  describe(`with sessions: ${sessions}`, () => {
    const limits = { maxInboundRequests: 8, maxInboundRequestsPerPeer: 4 };
    const both = { asker: { sessions, ...unsigned }, executor: { sessions, ...unsigned, ...limits } };

    test('a client that gives up each of its requests is busy at twice its limit, and served when handlers end', async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, both);
      const deaf = new Deaf();
      const protocol = bytesProtocol('/deaf/1', deaf.serve);
      await executor.rpc.addProtocol(protocol);
      const ends: string[] = [];
      for (let round = 0; round < 30; round++) {
        const controller = new AbortController();
        const { signal } = controller;
        const call = outcomeOf(
          asker.rpc.callProtocol(executor.peerId, protocol, pattern(1), { signal }),
        ).then((end) => ends.push(end));
        await network.runFor(500);
        controller.abort();
        await network.run(call);
        await network.runFor(500);
      }
      expect(deaf.most).toBe(8);
      expect(ends.filter((end) => end === 'BUSY')).toHaveLength(22);
      await network.run(executor.rpc.drain(1_000));
      expect(executor.rpc.activeInbound).toBe(0);
      executor.expectNothingLeft();
    });

    test('an answer that is left counts until its generator has ended, which it is told to once', async ({
      createNetwork,
    }) => {
      const wait = Promise.withResolvers<void>();
      const events: string[] = [];
      async function* deaf(): AsyncGenerator<AnswerPiece> {
        try {
          events.push('begin');
          await wait.promise;
          yield 'late';
          events.push('beyond its end');
        } finally {
          events.push('end');
        }
      }
      let result: () => HandlerResult = deaf;
      const one = { maxInboundRequests: 1, maxInboundRequestsPerPeer: 1 };
      const { network, asker, executor } = await createPair(createNetwork, {
        asker: both.asker,
        executor: { ...both.executor, ...one, serve: () => result() },
      });
      const ask = async (): Promise<string> => {
        const message = await question(asker.identity, executor.identity);
        const answer = asker.rpc.stream(executor.peerId, message, { timeoutMs: 1_000 });
        const end = await network.run(outcomeOf(answer.result));
        await network.runFor(3_000);
        return end;
      };
      const ends = [await ask(), await ask(), await ask()];
      expect(ends.map((end) => (end === 'OMITTED' ? 'TIMEOUT' : end))).toEqual([
        'TIMEOUT',
        'TIMEOUT',
        'BUSY',
      ]);
      expect(events).toEqual(['begin', 'begin']);
      wait.resolve();
      await network.runFor(100);
      expect(events).toEqual(['begin', 'begin', 'end', 'end']);
      result = () => whole('again');
      expect(await ask()).toBe('answered');
      executor.expectNothingLeft();
    });

    test('an iterable that can be told to end gives its place back at once', async ({ createNetwork }) => {
      let returns = 0;
      const serve: Handler = () => ({
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<IteratorResult<AnswerPiece>>(() => undefined),
          return: () => Promise.resolve({ done: true, value: void returns++ }),
        }),
      });
      const one = { maxInboundRequests: 1, maxInboundRequestsPerPeer: 1 };
      const { network, asker, executor } = await createPair(createNetwork, {
        asker: both.asker,
        executor: { ...both.executor, ...one, serve },
      });
      const message = await question(asker.identity, executor.identity);
      for (let round = 1; round <= 5; round++) {
        const answer = asker.rpc.stream(executor.peerId, message, { timeoutMs: 1_000 });
        expect(await network.run(outcomeOf(answer.result))).not.toBe('BUSY');
        await network.runFor(3_000);
        expect(returns).toBe(round);
      }
      executor.expectNothingLeft();
    });

    for (const [name, encode] of [
      ['a text', () => 'text'],
      ['an array', () => [1, 2]],
      ['nothing', () => undefined],
      ['a promise', () => Promise.resolve(pattern(1))],
      ['a promise that rejects', () => Promise.reject(new Error('secret'))],
    ] as const)
      test(`a response that its codec makes ${name} is an error of the handler`, async ({
        createNetwork,
      }) => {
        const { network, asker, executor } = await createPair(createNetwork, both);
        const known = bytesProtocol('/wrong/1', () => pattern(1));
        const response = { ...known.response, encode: encode as unknown as () => Uint8Array };
        await executor.rpc.addProtocol({ ...known, response });
        const call = asker.rpc.callProtocol(executor.peerId, known, pattern(1));
        expect(await network.run(outcomeOf(call))).toBe('REMOTE');
        await network.runFor(3_000);
        executor.expectNothingLeft();
      });
  });

for (const [name, result] of [
  ['null', null],
  ['a string', 'text'],
  ['a number', 5],
  ['an array', ['text']],
  ['an object that is no message', {}],
  ['an object of type "zzz"', { type: 'zzz' }],
  ['an object of type "llmResponse"', { type: 'llmResponse' }],
  ['an iterable that is not async', new Set(['text'])],
] as const)
  test(`a handler that gives ${name} is told what it gave and what is wanted`, async () => {
    const world = new World();
    const [client, server] = [await world.add('client', unsigned), await world.add('server', unsigned)];
    server.rpc.serve(() => result as unknown as HandlerResult);
    const request = await client.identity.sign(
      { model: 'm', prompt: 'p' },
      { to: server.identity.evmAddress },
    );
    const call = outcomeOf(client.rpc.request(server.peerId, { type: 'llmRequest', request }));
    await world.settle();
    expect(await call).toBe('REMOTE');
    expect(world.notes).toEqual([
      expect.stringMatching(new RegExp(`Cannot answer with ${name}: wanted a message, .*async iterable`)),
    ]);
  });

test('a response that is no bytes is noted with what it is', async () => {
  const world = new World();
  const [client, server] = [await world.add('client', unsigned), await world.add('server', unsigned)];
  const known = bytesProtocol('/wrong/1', () => pattern(1));
  const encode = (async (): Promise<Uint8Array> => pattern(1)) as unknown as () => Uint8Array;
  await server.rpc.addProtocol({ ...known, response: { ...known.response, encode } });
  const call = outcomeOf(client.rpc.callProtocol(server.peerId, known, pattern(1)));
  await world.settle();
  expect(await call).toBe('REMOTE');
  expect(world.notes).toEqual([expect.stringContaining('Cannot send a promise: wanted a Uint8Array')]);
});
