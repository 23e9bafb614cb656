import { describe, expect, test } from 'vitest';
import type { InboundCall, Middleware, RequestId } from '../types.ts';
import { inboundCall, throughInbound } from './inboundMiddleware.ts';

const call = {
  requestId: 'r-1',
  peerId: 'p',
  method: 'ping',
  request: { type: 'ping' },
} as unknown as InboundCall;

/** Takes a request through, and notes everything that happens. */
async function through(middleware: readonly Middleware[], answer = () => Promise.resolve('answered')) {
  const notes: string[] = [];
  await throughInbound(call, {
    middleware,
    answer: () => {
      notes.push('answer');
      return answer();
    },
    refuse: (error) => {
      notes.push(`refused: ${(error as Error).message}`);
      return Promise.resolve('refused');
    },
    log: (text, error) => void notes.push(`${text}: ${(error as Error).message}`),
  });
  return notes;
}

test('the first is the outermost, and each is told how the request ended', async () => {
  const steps: string[] = [];
  const layer = (name: string): Middleware => ({
    inbound: async (_, next) => {
      steps.push(`${name} in`);
      steps.push(`${name}: ${await next()}`);
    },
  });
  const outboundOnly: Middleware = { outbound: () => Promise.resolve() };
  expect(await through([layer('a'), outboundOnly, layer('b')])).toEqual(['answer']);
  expect(steps).toEqual(['a in', 'b in', 'b: answered', 'a: answered']);
});

describe('a middleware', () => {
  test('that throws before it goes on refuses, and those around it are told so', async () => {
    const seen: string[] = [];
    const notes = await through([
      { inbound: async (_, next) => void seen.push(await next()) },
      { inbound: () => Promise.reject(new Error('no')) },
    ]);
    expect([notes, seen]).toEqual([['refused: no'], ['refused']]);
  });

  test('that throws at once, or has no promise to give, is one that throws', async () => {
    const inbound = (): never => {
      throw new Error('at once');
    };
    expect(await through([{ inbound }])).toEqual(['refused: at once']);
  });

  test('that does not go on refuses', async () => {
    expect(await through([{ inbound: () => Promise.resolve() }])).toEqual([
      'refused: a middleware did not go on',
    ]);
  });

  test('that throws behind the request is noted, and changes nothing', async () => {
    const late: Middleware = {
      inbound: async (_, next) => {
        await next();
        throw new Error('late');
      },
    };
    expect(await through([late])).toEqual(['answer', 'a middleware failed behind a request: late']);
  });

  test('that goes on twice has it answered once', async () => {
    const outcomes: string[] = [];
    const twice: Middleware = {
      inbound: async (_, next) => void outcomes.push(...(await Promise.all([next(), next()]))),
    };
    expect(await through([twice])).toEqual(['answer']);
    expect(outcomes).toEqual(['answered', 'answered']);
  });

  test('that does not wait for the end is waited for as well as that', async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    let isOver = false;
    const work = through([{ inbound: (_, next) => Promise.resolve(void next()) }], () => promise).then(
      () => (isOver = true),
    );
    for (let time = 0; time < 10; time++) await Promise.resolve();
    expect(isOver).toBe(false);
    resolve('answered');
    await work;
  });
});

test('a call makes no signal unless somebody looks at it', () => {
  let looks = 0;
  const owner = {
    requestId: 'r-1' as RequestId,
    peerId: 'p',
    get signal() {
      looks++;
      return AbortSignal.abort();
    },
  };
  const made = inboundCall(owner, { stream: false, metadata: { a: 'b' } }, { method: 'm', request: 1 });
  expect(made).toMatchObject({
    requestId: 'r-1',
    peerId: 'p',
    method: 'm',
    request: 1,
    metadata: { a: 'b' },
  });
  looks = 0;
  expect(made.signal.aborted).toBe(true);
  expect(looks).toBe(1);
});
