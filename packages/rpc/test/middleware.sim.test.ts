import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Refusal, type CustomProtocol, type Handler, type Middleware } from '../src/index.ts';
import { createWorld, errorOf, failing, silent, watched } from './callWorld.ts';
import { outcomeOf, pause, readAll, textOf, whole, words } from './simulation.ts';

const ping = { type: 'ping' } as const;
const broken = new Error('broken');
type Outbound = NonNullable<Middleware['outbound']>;

const json = {
  encode: (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value)),
  decode: (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes)),
};
const echo: CustomProtocol = {
  protocolName: '/test/echo/1.0.0',
  request: json,
  response: json,
  handleRequest: (_peerId, value) => value,
};

describe('what a client puts around its requests', () => {
  test('sees each of them once, from the outside in, however often it is made', async ({ createNetwork }) => {
    const serve = failing([broken, broken], words(3, 10));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, retries, id } = world;
    const seen: string[] = [];
    const note = (name: string): Middleware => ({
      outbound: async ({ method, peerId }, next) => {
        seen.push(`${name} ${method} ${String(world.nameOf(peerId))}`);
        const outcome = (await next()) as { readonly content?: string };
        seen.push(`${name} ${outcome.content ?? 'pong'}`);
      },
    });
    asker.rpc.use(note('outer'));
    asker.rpc.use({ inbound: async (_, next) => void (await next()) });
    asker.rpc.use(note('inner'));
    const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry: { maxDelayMs: 100 } });
    expect(await network.run(readAll(answer))).toBe(textOf(3));
    const told = (name: string) => `${name} ${textOf(3)}`;
    expect(seen).toEqual(['outer llmRequest a', 'inner llmRequest a', told('inner'), told('outer')]);
    expect(retries).toHaveLength(2);
    await network.run(asker.rpc.request(id('a'), ping));
    expect(seen.slice(4)).toEqual(['outer ping a', 'inner ping a', 'inner pong', 'outer pong']);
    await world.end();
  });

  test('adds metadata that every executor sees', async ({ createNetwork }) => {
    const seen: unknown[] = [];
    const noting =
      (handler: Handler): Handler =>
      (request, context) => {
        seen.push(context.metadata);
        return handler(request, context);
      };
    const world = await createWorld(createNetwork, {
      executors: {
        a: { serve: noting(failing([new Refusal('BUSY', 'no')], () => undefined)) },
        b: { serve: noting(() => whole('done')) },
      },
    });
    const { network, asker, id } = world;
    asker.rpc.use({ outbound: async ({ metadata }, next) => void (await next({ ...metadata, token: 't' })) });
    const call = { metadata: { given: 'yes' }, retry: {} };
    await network.run(asker.rpc.request(id('a'), await world.question('a'), call));
    expect(seen).toEqual([
      { given: 'yes', token: 't' },
      { given: 'yes', token: 't' },
    ]);
    await world.end();
  });

  test('keeps a request from being sent when it fails, or does not go on', async ({ createNetwork }) => {
    const { serve, calls } = watched(() => whole('late'));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id } = world;
    for (const outbound of [() => Promise.reject(broken), () => Promise.resolve()] as readonly Outbound[]) {
      const remove = asker.rpc.use({ outbound });
      const message = await world.question('a');
      expect(await network.run(errorOf(asker.rpc.request(id('a'), message, { retry: {} })))).toMatchObject({
        code: 'MIDDLEWARE_FAILED',
        retryable: false,
        data: { peerId: id('a') },
      });
      const answer = asker.rpc.stream(id('a'), message);
      expect(await network.run(errorOf(readAll(answer)))).toMatchObject({ code: 'MIDDLEWARE_FAILED' });
      expect(await network.run(errorOf(asker.rpc.request(id('a'), ping)))).toMatchObject({
        code: 'MIDDLEWARE_FAILED',
      });
      remove();
    }
    expect(calls).toEqual([]);
    expect(await network.run(outcomeOf(asker.rpc.request(id('a'), await world.question('a'))))).toBe(
      'answered',
    );
    await world.end();
  });

  test('keeps nobody waiting for longer than the request may take', async ({ createNetwork }) => {
    const { serve, calls } = watched(() => whole('late'));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id, elapsed } = world;
    const goOn = Promise.withResolvers<void>();
    asker.rpc.use({
      outbound: async (_, next) => {
        await goOn.promise;
        await next();
      },
    });
    const ended = outcomeOf(asker.rpc.request(id('a'), await world.question('a'), { timeoutMs: 3_000 }));
    const message = await world.question('a');
    const cancelled = outcomeOf(asker.rpc.request(id('a'), message, { signal: AbortSignal.timeout(1_000) }));
    expect(await network.run(cancelled)).toBe('CANCELLED');
    expect([await network.run(ended), elapsed()]).toEqual(['TIMEOUT', 3_000]);
    goOn.resolve();
    await network.runFor(1_000);
    expect(calls).toEqual([]);
    await world.end();
  });

  test('sends a request once, and changes nothing of its end, whatever it does behind it', async ({
    createNetwork,
  }) => {
    const { serve, calls } = watched(failing([], () => whole('done')));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id } = world;
    const behind: readonly Outbound[] = [
      async (_, next) => {
        await next();
        await next();
      },
      async (_, next) => {
        await next();
        throw broken;
      },
      async (_, next) => {
        void next();
        throw broken;
      },
      async (_, next) => {
        void next();
        await pause(60_000);
      },
    ];
    for (const outbound of behind) {
      const remove = asker.rpc.use({ outbound });
      expect(await network.run(outcomeOf(asker.rpc.request(id('a'), await world.question('a'))))).toBe(
        'answered',
      );
      remove();
    }
    expect(calls).toHaveLength(behind.length);
    const remove = asker.rpc.use({ outbound: async (_, next) => void (await next().catch(() => undefined)) });
    const refused = asker.rpc.request(id('a'), await world.question('a'), { timeoutMs: 10 });
    expect(await network.run(outcomeOf(refused))).toBe('TIMEOUT');
    remove();
    await network.runFor(60_000);
    await world.end();
  });

  test('that gives metadata which cannot be sent ends the request unsent', async ({ createNetwork }) => {
    const { serve, calls } = watched(() => whole('late'));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id } = world;
    for (const metadata of [{ long: 'x'.repeat(5_000) }, { wrong: 7 as unknown as string }]) {
      const remove = asker.rpc.use({ outbound: async (_, next) => void (await next(metadata)) });
      const failed = errorOf(asker.rpc.request(id('a'), await world.question('a')));
      expect(await network.run(failed)).toMatchObject({ code: 'MIDDLEWARE_FAILED' });
      remove();
    }
    expect(calls).toEqual([]);
    await world.end();
  });
});

