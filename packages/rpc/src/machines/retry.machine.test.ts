import { recordFile } from '@lloom/inspector/vitest';
import { VirtualClock } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { createActor, SimulatedClock } from 'xstate';
import { retryDefaults } from '../config.ts';
import { lifecycles } from '../lifecycle.ts';
import { retryMachine, type RetryContext, type RetryEvent, type RetryState } from './retry.machine.ts';

const machines = recordFile();
const strategy = { ...retryDefaults, initialDelayMs: 100, maxDelayMs: 300 };
const input = { requestId: 'r-1', peerId: 'peer-1', method: 'llmRequest', timeoutMs: 1_000, strategy };

const began = { type: 'attempt.began' } as const;
const failed = { type: 'attempt.failed', chance: 0.5, leastDelayMs: 0, isElsewhere: false } as const;
const failedElsewhere = { ...failed, isElsewhere: true };
const verified = { type: 'answer.verified' } as const;
const exhausted = { type: 'request.exhausted' } as const;
const partial = { type: 'request.partial' } as const;
const cancel = { type: 'request.cancel' } as const;
const stop = { type: 'request.stop' } as const;

const paths: Record<string, RetryEvent[]> = {
  preparing: [],
  attempting: [began],
  backingOff: [began, failed],
};

const table: [from: keyof typeof paths, event: RetryEvent, to: RetryState][] = [
  ['preparing', began, 'attempting'],
  ['preparing', failed, 'backingOff'],
  ['attempting', began, 'attempting'],
  ['attempting', failed, 'backingOff'],
  ['backingOff', began, 'backingOff'],
  ['backingOff', failed, 'backingOff'],
  ...Object.keys(paths).flatMap((from): [string, RetryEvent, RetryState][] => [
    [from, verified, 'succeeded'],
    [from, exhausted, 'failed'],
    [from, partial, 'partial'],
    [from, cancel, 'cancelled'],
    [from, stop, 'stopped'],
  ]),
];

describe.each([
  ['table', {}],
  ['actor', { inspect: machines.inspect }],
])('a retried request by %s', (_, ports) => {
  const start = (...events: readonly RetryEvent[]) => {
    const clock = new VirtualClock();
    const entered: string[] = [];
    const life = lifecycles(retryMachine, { clock, ...ports }).start(input, {
      id: 'r-1',
      onEnter: (state) => void entered.push(`${state} at ${clock.elapsed()}`),
      onEnd: (state) => void entered.push(`${state} at the end, at ${clock.elapsed()}`),
    });
    for (const event of events) life.send(event);
    return { clock, entered, life };
  };

  test.each(table)('that is %s goes with %o to %s', (from, event, to) => {
    const { life } = start(...paths[from]!);
    life.send(event);
    expect(life.state).toBe(to);
  });

  test.each(Object.keys(paths))('ends, however it is %s, when all of it took too long', async (from) => {
    const { clock, life } = start(...paths[from]!);
    if (from === 'backingOff') life.send(failed);
    await clock.runFor(999);
    expect(life.isActive).toBe(true);
    await clock.runFor(1);
    expect([life.state, clock.pending]).toEqual(['timedOut', 0]);
  });

  test('waits longer after each attempt, up to its limit, and tells each step', async () => {
    const { clock, entered, life } = start(began, failed);
    await clock.runFor(75);
    for (const event of [began, failed]) life.send(event);
    await clock.runFor(150);
    for (const event of [began, failed]) life.send(event);
    await clock.runFor(225);
    for (const event of [began, failed]) life.send(event);
    await clock.runFor(225);
    life.send(began);
    life.send(verified);
    expect(entered.filter((step) => !step.startsWith('attempting'))).toEqual([
      'backingOff at 0',
      'preparing at 75',
      'backingOff at 75',
      'preparing at 225',
      'backingOff at 225',
      'preparing at 450',
      'backingOff at 450',
      'preparing at 675',
      'succeeded at the end, at 675',
    ]);
    expect(clock.pending).toBe(0);
  });

  test('asks somebody else without waiting', async () => {
    const { clock, entered } = start(began, failedElsewhere);
    // The shortest timer there is.
    await clock.runFor(1);
    expect(entered).toEqual(['attempting at 0', 'backingOff at 0', 'preparing at 1']);
  });

  test('waits as long as the peer wants, and no other failure makes it longer', async () => {
    const { clock, life } = start(began, { ...failed, leastDelayMs: 400 });
    await clock.runFor(200);
    life.send(failed);
    await clock.runFor(249);
    expect(life.state).toBe('backingOff');
    await clock.runFor(1);
    expect(life.state).toBe('preparing');
  });

  test('fails over and over without an end of its own before its time is over', async () => {
    const { clock, life } = start();
    for (let attempt = 0; attempt < 200; attempt++) {
      life.send(began);
      life.send(failedElsewhere);
      await clock.runFor(1);
      expect(life.state).toBe('preparing');
    }
    await clock.runFor(1_000);
    expect(life.state).toBe('timedOut');
  });
});

test('a retried request knows which attempt it is, and how long the last wait was', () => {
  const clock = new SimulatedClock();
  const actor = createActor(retryMachine, { input, clock, inspect: machines.inspect }).start();
  const known = (): Partial<RetryContext> => {
    const { attempt, delayMs } = actor.getSnapshot().context;
    return { attempt, delayMs };
  };
  expect(known()).toEqual({ attempt: 1, delayMs: 0 });
  const failures = [failed, failed, failed, failedElsewhere, { ...failed, leastDelayMs: 800, chance: 0 }];
  const seen = failures.map((failure) => {
    clock.increment(actor.getSnapshot().context.delayMs);
    actor.send(began);
    actor.send(failure);
    return known();
  });
  // What fails meanwhile is no attempt.
  actor.send(failed);
  expect([...seen, known()]).toEqual([
    { attempt: 2, delayMs: 75 },
    { attempt: 3, delayMs: 150 },
    { attempt: 4, delayMs: 225 },
    { attempt: 5, delayMs: 0 },
    { attempt: 6, delayMs: 800 },
    { attempt: 6, delayMs: 800 },
  ]);
});

test('tests take every way that a retried request can go', () => {
  expect(machines.coverage(retryMachine).missed).toEqual([]);
});
