import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';

import { poolMachine, type FillResult, type TrimResult } from './pool.machine.ts';

const machines = recordFile();
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An effect whose latest call ends when the test says so. */
class Effect<T> {
  readonly signals: AbortSignal[] = [];
  #call = Promise.withResolvers<T>();
  readonly logic = fromPromise<T>(({ signal }) => {
    this.signals.push(signal);
    this.#call = Promise.withResolvers<T>();
    return this.#call.promise;
  });

  async end(output: T): Promise<void> {
    this.#call.resolve(output);
    await turn();
  }

  async fail(): Promise<void> {
    // In some rows nobody awaits it.
    this.#call.promise.catch(() => undefined);
    this.#call.reject(new Error('failed by the test'));
    await turn();
  }
}

function createPool() {
  const [trim, fill] = [new Effect<TrimResult>(), new Effect<FillResult>()];
  const clock = new SimulatedClock();
  const machine = poolMachine.provide({ actors: { trim: trim.logic, fill: fill.logic } });
  const actor = createActor(machine, { clock, input: { seed: 7 }, inspect: machines.inspect });
  actor.start();
  return { actor, clock, trim, fill };
}
type Pool = ReturnType<typeof createPool>;

const nextLookMs = 30_000;
const looked = ({ trim }: Pool, isShort = false): Promise<void> => trim.end({ nextLookMs, isShort });
const passes = (ms: number) => (pool: Pool) => {
  pool.clock.increment(ms);
};

/** How each row of the table is reached, from a first look that is under way. */
const situations = {
  trimming: () => undefined,
  steady: (pool: Pool) => looked(pool),
  settling: async (pool: Pool) => {
    await looked(pool);
    pool.actor.send({ type: 'pool.wake' });
  },
  'steady, filling': (pool: Pool) => looked(pool, true),
  'steady, resting': async (pool: Pool) => {
    await looked(pool, true);
    await pool.fill.end({ opened: 0 });
  },
  'steady, drained': async (pool: Pool) => {
    await looked(pool);
    pool.actor.send({ type: 'pool.drain' });
  },
};

/** What each column does. */
const happenings: Record<string, (pool: Pool) => unknown> = {
  'pool.wake': ({ actor }) => actor.send({ type: 'pool.wake' }),
  'pool.changed': ({ actor }) => actor.send({ type: 'pool.changed' }),
  'pool.short': ({ actor }) => actor.send({ type: 'pool.short' }),
  'pool.drain': ({ actor }) => actor.send({ type: 'pool.drain' }),
  'the look finds nothing': (pool) => looked(pool),
  'the look finds that peers are missing': (pool) => looked(pool, true),
  'the look breaks': ({ trim }) => trim.fail(),
  'filling connects some': ({ fill }) => fill.end({ opened: 1 }),
  'filling finds nobody': ({ fill }) => fill.end({ opened: 0 }),
  'filling breaks': ({ fill }) => fill.fail(),
  'a moment passes': passes(100),
  'a short rest passes': passes(1_100),
  'the time of the look comes': passes(nextLookMs),
  'the time of filling is over': passes(60_000),
};

/** Situation x happening -> states of both regions. What is not listed changes nothing. */
const table: Record<keyof typeof situations, Readonly<Record<string, string>>> = {
  trimming: {
    'pool.wake': 'settling, none',
    'pool.short': 'trimming, filling',
    'pool.drain': 'trimming, drained',
    'the look finds nothing': 'steady, none',
    'the look finds that peers are missing': 'steady, filling',
    'the look breaks': 'steady, none',
  },
  steady: {
    'pool.wake': 'settling, none',
    'pool.changed': 'trimming, none',
    'pool.short': 'steady, filling',
    'pool.drain': 'steady, drained',
    'the time of the look comes': 'trimming, none',
    'the time of filling is over': 'trimming, none',
  },
  settling: {
    'pool.changed': 'trimming, none',
    'pool.short': 'settling, filling',
    'pool.drain': 'settling, drained',
    'a moment passes': 'trimming, none',
    'a short rest passes': 'trimming, none',
    'the time of the look comes': 'trimming, none',
    'the time of filling is over': 'trimming, none',
  },
  'steady, filling': {
    'pool.wake': 'settling, filling',
    'pool.changed': 'trimming, none',
    'pool.drain': 'steady, drained',
    'filling connects some': 'steady, resting',
    'filling finds nobody': 'steady, resting',
    'filling breaks': 'steady, resting',
    'the time of the look comes': 'trimming, filling',
    'the time of filling is over': 'trimming, resting',
  },
  'steady, resting': {
    'pool.wake': 'settling, resting',
    'pool.changed': 'trimming, none',
    'pool.drain': 'steady, drained',
    'a short rest passes': 'settling, none',
    'the time of the look comes': 'settling, none',
    'the time of filling is over': 'settling, none',
  },
  'steady, drained': {
    'pool.wake': 'settling, drained',
    'pool.changed': 'trimming, drained',
    'the time of the look comes': 'trimming, drained',
    'the time of filling is over': 'trimming, drained',
  },
};

