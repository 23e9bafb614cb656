import { test } from '@lloom/simkit/vitest';
import type { SpanConfig } from '@lloom/core';
import { describe, expect } from 'vitest';
import { Refusal, type CallConfig, type CustomProtocol, type Handler } from '../src/index.ts';
import { createWorld, errorOf, failing, silent } from './callWorld.ts';
import { TestTracer } from './onlooking.ts';
import { outcomeOf, pause, readAll, textOf, whole, words } from './simulation.ts';

const ping = { type: 'ping' } as const;
const broken = new Error('broken');
const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

const bytes = { encode: (value: Uint8Array) => value, decode: (value: Uint8Array) => value };
const echo: CustomProtocol<Uint8Array, Uint8Array> = {
  protocolName: '/test/echo/1.0.0',
  request: bytes,
  response: bytes,
};

/** Notes in which spans a handler runs, at its beginning and behind a pause. */
function noting(tracer: TestTracer, serve: Handler) {
  const seen: (string | undefined)[] = [];
  const noted: Handler = async (request, context) => {
    seen.push(tracer.active?.traceparent);
    await pause(10);
    seen.push(tracer.active?.traceparent);
    return serve(request, context);
  };
  return { seen, serve: noted };
}

type World = Awaited<ReturnType<typeof createWorld>>;
type Executors = Parameters<typeof createWorld>[1]['executors'];

/** A world all of whose nodes are followed from now on. */
async function followed(
  createNetwork: Parameters<typeof createWorld>[0],
  executors: Executors,
  tracer = new TestTracer(),
): Promise<World & { readonly tracer: TestTracer }> {
  const all = Object.entries(executors).map(([name, config]) => [name, { tracer, ...config }] as const);
  const world = await createWorld(createNetwork, { asker: { tracer }, executors: Object.fromEntries(all) });
  tracer.spans.length = 0;
  tracer.asked.length = 0;
  return { ...world, tracer };
}