describe('what an executor puts around requests', () => {
  test('refuses with a code of its own before anything is run, and with REMOTE when it breaks', async ({
    createNetwork,
  }) => {
    const { serve, calls } = watched(() => whole('done'));
    const world = await createWorld(createNetwork, { executors: { a: { serve, capacity: 1 } } });
    const { network, asker, id } = world;
    const { rpc } = network.node('a');
    await network.run(rpc.addProtocol(echo));
    const all = async () => [
      await network.run(outcomeOf(asker.rpc.request(id('a'), await world.question('a')))),
      await network.run(outcomeOf(asker.rpc.request(id('a'), ping))),
      await network.run(outcomeOf(asker.rpc.callProtocol(id('a'), echo, 'x'))),
    ];
    const times = (outcome: string) => [outcome, outcome, outcome];
    for (const [thrown, code] of [
      [new Refusal('RATE_LIMITED', 'no', { retryAfterMs: 1 }), 'RATE_LIMITED'],
      [new Refusal('MODEL_UNAVAILABLE', 'no'), 'MODEL_UNAVAILABLE'],
      [broken, 'REMOTE'],
      [undefined, 'REMOTE'],
    ] as const) {
      const remove = rpc.use({
        inbound: () => (thrown === undefined ? Promise.resolve() : Promise.reject(thrown)),
      });
      expect(await all()).toEqual(times(code));
      remove();
      await network.runFor(10);
    }
    expect(calls).toEqual([]);
    expect(await all()).toEqual(times('answered'));
    await world.end();
  });

  test('is told what is asked, by whom, and how it ended, from the outside in', async ({ createNetwork }) => {
    const handler: Handler = (request, context) =>
      (request.request.payload.model === 'slow' ? silent : words(2, 10))(request, context);
    const serve = failing([broken], handler);
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id } = world;
    const seen: string[] = [];
    const note = (name: string): Middleware => ({
      inbound: async ({ method, peerId, metadata }, next) => {
        seen.push(`${name} ${method} ${String(world.nameOf(peerId))} ${metadata['key'] ?? ''}`);
        seen.push(`${name} ${await next()}`);
      },
    });
    const { rpc } = network.node('a');
    await network.run(rpc.addProtocol(echo));
    rpc.use(note('outer'));
    rpc.use({ outbound: async (_, next) => void (await next()) });
    rpc.use(note('inner'));
    const ended = async (request: Promise<unknown>): Promise<readonly string[]> => {
      await network.run(outcomeOf(request));
      await network.runFor(200);
      return seen.splice(0);
    };
    const around = (asked: string, how: string) => [
      `outer ${asked}`,
      `inner ${asked}`,
      `inner ${how}`,
      `outer ${how}`,
    ];
    const metadata = { key: 'value' };
    expect(await ended(asker.rpc.request(id('a'), await world.question('a'), { metadata }))).toEqual(
      around('llmRequest asker value', 'failed'),
    );
    const answer = asker.rpc.stream(id('a'), await world.question('a'));
    expect(await ended(readAll(answer))).toEqual(around('llmRequest asker ', 'answered'));
    const slow = await world.question('a', { model: 'slow' });
    const cancelled = asker.rpc.request(id('a'), slow, { signal: AbortSignal.timeout(500) });
    expect(await ended(cancelled)).toEqual(around('llmRequest asker ', 'cancelled'));
    expect(await ended(asker.rpc.request(id('a'), ping))).toEqual(around('ping asker ', 'answered'));
    expect(await ended(asker.rpc.callProtocol(id('a'), echo, 'x'))).toEqual(
      around('/test/echo/1.0.0 asker ', 'answered'),
    );
    await world.end();
  });

  test('sees a request once, however often its client comes back for it', async ({ createNetwork }) => {
    const { serve, calls } = watched(words(6, 500));
    const world = await createWorld(createNetwork, { executors: { a: { serve, rejoinTimeoutMs: 5_000 } } });
    const { network, asker, id } = world;
    const seen: string[] = [];
    network.node('a').rpc.use({
      inbound: async (_, next) => {
        seen.push('began');
        seen.push(await next());
      },
    });
    const retry = { maxAttempts: 5, maxDelayMs: 200 };
    const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry });
    const read = readAll(answer);
    for (let time = 0; time < 2; time++) {
      await network.runFor(900);
      for (const connection of asker.node.getConnections()) connection.abort(new Error('gone'));
    }
    expect(await network.run(read)).toBe(textOf(6));
    await network.runFor(100);
    expect([seen, calls.length]).toEqual([['began', 'answered'], 1]);
    await world.end();
  });

  test('hears by the signal that no answer is wanted any more, also before it goes on', async ({
    createNetwork,
  }) => {
    const { serve, calls } = watched(() => whole('late'));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id, elapsed } = world;
    const stops: number[] = [];
    network.node('a').rpc.use({
      inbound: ({ signal }, next) =>
        new Promise<string>((resolve) => {
          signal.addEventListener('abort', () => {
            stops.push(elapsed());
            resolve(next());
          });
        }).then((how) => void stops.push(how === 'cancelled' ? 1 : 0)),
    });
    const cancelled = asker.rpc.request(id('a'), await world.question('a'), {
      signal: AbortSignal.timeout(500),
    });
    expect(await network.run(outcomeOf(cancelled))).toBe('CANCELLED');
    await network.runFor(100);
    expect([stops, calls]).toEqual([[550, 1], []]);
    await world.end();
  });
});