const rows = Object.entries(situations).flatMap(([from, arrive]) =>
  Object.entries(happenings).map(([event, happen]) => ({ from, event, arrive, happen })),
);

const stateOf = ({ actor }: Pool): string => {
  const { surplus, shortage } = actor.getSnapshot().value;
  return `${surplus}, ${shortage}`;
};

describe('pool machine', () => {
  it.each(rows)('$from: $event', async ({ from, event, arrive, happen }) => {
    const pool = createPool();
    await arrive(pool);
    const before = stateOf(pool);
    await happen(pool);
    expect(stateOf(pool)).toBe(table[from as keyof typeof table][event] ?? before);
    pool.actor.stop();
  });

  it('looks once for all that happens within a moment', async () => {
    const pool = createPool();
    await looked(pool);
    for (let times = 0; times < 100; times++) pool.actor.send({ type: 'pool.wake' });
    pool.clock.increment(100);
    expect(pool.trim.signals).toHaveLength(2);
  });

  it('looks anew when the pool changes during a look', async () => {
    const pool = createPool();
    pool.actor.send({ type: 'pool.changed' });
    expect(pool.trim.signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    await looked(pool, true);
    expect(stateOf(pool)).toBe('steady, filling');
  });

  it('rests longer and longer while it finds nobody, up to five minutes', async () => {
    const pool = createPool();
    const rests: number[] = [];
    for (let times = 0; times < 10; times++) {
      pool.actor.send({ type: 'pool.short' });
      await pool.fill.end({ opened: 0 });
      const { restMs } = pool.actor.getSnapshot().context;
      rests.push(Math.round(restMs / 1_000 / 2 ** times));
      pool.clock.increment(restMs);
    }
    expect(rests.slice(0, 8)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    expect(pool.actor.getSnapshot().context.restMs).toBeLessThanOrEqual(300_000);
    expect(pool.actor.getSnapshot().context.restMs).toBeGreaterThanOrEqual(270_000);
  });

  it.each(['steady, filling', 'steady, resting'] as const)(
    'forgets in %s how often it found nobody when the pool changes',
    async (from) => {
      const pool = createPool();
      await situations['steady, resting'](pool);
      pool.clock.increment(1_100);
      expect(pool.actor.getSnapshot().context.attempt).toBe(1);
      if (from === 'steady, filling') pool.actor.send({ type: 'pool.short' });
      pool.actor.send({ type: 'pool.changed' });
      expect(pool.actor.getSnapshot().context.attempt).toBe(0);
    },
  );

  it('looks again after a rest', async () => {
    const pool = createPool();
    await situations['steady, resting'](pool);
    pool.clock.increment(1_100);
    pool.clock.increment(100);
    expect(stateOf(pool)).toBe('trimming, none');
  });

  it('ends filling when it drains', async () => {
    const pool = createPool();
    await looked(pool, true);
    pool.actor.send({ type: 'pool.drain' });
    expect(pool.fill.signals[0]?.aborted).toBe(true);
  });

  it('leaves nothing behind when it is stopped, in any state', async () => {
    for (const arrive of Object.values(situations)) {
      const pool = createPool();
      await arrive(pool);
      pool.actor.stop();
      const { length } = pool.trim.signals;
      pool.clock.increment(600_000);
      expect(pool.trim.signals).toHaveLength(length);
    }
  });

  it('has a context of plain data', async () => {
    const pool = createPool();
    await situations['steady, resting'](pool);
    const { context } = pool.actor.getSnapshot();
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
  });

  it('has as many transitions as the tables above were made for', () => {
    expect(machines.coverage(poolMachine).total).toBe(20);
  });

  it('does nothing by itself', async () => {
    const actor = createActor(poolMachine, { clock: new SimulatedClock(), input: { seed: 7 } }).start();
    await turn();
    actor.send({ type: 'pool.short' });
    await turn();
    expect(actor.getSnapshot().value).toEqual({ surplus: 'steady', shortage: 'resting' });
    actor.stop();
  });
});
