import { test } from '@lloom/inspector/vitest';
import { VirtualClock } from '@lloom/simkit';
import { describe, expect, vi } from 'vitest';
import { assign, setup, type AnyStateMachine } from 'xstate';
import { StepClock } from '../test/stepClock.ts';
import { agreement, recalled, watched, type Step } from '../test/tracing.ts';
import { lifecycles, type Lifecycle, type LifecyclePorts } from './lifecycle.ts';
import { retryDefaults } from './config.ts';
import { breakerMachine } from './machines/breaker.machine.ts';
import { executionMachine } from './machines/execution.machine.ts';
import { inboundMachine } from './machines/inbound.machine.ts';
import { requestMachine } from './machines/request.machine.ts';
import { retryMachine } from './machines/retry.machine.ts';
import { neverMs } from './machines/transitionTable.ts';

interface Subject {
  readonly machine: AnyStateMachine;
  readonly input: object;
  readonly steps: readonly Step[];
}

const unknown = { type: 'nobody.knows' };
const request: Subject = {
  machine: requestMachine,
  input: { requestId: 'r-1', peerId: 'peer-1', dialTimeoutMs: 50, firstByteTimeoutMs: 70, timeoutMs: 150 },
  steps: [
    { type: 'session.opened' },
    { type: 'request.sent' },
    { type: 'answer.began' },
    { type: 'answer.stalled' },
    { type: 'answer.ended' },
    { type: 'answer.verified' },
    { type: 'exchange.failed' },
    { type: 'request.cancel' },
    { type: 'request.stop' },
    unknown,
    49,
  ],
};
const inbound: Subject = {
  machine: inboundMachine,
  input: { requestId: 'r-1', peerId: 'peer-1', readTimeoutMs: 50, handleTimeoutMs: 9_999 },
  steps: [
    { type: 'request.read', handleTimeoutMs: 120 } as Step,
    { type: 'request.verified' },
    { type: 'request.refused' },
    { type: 'slot.awaited' },
    { type: 'slot.taken' },
    { type: 'answer.began' },
    { type: 'answer.ended' },
    { type: 'answer.failed' },
    { type: 'client.gone' },
    { type: 'inbound.stop' },
    { type: 'deadline.passed' },
    unknown,
    49,
  ],
};
const execution: Subject = {
  machine: executionMachine,
  input: { requestId: 'r-1', peerId: 'peer-1' },
  steps: [
    { type: 'slot.taken' },
    { type: 'clients.lost', rejoinMs: 20 } as Step,
    { type: 'execution.stop' },
    { type: 'slot.awaited' },
    { type: 'client.joined' },
    { type: 'answer.ended' },
    { type: 'answer.failed' },
    { type: 'request.refused' },
    { type: 'deadline.passed' },
    { type: 'execution.cancel' },
    { type: 'execution.lose' },
    unknown,
    10,
  ],
};
const attemptFailed = { type: 'attempt.failed', chance: 0, leastDelayMs: 0, isElsewhere: false };
const retry: Subject = {
  machine: retryMachine,
  input: {
    requestId: 'r-1',
    peerId: 'peer-1',
    method: 'ping',
    strategy: { ...retryDefaults, initialDelayMs: 20, maxDelayMs: 40 },
    timeoutMs: 60,
  },
  steps: [
    { type: 'attempt.began' },
    attemptFailed,
    { type: 'answer.verified' },
    { ...attemptFailed, isElsewhere: true } as Step,
    { type: 'request.exhausted' },
    { type: 'request.partial' },
    { type: 'request.cancel' },
    { type: 'request.stop' },
    unknown,
    10,
  ],
};
const breaker: Subject = {
  machine: breakerMachine,
  input: { peerId: 'peer-1' },
  steps: [
    { type: 'peer.tripped', avoidMs: 20 } as Step,
    { type: 'probe.began' },
    { type: 'peer.forget' },
    { type: 'probe.ended' },
    { type: 'peer.recovered' },
    unknown,
    10,
  ],
};

