import { fc } from '@fast-check/vitest';
import { beforeEach, describe, expect, test } from 'vitest';
import { assign, createActor, setup } from 'xstate';
import { VirtualClock, type VirtualTimer } from './clock.ts';
import { SimkitError } from './errors.ts';

let clock: VirtualClock;
let seen: string[];

beforeEach(() => {
  clock = new VirtualClock();
  seen = [];
});

const note = (text: string) => (): void => void seen.push(`${clock.elapsed()} ${text}`);

describe('the time of a clock', () => {
  test('stands still until it is told to pass', async () => {
    expect(clock.now()).toBe(Date.UTC(2026, 0, 1));
    expect(clock.elapsed()).toBe(0);
    await clock.runFor(1_500);
    expect(clock.now()).toBe(Date.UTC(2026, 0, 1) + 1_500);
    expect(clock.elapsed()).toBe(1_500);
  });

  test('begins when its user says', () => {
    expect(new VirtualClock({ startAtMs: 5 }).now()).toBe(5);
  });

  test('has fractions, which wall time does not show', async () => {
    clock.at(0.25, note('a quarter'));
    clock.at(1.75, note('more'));
    await clock.runFor(1.8);
    expect(seen).toEqual(['0.25 a quarter', '1.75 more']);
    expect(clock.elapsed()).toBe(1.8);
    expect(clock.now() - clock.startAtMs).toBe(1);
  });

  test.for([-1, Number.NaN, Infinity])('does not run for %d ms', async (ms) => {
    await expect(clock.runFor(ms)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(clock.runUntil(() => false, ms)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await clock.runFor(1);
    expect(clock.elapsed()).toBe(1);
  });

  test('passes at one place only', async () => {
    const first = clock.runFor(10);
    await expect(clock.runFor(10)).rejects.toMatchObject({ code: 'ALREADY_MOVING' });
    await first;
    expect(clock.elapsed()).toBe(10);
  });
});

describe('the timers of a clock', () => {
  test('are called by time, and by the order of setting at one time', async () => {
    clock.setTimeout(note('c'), 20);
    clock.setTimeout(note('a'), 10);
    clock.setTimeout(note('d'), 20);
    clock.setTimeout(note('b'), 10);
    clock.setTimeout(note('never'), 101);
    await clock.runFor(100);
    expect(seen).toEqual(['10 a', '10 b', '20 c', '20 d']);
    expect(clock.elapsed()).toBe(100);
    expect(clock.pending).toBe(1);
  });

  test('let promises, ticks and an immediate settle before the next one of the same instant', async () => {
    clock.setTimeout(() => {
      note('first')();
      void Promise.resolve().then(() => Promise.resolve().then(note('promise')));
      process.nextTick(note('tick'));
      setImmediate(note('immediate'));
    }, 5);
    clock.setTimeout(note('second'), 5);
    await clock.runFor(5);
    expect(seen).toEqual(['5 first', '5 tick', '5 promise', '5 immediate', '5 second']);
  });

  test.for([0, -5, 0.5, Number.NaN, 2 ** 31, Infinity, undefined])('take %d ms for 1 ms', async (ms) => {
    clock.setTimeout(note('timer'), ms);
    await clock.runFor(1);
    expect(seen).toEqual(['1 timer']);
  });

  test('wait for whole milliseconds, up to the longest that Node.js knows', async () => {
    clock.setTimeout(note('short'), 1.9);
    clock.setTimeout(note('long'), 2 ** 31 - 1);
    await clock.runFor(2 ** 31);
    expect(seen).toEqual(['1 short', `${2 ** 31 - 1} long`]);
  });

  test('hand over their arguments', async () => {
    clock.setTimeout((...args) => seen.push(args.join()), 1, 'a', 'b');
    clock.setInterval((...args) => seen.push(args.join()), 2, 'c', 'd');
    await clock.runFor(2);
    expect(seen).toEqual(['a,b', 'c,d']);
  });

  test('are not called once they are dropped, whichever way', async () => {
    const timers = Array.from({ length: 6 }, () => clock.setTimeout(note('timer'), 10));
    clock.clearTimeout(timers[0]);
    clock.clearTimeout(Number(timers[1]));
    clock.clearTimeout(String(Number(timers[2])));
    timers[3]?.close();
    timers[4]?.[Symbol.dispose]();
    expect(clock.pending).toBe(1);
    await clock.runFor(10);
    expect(seen).toEqual(['10 timer']);
    expect(clock.pending).toBe(0);
  });

  test.for([undefined, null, 0, -1, 'x', {}, Symbol('x')])(
    'are not touched by dropping %s',
    async (other) => {
      clock.setTimeout(note('timer'), 1);
      clock.clearTimeout(other);
      await clock.runFor(1);
      expect(seen).toEqual(['1 timer']);
    },
  );

  test('may be dropped again, and after their call', async () => {
    const timer = clock.setTimeout(note('timer'), 1);
    await clock.runFor(1);
    clock.clearTimeout(timer);
    clock.clearTimeout(timer);
    clock.setTimeout(note('other'), 1);
    expect(clock.pending).toBe(1);
    await clock.runFor(1);
    expect(seen).toEqual(['1 timer', '2 other']);
  });

  test('repeat until they are dropped, also by themselves', async () => {
    const timer: VirtualTimer = clock.setInterval(() => {
      note('tick')();
      if (seen.length === 3) clock.clearTimeout(timer);
    }, 10);
    await clock.runFor(100);
    expect(seen).toEqual(['10 tick', '20 tick', '30 tick']);
    expect(clock.pending).toBe(0);
  });

  test('begin anew when they are refreshed, before or after their call, but not once they are dropped', async () => {
    const timer = clock.setTimeout(note('timer'), 10);
    const id = Number(timer);
    await clock.runFor(9);
    expect(timer.refresh()).toBe(timer);
    await clock.runFor(9);
    expect(seen).toEqual([]);
    await clock.runFor(1);
    timer.refresh();
    await clock.runFor(10);
    expect(seen).toEqual(['19 timer', '29 timer']);
    timer.refresh();
    clock.clearTimeout(id);
    expect(clock.pending).toBe(0);
    timer.close().refresh();
    await clock.runFor(100);
    expect(seen).toHaveLength(2);
  });

  test('may be set from timers, which time then passes through', async () => {
    const again = (): void => {
      note('timer')();
      clock.setTimeout(again, 40);
    };
    clock.setTimeout(again, 40);
    await clock.runFor(100);
    expect(seen).toEqual(['40 timer', '80 timer']);
    await clock.runFor(20);
    expect(seen).toHaveLength(3);
  });

  test('know ref, unref and hasRef, which change nothing', async () => {
    expect(clock.setTimeout(note('timer'), 1).unref().ref().unref().hasRef()).toBe(true);
    await clock.runFor(1);
    expect(seen).toEqual(['1 timer']);
  });

  test('leave nothing behind when 100,000 of them are dropped', () => {
    const kept = clock.setTimeout(note('kept'), 50);
    let most = 0;
    for (let index = 0; index < 100_000; index += 1) {
      clock.clearTimeout(clock.setTimeout(note('dropped'), 100));
      most = Math.max(most, clock.queued);
    }
    expect(most).toBeLessThan(3_000);
    expect(clock.pending).toBe(1);
    clock.clearTimeout(kept);
    expect(clock.pending).toBe(0);
  });

  test('keep their order when dropped ones are swept out', async () => {
    const timers = Array.from({ length: 5_000 }, (_, index) =>
      clock.setTimeout(() => seen.push(String(index)), 1 + (index % 7)),
    );
    for (const [index, timer] of timers.entries()) if (index % 10 !== 0) clock.clearTimeout(timer);
    await clock.runFor(7);
    const expected = Array.from({ length: 500 }, (_, index) => index * 10).toSorted(
      (a, b) => (a % 7) - (b % 7) || a - b,
    );
    expect(seen).toEqual(expected.map(String));
  });

  test('are called in the same order whenever they are set in the same way, and never back in time', async () => {
    const plan = fc.record({ ms: fc.nat(50), chainMs: fc.nat(50), isDropped: fc.boolean() });
    type Plan = { readonly ms: number; readonly chainMs: number; readonly isDropped: boolean };
    const run = async (plans: readonly Plan[]): Promise<string[]> => {
      const own = new VirtualClock();
      const calls: string[] = [];
      for (const [index, { ms, chainMs, isDropped }] of plans.entries()) {
        const timer = own.setTimeout(() => {
          calls.push(`${own.elapsed()} ${index}`);
          own.setTimeout(() => calls.push(`${own.elapsed()} ${index} chained`), chainMs);
        }, ms);
        if (isDropped) own.clearTimeout(timer);
      }
      await own.runFor(200);
      return calls;
    };
    const same = fc.asyncProperty(fc.array(plan, { maxLength: 30 }), async (plans) => {
      const calls = await run(plans);
      expect(await run(plans)).toEqual(calls);
      expect(calls).toHaveLength(2 * plans.filter(({ isDropped }) => !isDropped).length);
      const times = calls.map((call) => Number.parseFloat(call));
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    });
    await fc.assert(same, { seed: 20_260_104 });
  });
});

describe('a moment of a clock', () => {
  test('is met exactly, and at once when it has passed', async () => {
    clock.at(10.125, note('moment'));
    await clock.runFor(20);
    clock.at(5, note('past'));
    clock.at(Number.NaN, note('no moment'));
    await clock.runFor(0);
    expect(seen).toEqual(['10.125 moment', '20 past', '20 no moment']);
  });

  test('can be dropped', async () => {
    clock.drop(clock.at(1, note('moment')));
    expect(clock.pending).toBe(0);
    await clock.runFor(1);
    expect(seen).toEqual([]);
  });

  test('ends after all that happens in it, in order, and with what its end begins', async () => {
    clock.setTimeout(() => {
      clock.atEndOfInstant(() => {
        note('end 1')();
        clock.at(0, note('after the end'));
        clock.atEndOfInstant(note('end of that'));
      });
      clock.atEndOfInstant(note('end 2'));
      clock.at(0, note('same instant'));
    }, 5);
    clock.setTimeout(note('timer'), 5);
    clock.setTimeout(note('later'), 6);
    await clock.runFor(10);
    expect(seen).toEqual([
      '5 timer',
      '5 same instant',
      '5 end 1',
      '5 end 2',
      '5 after the end',
      '5 end of that',
      '6 later',
    ]);
  });
});

describe('running a clock', () => {
  test('until a condition asks after each instant, not between two callbacks of one', async () => {
    clock.setTimeout(note('a'), 5);
    clock.setTimeout(note('b'), 5);
    clock.setTimeout(note('c'), 6);
    const asked: string[] = [];
    const isDone = (): boolean => {
      asked.push(`${clock.elapsed()} ${seen.length}`);
      return seen.length > 0;
    };
    expect(await clock.runUntil(isDone, 100)).toBe(true);
    expect(asked).toEqual(['0 0', '5 2']);
    expect(clock.elapsed()).toBe(5);
  });

  test('until a condition that holds already lets no time pass', async () => {
    clock.setTimeout(note('timer'), 1);
    expect(await clock.runUntil(() => true, 100)).toBe(true);
    expect(clock.elapsed()).toBe(0);
  });

  test('until a condition that never holds ends at its limit', async () => {
    clock.setInterval(note('tick'), 30);
    expect(await clock.runUntil(() => false, 100)).toBe(false);
    expect(clock.elapsed()).toBe(100);
    expect(seen).toHaveLength(3);
  });

  test('until a time of its own asks at the limit too', async () => {
    expect(await clock.runUntil(() => clock.elapsed() >= 100, 100)).toBe(true);
  });

  test('ends with what a callback throws, and can go on behind it', async () => {
    clock.setTimeout(() => {
      throw new Error('broken');
    }, 5);
    clock.setTimeout(note('next'), 5);
    await expect(clock.runFor(10)).rejects.toThrow('broken');
    expect(clock.elapsed()).toBe(5);
    await clock.runFor(10);
    expect(seen).toEqual(['5 next']);
  });

  test('ends with what a condition throws', async () => {
    const isDone = (): boolean => {
      throw new Error('broken');
    };
    await expect(clock.runUntil(isDone, 10)).rejects.toThrow('broken');
    await clock.runFor(10);
    expect(clock.elapsed()).toBe(10);
  });

  test('takes many callbacks in one instant and in the next', async () => {
    let calls = 0;
    const burst = (): void => {
      for (let index = 0; index < 600_000; index += 1) clock.atEndOfInstant(() => (calls += 1));
    };
    clock.setTimeout(burst, 5);
    clock.setTimeout(burst, 6);
    await clock.runFor(10);
    expect(calls).toBe(1_200_000);
  });

  test('ends when one instant never does', async () => {
    const twice = (): void => {
      clock.atEndOfInstant(twice);
      clock.atEndOfInstant(twice);
    };
    clock.setTimeout(twice, 5);
    const error: unknown = await clock.runFor(10).catch((thrown: unknown) => thrown);
    expect(SimkitError.is(error, 'ENDLESS_INSTANT') && error.data.at).toBe(5);
    expect(String(error)).toMatch(
      /^SimkitError: Cannot move virtual time beyond 5 ms: \d{7} callbacks have run/,
    );
  });
});

test('a state machine on the clock leaves its states at exactly their times', async () => {
  const machine = setup({
    types: {} as { context: { at: number[] } },
    delays: { timeoutMs: 120_000 },
    actions: { mark: assign(({ context }) => ({ at: [...context.at, clock.elapsed()] })) },
  }).createMachine({
    context: { at: [] },
    initial: 'waiting',
    states: {
      waiting: { after: { timeoutMs: { target: 'resting', actions: 'mark' } } },
      resting: { after: { 250: { target: 'ended', actions: 'mark' } } },
      ended: {},
    },
  });
  const actor = createActor(machine, { clock }).start();
  await clock.runFor(119_999);
  expect(actor.getSnapshot().value).toBe('waiting');
  await clock.runFor(1_000);
  expect(actor.getSnapshot().value).toBe('ended');
  expect(actor.getSnapshot().context.at).toEqual([120_000, 120_250]);
});