describe('what is followed', () => {
  test('is one trace from the client to what the handler does', async ({ createNetwork }) => {
    const tracer = new TestTracer();
    const { seen, serve } = noting(tracer, words(3, 10));
    const world = await followed(createNetwork, { a: { serve } }, tracer);
    const answer = world.asker.rpc.stream(world.id('a'), await world.question('a'), { traceparent: parent });
    expect(await world.network.run(readAll(answer))).toBe(textOf(3));
    const [request, served] = tracer.spans;
    expect(tracer.tree).toEqual(['lloom.request < nothing here: well', 'lloom.serve < lloom.request: well']);
    expect(request).toMatchObject({
      kind: 'client',
      parent,
      events: ['connected', 'sent', 'first_byte'],
      attributes: {
        'rpc.system': 'lloom',
        'rpc.method': 'llmRequest',
        'lloom.request_id': answer.requestId,
        'lloom.peer_id': world.id('a'),
        'gen_ai.request.model': 'demo-small',
        'lloom.attempts': 1,
        'gen_ai.usage.input_tokens': 0,
        'gen_ai.usage.output_tokens': 3,
      },
    });
    expect(served).toMatchObject({
      kind: 'server',
      events: ['started', 'first_chunk'],
      attributes: {
        'rpc.method': 'llmRequest',
        'lloom.peer_id': world.asker.peerId,
        'gen_ai.request.model': 'demo-small',
      },
    });
    expect(seen).toEqual([served?.traceparent, served?.traceparent]);
    expect(tracer.wrong).toEqual([]);
    await world.end();
  });

  test('shows each attempt, of whomever it was made', async ({ createNetwork }) => {
    const serve = failing([broken], silent);
    const world = await followed(createNetwork, { a: { serve }, b: { serve: words(2, 10) } });
    const { tracer, network } = world;
    const answer = world.asker.rpc.stream(world.id('a'), await world.question('a'), { retry: {} });
    await network.run(readAll(answer));
    expect(tracer.tree).toEqual([
      'lloom.request < nothing here: well',
      'lloom.attempt < lloom.request: REMOTE',
      'lloom.serve < lloom.attempt: REMOTE',
      'lloom.attempt < lloom.request: well',
      'lloom.serve < lloom.attempt: well',
    ]);
    expect(tracer.named('lloom.attempt').map(({ attributes }) => attributes['lloom.peer_id'])).toEqual([
      world.id('a'),
      world.id('b'),
    ]);
    expect(tracer.named('lloom.request')[0]?.attributes).toMatchObject({ 'lloom.attempts': 2 });
    expect(tracer.wrong).toEqual([]);
    await world.end();
  });

  test('shows who was asked beside the first, and given up', async ({ createNetwork }) => {
    const world = await followed(createNetwork, { a: { serve: silent }, b: { serve: () => whole('done') } });
    const { tracer, network, asker } = world;
    const call = { hedge: { delayMs: 100 } };
    await network.run(asker.rpc.request(world.id('a'), await world.question('a'), call));
    await network.runFor(500);
    expect(tracer.tree.toSorted()).toEqual([
      'lloom.attempt < lloom.request: CANCELLED',
      'lloom.attempt < lloom.request: well',
      'lloom.request < nothing here: well',
      'lloom.serve < lloom.attempt: CANCELLED',
      'lloom.serve < lloom.attempt: well',
    ]);
    expect(tracer.wrong).toEqual([]);
    await world.end();
  });

  test('shows each request that joins, and runs the handler in the first', async ({ createNetwork }) => {
    const tracer = new TestTracer();
    const { seen, serve } = noting(tracer, words(3, 100));
    const world = await followed(createNetwork, { a: { serve } }, tracer);
    const message = await world.question('a');
    const ask = () => readAll(world.asker.rpc.stream(world.id('a'), message));
    const first = ask();
    await world.network.runFor(150);
    await world.network.run(Promise.all([first, ask()]));
    const served = tracer.named('lloom.serve');
    expect(served).toHaveLength(2);
    expect(seen).toEqual([served[0]?.traceparent, served[0]?.traceparent]);
    expect(tracer.wrong).toEqual([]);
    await world.end();
  });

  test('is not what a request that is not sampled runs in, whoever has freed its slot or made its connection', async ({
    createNetwork,
  }) => {
    class Sampling extends TestTracer {
      override startSpan(name: string, config: SpanConfig) {
        return config.parent === parent ? super.startSpan(name, config) : undefined;
      }
    }
    const tracer = new Sampling();
    const { seen, serve } = noting(tracer, () => whole('done'));
    const executors = { a: { serve, tracer, capacity: 1 } };
    const world = await createWorld(createNetwork, { executors });
    const ask = async (call?: CallConfig) =>
      world.asker.rpc.request(world.id('a'), await world.question('a'), call);
    await world.network.run(Promise.all([ask({ traceparent: parent }), ask(), ask()]));
    const [served] = tracer.spans;
    expect(seen).toEqual([
      ...Array<unknown>(2).fill(served?.traceparent),
      ...Array<unknown>(4).fill(undefined),
    ]);
    await world.end();
  });

  test('says when a request waited for a slot', async ({ createNetwork }) => {
    const tracer = new TestTracer();
    const { seen, serve } = noting(tracer, () => whole('done'));
    const world = await followed(createNetwork, { a: { serve, capacity: 1 } }, tracer);
    const ask = async () => world.asker.rpc.request(world.id('a'), await world.question('a'));
    await world.network.run(Promise.all([ask(), ask()]));
    const [first, second] = tracer.named('lloom.serve');
    expect([first?.events, second?.events]).toEqual([['started'], ['queued', 'started']]);
    // Whoever frees the slot is another request.
    expect(seen.filter((span) => span === second?.traceparent)).toHaveLength(2);
    await world.end();
  });
});

for (const around of ['nothing', 'middleware'])
  test(`a custom protocol with ${around} around it is served within its span, and sees the trace of its client`, async ({
    createNetwork,
  }) => {
    const hasMiddleware = around === 'middleware';
    const world = await followed(createNetwork, { a: {} });
    const { tracer, network, asker } = world;
    const seen: (string | undefined)[] = [];
    const noted = (value: Uint8Array): Uint8Array => {
      seen.push(tracer.active?.name);
      return value;
    };
    const executor = network.node('a').rpc;
    await network.run(
      executor.addProtocol({
        ...{ ...echo, request: { ...bytes, decode: noted } },
        handleRequest: (_, value, { traceparent }) => {
          seen.push(traceparent, tracer.active?.name);
          return value;
        },
      }),
    );
    if (hasMiddleware)
      executor.use({
        inbound: async (_, next) => {
          seen.push(tracer.active?.name);
          await next();
        },
      });
    await network.run(asker.rpc.callProtocol(world.id('a'), echo, new Uint8Array(1)));
    const [request] = tracer.named('lloom.request');
    const inMiddleware = hasMiddleware ? ['lloom.serve'] : [];
    expect(seen).toEqual(['lloom.serve', ...inMiddleware, request?.traceparent, 'lloom.serve']);
    expect(tracer.wrong).toEqual([]);
    await world.end();
  });