/** The same chance each time: mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe.each([
  ['request', request],
  ['inbound', inbound],
  ['execution', execution],
  ['retry', retry],
  ['breaker', breaker],
])('a table and an actor of the %s machine', (_, subject) => {
  const { machine, steps, input } = subject;
  const agreed = agreement(machine);

  test('agree on every sequence of five events or moments', () => {
    let sequences = 0;
    // One end of what has ended, none of what has not.
    const surplus = new Set<number>();
    const agreedOn = agreement(machine, recalled(machine));
    const walk = (taken: readonly Step[]): void => {
      const found = agreedOn(input, taken);
      sequences += 1;
      surplus.add(found.ends.length - (found.isActive ? 0 : 1));
      if (found.isActive && taken.length < 5) for (const step of steps) walk([...taken, step]);
    };
    walk([]);
    expect([...surplus]).toEqual([0]);
    expect(sequences).toBeGreaterThan(5_000);
  });

  test('agree on thousands of random walks through time', () => {
    const random = seeded(7);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    const ends = new Set<string>();
    for (let walk = 0; walk < 3_000; walk++) {
      const limits = Object.entries(input).map(([key, value]) => [
        key,
        // Small whole numbers meet at the same moment often; a limit of 0 is none.
        typeof value === 'number' ? pick([10, 10, 20, 30, key === 'timeoutMs' ? 40 : 0]) : (value as string),
      ]);
      const taken = Array.from({ length: 12 }, (): Step =>
        random() < 0.4 ? pick([1, 5, 10, 10, 25]) : pick(steps),
      );
      for (const end of agreed(Object.fromEntries(limits) as object, taken).ends)
        ends.add(end.split(' ')[0] as string);
    }
    const finals = Object.values(machine.states).filter(({ type }) => type === 'final');
    expect([...ends].toSorted()).toEqual(finals.map(({ key }) => key).toSorted());
  });

  test('drop events that a state does not know', () => {
    const path = steps.slice(0, 3);
    for (let length = 0; length <= path.length; length++) {
      const { trace } = agreed(input, [
        ...path.slice(0, length),
        unknown,
        { type: '' },
        { type: '__proto__' },
      ]);
      expect(new Set(trace.slice(length)).size).toBe(1);
    }
  });

  test('end at the same moments of virtual time', async () => {
    const endsBy = async (ports: Omit<LifecyclePorts, 'clock'>): Promise<string[]> => {
      const clock = new VirtualClock();
      const random = seeded(11);
      const ends: string[] = [];
      const runs = lifecycles(machine, { clock, ...ports });
      for (let id = 0; id < 200; id++) {
        const owner = {
          id: `r-${id}`,
          onEnd: (state: string) => void ends.push(`${id} ${state} ${clock.elapsed()}`),
        };
        // Moments between the whole milliseconds, where rounding would show.
        clock.at(random() * 40, () => {
          const run = runs.start(input, owner) as Lifecycle<object, string>;
          for (const step of steps.slice(0, 3)) {
            const event = typeof step === 'number' ? unknown : step;
            clock.at(clock.elapsed() + random() * 90, () => run.send(event));
          }
        });
      }
      await clock.runFor(1_000);
      expect(clock.pending).toBe(0);
      return ends;
    };
    const table = await endsBy({});
    expect(table).toHaveLength(200);
    expect(table).toEqual(await endsBy(watched));
  });
});

describe.each([
  ['table', {}],
  ['actor', watched],
])('a run by %s', (_, ports) => {
  const start = (changes: object = {}) => {
    const clock = new StepClock();
    const ends: string[] = [];
    const input = {
      requestId: 'r-1',
      peerId: 'peer-1',
      dialTimeoutMs: 50,
      firstByteTimeoutMs: 70,
      timeoutMs: 150,
    };
    const owner = { id: 'r-1', onEnd: (state: string) => void ends.push(state) };
    const run = lifecycles(requestMachine, { clock, ...ports }).start({ ...input, ...changes }, owner);
    return { clock, ends, run };
  };

  test('tells its end within the event that led to it', () => {
    const { run, ends, clock } = start();
    run.send({ type: 'session.opened' });
    expect(ends).toEqual([]);
    run.send({ type: 'request.cancel' });
    expect(ends).toEqual(['cancelled']);
    expect(run).toMatchObject({ state: 'cancelled', isActive: false, lastActive: 'sending' });
    expect(clock.live).toBe(0);
  });

  test('drops what comes after its end, and says nothing of it', () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    const { run, ends, clock } = start();
    run.send({ type: 'request.stop' });
    for (const type of ['session.opened', 'request.cancel', 'request.stop'] as const) run.send({ type });
    clock.advance(1_000);
    expect(ends).toEqual(['stopped']);
    expect(run).toMatchObject({ state: 'stopped', isActive: false, lastActive: 'dialing' });
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  test('tells an end that a timer brings, and where it was then', () => {
    const { run, ends, clock } = start();
    run.send({ type: 'session.opened' });
    run.send({ type: 'request.sent' });
    clock.advance(70);
    expect(ends).toEqual(['silent']);
    expect(run).toMatchObject({ state: 'silent', isActive: false, lastActive: 'awaiting' });
    expect(clock.live).toBe(0);
  });

  test('is at its end already when its owner is told, who may send more', () => {
    const clock = new StepClock();
    const told: unknown[] = [];
    const input = {
      requestId: 'r-1',
      peerId: 'peer-1',
      dialTimeoutMs: 0,
      firstByteTimeoutMs: 0,
      timeoutMs: 150,
    };
    class Owner {
      readonly id = 'r-1';
      readonly run = lifecycles(requestMachine, { clock, ...ports }).start(input, this);
      onEnd(state: string): void {
        this.run.send({ type: 'request.stop' });
        told.push([state, this.run.state, this.run.isActive, clock.live]);
      }
    }
    new Owner().run.send({ type: 'exchange.failed' });
    expect(told).toEqual([['failed', 'failed', false, 0]]);
  });

  test('makes no timer of a limit that there is not', () => {
    const { run, clock } = start({ dialTimeoutMs: 0, firstByteTimeoutMs: 0 });
    expect(clock.live).toBe(1);
    run.send({ type: 'session.opened' });
    run.send({ type: 'request.sent' });
    expect(clock.live).toBe(1);
  });
});

test('runs that are watched show every step under their id', ({ machines }) => {
  const clock = new StepClock();
  const { inspect } = machines;
  const input = { requestId: 'r-7', peerId: 'peer-1', readTimeoutMs: 50, handleTimeoutMs: 100 };
  const run = lifecycles(inboundMachine, { clock, inspect }).start(input, {
    id: 'r-7',
    onEnd: () => undefined,
  });
  run.send({ type: 'request.read', handleTimeoutMs: 100 });
  clock.advance(100);
  expect(machines.coverage(inboundMachine).missed).not.toContain('verifying deadline.passed → omitted');
  expect(JSON.stringify(machines.run())).toContain('r-7');
});

const toy = setup({
  types: {} as {
    context: { waitMs: number; count: number };
    input: { waitMs: number };
    events: { type: 'again' | 'restart' | 'count' | 'reset' | 'home' | 'forbid' | 'next' };
  },
  delays: { waitMs: ({ context }) => context.waitMs + 5 * context.count, fixedMs: 35, never: neverMs },
  actions: { double: assign({ waitMs: ({ context }) => context.waitMs * 2 }) },
}).createMachine({
  id: 'toy',
  context: ({ input }) => ({ ...input, count: 0 }),
  after: { 60: '.over' },
  on: { home: '.first', next: '.second', forbid: '.over', reset: { actions: 'double' } },
  initial: 'first',
  states: {
    first: {
      after: { waitMs: 'second', fixedMs: { actions: 'double' } },
      on: {
        again: 'first',
        restart: { target: 'first', reenter: true },
        count: {
          actions: assign(({ context }) => ({ count: context.count + 1 })),
        },
        forbid: {},
      },
    },
    second: { after: { never: 'over', 20: 'first', waitMs: 'over' }, on: { next: 'over' } },
    over: { type: 'final' },
  },
});

test('a table and an actor agree on what is in no machine of this package yet', () => {
  const events = ['again', 'restart', 'count', 'reset', 'home', 'forbid', 'next'].map((type) => ({ type }));
  const agreed = agreement(toy);
  const seen = new Set<string>();
  const walk = (taken: readonly Step[]): void => {
    const { isActive, trace } = agreed({ waitMs: 10 }, taken);
    seen.add(trace.at(-1) as string);
    if (isActive && taken.length < 4) for (const step of [...events, 4, 7, 20]) walk([...taken, step]);
  };
  walk([]);
  expect(seen.size).toBeGreaterThan(10);
});
