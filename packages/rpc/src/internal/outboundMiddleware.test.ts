import { describe, expect, test } from 'vitest';
import type { Middleware, OutboundCall, RequestId } from '../types.ts';
import { throughOutbound } from './outboundMiddleware.ts';

const call: OutboundCall = {
  requestId: 'r-1' as RequestId,
  peerId: 'a',
  method: 'ping',
  request: { type: 'ping' },
  metadata: { given: 'yes' },
};

type Outbound = NonNullable<Middleware['outbound']>;

/** Sends the call through some middleware; `sent` has what it was sent with, each time. */
function pass(
  outbounds: readonly (Outbound | undefined)[],
  outcome: Promise<unknown> = Promise.resolve('done'),
) {
  const sent: Readonly<Record<string, string>>[] = [];
  const middleware = outbounds.map((outbound) => (outbound === undefined ? {} : { outbound }));
  const passed = throughOutbound(middleware, call, (metadata) => {
    sent.push(metadata);
    return outcome;
  });
  return { passed, sent };
}

/** Rejections that nobody hears of end a process; the runner tells of them when the turn is over. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

const failed = { code: 'MIDDLEWARE_FAILED', data: { requestId: 'r-1', peerId: 'a' } };

describe('what stands around a request', () => {
  test('sees it from the outside in, and its end from the inside out', async () => {
    const seen: string[] = [];
    const note =
      (name: string): Outbound =>
      async (_call, next) => {
        seen.push(name);
        seen.push(`${name} ${String(await next())}`);
      };
    const { passed, sent } = pass([note('outer'), undefined, note('inner')]);
    await passed;
    expect(seen).toEqual(['outer', 'inner', 'inner done', 'outer done']);
    expect(sent).toEqual([{ given: 'yes' }]);
  });

  test('adds metadata that those inside it see, and that travels', async () => {
    const seen: unknown[] = [];
    const { passed, sent } = pass([
      async ({ metadata }, next) => void (await next({ ...metadata, token: 't' })),
      async ({ metadata }, next) => {
        seen.push(metadata);
        await next();
      },
    ]);
    await passed;
    expect([...seen, ...sent]).toEqual([
      { given: 'yes', token: 't' },
      { given: 'yes', token: 't' },
    ]);
  });

  test('is called on itself', async () => {
    class Counting {
      count = 0;
      async outbound(_call: OutboundCall, next: () => Promise<unknown>): Promise<void> {
        this.count++;
        await next();
      }
    }
    const counting = new Counting();
    await throughOutbound([counting], call, () => Promise.resolve());
    expect(counting.count).toBe(1);
  });
});

describe('a request is not sent', () => {
  const broken = new Error('not today');
  test.each<[string, Outbound]>([
    ['throws', () => Promise.reject(broken)],
    [
      'throws at once',
      () => {
        throw broken;
      },
    ],
  ])('when a middleware %s', async (_name, outbound) => {
    for (const outbounds of [
      [outbound],
      [async (_: OutboundCall, next: () => Promise<unknown>) => void (await next()), outbound],
    ]) {
      const { passed, sent } = pass(outbounds);
      await expect(passed).rejects.toMatchObject({ ...failed, cause: broken, data: { reason: 'not today' } });
      expect(sent).toEqual([]);
    }
  });

  test('when a middleware does not go on', async () => {
    const { passed, sent } = pass([async (_, next) => void (await next()), () => Promise.resolve()]);
    await expect(passed).rejects.toMatchObject({ ...failed, data: { reason: 'it did not go on' } });
    expect(sent).toEqual([]);
  });
});

describe('a request that is sent', () => {
  test('is sent once, however often a middleware goes on', async () => {
    const { passed, sent } = pass([
      async (_, next) => {
        await next();
        await next();
      },
    ]);
    await expect(passed).rejects.toThrow('a middleware called next twice');
    expect(sent).toHaveLength(1);
  });

  test('is not called unsent because a middleware throws behind it', async () => {
    const broken = new Error('after the fact');
    const { passed } = pass([
      async (_, next) => {
        await next();
        throw broken;
      },
    ]);
    await expect(passed).rejects.toBe(broken);
  });

  test('fails with its own error, also when a middleware swallows it', async () => {
    const failure = new Error('no answer');
    for (const outbound of [
      async (_: OutboundCall, next: () => Promise<unknown>) => void (await next().catch(() => 'swallowed')),
      async (_: OutboundCall, next: () => Promise<unknown>) => void (await next()),
    ])
      await expect(pass([outbound, outbound], Promise.reject(failure)).passed).rejects.toBe(failure);
  });

  test('may fail while a middleware that does not wait for it does something else', async () => {
    const isDone = Promise.withResolvers<void>();
    const busy: Outbound = (_, next) => {
      void next();
      return isDone.promise;
    };
    const waiting: Outbound = async (_, next) => void (await next());
    const failure = new Error('no answer');
    const told = pass([busy, waiting], Promise.reject(failure)).passed.catch((error: unknown) => error);
    await turn();
    isDone.resolve();
    expect(await told).toBe(failure);
  });
});