describe('however requests end', () => {
  type Ending = readonly [
    outcome: string,
    served: string | undefined,
    serve: () => Handler,
    call?: CallConfig,
  ];
  const silently = (): Handler => silent;
  const endings: Record<string, Ending> = {
    'with an answer': ['answered', 'well', () => () => whole('done')],
    'with a refusal': ['BUSY', 'BUSY', () => failing([new Refusal('BUSY', 'no')], silent)],
    'with a failure': ['REMOTE', 'REMOTE', () => failing([broken], silent)],
    'by its time': ['TIMEOUT', 'OMITTED', silently, { timeoutMs: 300 }],
    'by silence': ['FIRST_BYTE_TIMEOUT', 'CANCELLED', silently, { firstByteTimeoutMs: 200 }],
    'before it began': ['CANCELLED', undefined, silently, { signal: AbortSignal.abort() }],
  };

  test('each of their spans ends once, and says how', async ({ createNetwork }) => {
    let serve: Handler = silent;
    const world = await followed(createNetwork, {
      a: { serve: (request, context) => serve(request, context) },
    });
    const { tracer, network, asker, id } = world;
    const endsOf = (name: string): string[] => tracer.named(name).map(({ ends }) => ends.join(' and '));
    for (const [name, [outcome, end, handler, call]] of Object.entries(endings))
      for (const often of [{}, { retry: { maxAttempts: 1 } }]) {
        tracer.spans.length = 0;
        serve = handler();
        const asked = asker.rpc.request(id('a'), await world.question('a'), { ...call, ...often });
        expect.soft(await network.run(outcomeOf(asked)), name).toBe(outcome);
        await network.runFor(1_000);
        expect.soft(endsOf('lloom.request'), name).toEqual([outcome === 'answered' ? 'well' : outcome]);
        expect.soft(endsOf('lloom.serve'), name).toEqual(end === undefined ? [] : [end]);
        expect.soft(tracer.wrong, name).toEqual([]);
      }
    await world.end();
  });

  test('spans of a node that stops, of who waits and of who is lost end, too', async ({ createNetwork }) => {
    const world = await followed(createNetwork, { a: { serve: silent, capacity: 1 }, b: { serve: silent } });
    const { tracer, network, asker, id } = world;
    const message = await world.question('a');
    const asked = [
      outcomeOf(asker.rpc.request(id('a'), message, { retry: {} })),
      outcomeOf(asker.rpc.request(id('a'), await world.question('a'))),
      outcomeOf(asker.rpc.request(id('b'), ping, { traceparent: parent })),
    ];
    await network.runFor(300);
    await network.run(network.node('a').stop());
    await network.runFor(500);
    await network.run(asker.stop());
    const outcomes = await network.run(Promise.all(asked));
    await network.runFor(1_000);
    expect(tracer.wrong).toEqual([]);
    expect(tracer.named('lloom.request').map(({ ends }) => ends.join())).toEqual(
      outcomes.map((outcome) => (outcome === 'answered' ? 'well' : outcome)),
    );
    await network.stop();
  });
});

test('a request that is not sampled is asked for once, and travels with what its caller gave, or with a word of that', async ({
  createNetwork,
}) => {
  const tracer = new TestTracer({ isSampled: false });
  const seen: (string | undefined)[] = [];
  const serve: Handler = (_, { traceparent }) => {
    seen.push(traceparent);
    return whole('done');
  };
  const world = await followed(createNetwork, { a: { serve } }, tracer);
  const { network, asker, id } = world;
  await network.run(
    asker.rpc.request(id('a'), await world.question('a'), { traceparent: parent, retry: {} }),
  );
  await network.run(asker.rpc.request(id('a'), await world.question('a')));
  await network.run(asker.rpc.request(id('a'), await world.question('a'), { retry: {} }));
  expect(seen).toEqual([parent, tracer.unsampled, tracer.unsampled]);
  expect(tracer.asked).toEqual([1, 2, 3].flatMap(() => ['lloom.request', 'lloom.serve']));
  await world.end();
});

test('a tracer and a meter that throw break no request', async ({ createNetwork }) => {
  const fail = (): never => {
    throw broken;
  };
  const ports = {
    tracer: { unsampled: 'none', startSpan: fail, apart: fail },
    meter: { counter: () => fail, histogram: fail, gauge: fail },
  };
  const world = await createWorld(createNetwork, {
    asker: ports,
    executors: { a: { serve: words(2, 10), ...ports } },
  });
  const { network, asker, id } = world;
  const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry: {} });
  expect(await network.run(readAll(answer))).toBe(textOf(2));
  expect(
    (await network.run(errorOf(asker.rpc.request(id('a'), ping, { signal: AbortSignal.abort() })))).code,
  ).toBe('CANCELLED');
  await world.end();
});
