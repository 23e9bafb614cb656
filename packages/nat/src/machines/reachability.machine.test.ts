import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import {
  reachabilityMachine,
  type AskOutcome,
  type ReachabilityEmitted,
  type ReachabilityEvent,
} from './reachability.machine.ts';

const machines = recordFile();
const minuteMs = 60_000;

function begin() {
  const clock = createClock();
  const ask = new Controlled<AskOutcome>();
  const machine = reachabilityMachine.provide({ actors: { ask: ask.logic } });
  const input = { confidenceThreshold: 3, throttleIntervalMs: 10_000, seed: 5 };
  const actor = createActor(machine, { input, clock, inspect: machines.inspect, id: 'reachability' });
  const told: ReachabilityEmitted[] = [];
  actor.on('*', (event) => told.push(event));
  actor.start();
  return { actor, clock, ask, told };
}

type Harness = ReturnType<typeof begin>;
type Act = (at: Harness) => void;

const send =
  (...events: readonly ReachabilityEvent[]): Act =>
  ({ actor }) =>
    events.forEach((event) => actor.send(event));
const reached = (address = '/a'): ReachabilityEvent => ({ type: 'verdict.public', address });
const missed: ReachabilityEvent = { type: 'verdict.private' };
const moved = (address: string): ReachabilityEvent => ({ type: 'address.changed', address });
const disputed: ReachabilityEvent = { type: 'address.disputed' };
const changed: ReachabilityEvent = { type: 'network.changed' };
const wait =
  (ms: number): Act =>
  ({ clock }) =>
    clock.increment(ms);

/** The status, its confidence, and the address. */
function statusOf({ actor }: Harness): string {
  const { value, context } = actor.getSnapshot();
  return [value.status, context.confidence, context.address].join(' ').trim();
}

const stateOf = ({ actor }: Harness): unknown => actor.getSnapshot().value.probing;

interface Row {
  readonly given: Act;
  readonly act: Act;
  readonly next: string;
  /** How often anything was told in all. */
  readonly tells: number;
}

const nothing: Act = () => undefined;
const isPublic = send(reached());
const isSurelyPublic = send(reached(), reached(), reached());
const isPrivate = send(missed);
const isSurelyPrivate = send(missed, missed, missed);

const table: readonly (readonly [what: string, row: Row])[] = [
  ['unknown: reached', { given: nothing, act: isPublic, next: 'public 1 /a', tells: 1 }],
  ['unknown: not reached', { given: nothing, act: isPrivate, next: 'private 1', tells: 1 }],
  ['unknown: an address', { given: nothing, act: send(moved('/b')), next: 'unknown 0', tells: 0 }],
  ['unknown: time', { given: nothing, act: wait(60 * minuteMs), next: 'unknown 0', tells: 0 }],
  ['public: reached again', { given: isPublic, act: send(reached()), next: 'public 2 /a', tells: 1 }],
  ['public: reached often', { given: isSurelyPublic, act: send(reached()), next: 'public 3 /a', tells: 1 }],
  [
    'public: reached elsewhere',
    { given: isSurelyPublic, act: send(reached('/b')), next: 'public 3 /b', tells: 2 },
  ],
  ['public: elsewhere', { given: isPublic, act: send(moved('/b')), next: 'public 1 /b', tells: 2 }],
  ['public: at the same', { given: isPublic, act: send(moved('/a')), next: 'public 1 /a', tells: 1 }],
  [
    'public: two to the contrary',
    { given: isSurelyPublic, act: send(missed, missed), next: 'public 1 /a', tells: 1 },
  ],
  [
    'public: three to the contrary',
    { given: isSurelyPublic, act: send(missed, missed, missed), next: 'private 1', tells: 2 },
  ],
  [
    'public: two to the contrary, one for it, two again',
    {
      given: isSurelyPublic,
      act: send(missed, missed, reached(), missed, missed),
      next: 'public 1 /a',
      tells: 1,
    },
  ],
  ['public: disputed', { given: isSurelyPublic, act: send(disputed), next: 'unknown 0', tells: 2 }],
  ['private: disputed', { given: isPrivate, act: send(disputed), next: 'private 1', tells: 1 }],
  ['unknown: disputed', { given: nothing, act: send(disputed), next: 'unknown 0', tells: 0 }],
  ['public: time', { given: isPublic, act: wait(10 * minuteMs), next: 'unknown 0', tells: 2 }],
  [
    'public: time, and to the contrary',
    {
      given: isSurelyPublic,
      act: (at) => {
        wait(9 * minuteMs)(at);
        send(missed)(at);
        wait(minuteMs)(at);
      },
      next: 'unknown 0',
      tells: 2,
    },
  ],
  [
    'public: time, and reached',
    {
      given: isPublic,
      act: (at) => {
        wait(9 * minuteMs)(at);
        send(reached())(at);
        wait(9 * minuteMs)(at);
      },
      next: 'public 2 /a',
      tells: 1,
    },
  ],
  ['private: not reached again', { given: isPrivate, act: isPrivate, next: 'private 2', tells: 1 }],
  ['private: not reached often', { given: isSurelyPrivate, act: isPrivate, next: 'private 3', tells: 1 }],
  ['private: reached', { given: isPrivate, act: isPublic, next: 'public 1 /a', tells: 2 }],
  ['private: reached once of three', { given: isSurelyPrivate, act: isPublic, next: 'private 2', tells: 1 }],
  ['private: an address', { given: isPrivate, act: send(moved('/b')), next: 'private 1', tells: 1 }],
  ['private: time', { given: isPrivate, act: wait(10 * minuteMs), next: 'unknown 0', tells: 2 }],
];

describe('what a node knows of its reachability', () => {
  it.each(table)('%s', (_, { given, act, next, tells }) => {
    const at = begin();
    given(at);
    act(at);
    expect([statusOf(at), at.told.length]).toEqual([next, tells]);
    at.actor.stop();
    wait(60 * minuteMs)(at);
    expect(at.told).toHaveLength(tells);
  });

  it('is told as it is', () => {
    const at = begin();
    send(reached(), missed)(at);
    wait(10 * minuteMs)(at);
    expect(at.told).toEqual([
      { type: 'status.changed', status: 'public', address: '/a' },
      { type: 'status.changed', status: 'private', address: '' },
      { type: 'status.changed', status: 'unknown', address: '' },
    ]);
    at.actor.stop();
  });

  it('is less sure when less is wanted', () => {
    const at = begin();
    isSurelyPublic(at);
    const config = { confidenceThreshold: 1, throttleIntervalMs: 10_000 };
    send({ type: 'probing.configure', config })(at);
    expect(statusOf(at)).toBe('public 1 /a');
    send({ type: 'probing.configure', config: { ...config, confidenceThreshold: 9 } }, reached())(at);
    expect(statusOf(at)).toBe('public 2 /a');
    at.actor.stop();
  });
});

const outcome = (result: AskOutcome['result'], readyInMs = 0): AskOutcome => ({ result, readyInMs });

describe('a node that asks', () => {
  const pauses: readonly (readonly [
    what: string,
    given: Act,
    outcome: AskOutcome,
    min: number,
    max: number,
  ])[] = [
    ['unsure waits for its throttle', isPublic, outcome('over'), 10_000, 10_000],
    ['waits until somebody may be asked', isPublic, outcome('over', 15_000), 15_000, 15_000],
    ['sure waits five minutes', isSurelyPublic, outcome('over'), 270_000, 330_000],
    ['in a round goes on at once', nothing, outcome('more'), 1, 1],
    ['in a round goes on when it may', nothing, outcome('more', 700), 700, 700],
    ['without anybody waits five minutes', nothing, outcome('idle'), 270_000, 330_000],
    ['without an answer waits a second', nothing, outcome('silent'), 900, 1_100],
  ];
  it.each(pauses)('%s', async (...[, given, result, min, max]) => {
    const at = begin();
    expect(stateOf(at)).toBe('resting');
    wait(1)(at);
    expect(stateOf(at)).toBe('asking');
    given(at);
    await at.ask.resolve(result);
    expect(stateOf(at)).toBe('resting');
    wait(min - 1)(at);
    expect(stateOf(at)).toBe('resting');
    wait(max - min + 1)(at);
    expect(stateOf(at)).toBe('asking');
    at.actor.stop();
    await settled();
    expect(at.ask.open).toBe(0);
  });

  it('asks ever later whoever does not answer, and anew when one does', async () => {
    const at = begin();
    const pause = async (act: () => Promise<void>): Promise<number> => {
      if (stateOf(at) === 'resting') wait(at.actor.getSnapshot().context.pauseMs)(at);
      await act();
      return Math.round(at.actor.getSnapshot().context.pauseMs / 1_000);
    };
    const silent = (): Promise<void> => at.ask.resolve(outcome('silent'));
    const pausesS: number[] = [];
    for (let i = 0; i < 10; i++) pausesS.push(await pause(i % 2 === 0 ? silent : () => at.ask.reject()));
    expect(pausesS.slice(0, 4)).toEqual([1, 2, 4, 8]);
    expect(Math.max(...pausesS)).toBeLessThanOrEqual(300);
    expect(pausesS.at(-1)).toBeGreaterThanOrEqual(270);
    await pause(() => at.ask.resolve(outcome('over')));
    expect(await pause(silent)).toBe(1);
    at.actor.stop();
  });

  it('asks at once when something has changed, also while it asks', async () => {
    const at = begin();
    send(changed)(at);
    expect([stateOf(at), at.ask.calls.length]).toEqual(['asking', 1]);
    send(changed, changed)(at);
    await at.ask.resolve(outcome('idle'));
    wait(1)(at);
    expect([stateOf(at), at.ask.calls.length]).toEqual(['asking', 2]);
    await at.ask.resolve(outcome('idle'));
    wait(minuteMs)(at);
    expect([stateOf(at), at.ask.calls.length]).toEqual(['resting', 2]);
    at.actor.stop();
  });

  it('does not know what others say', () => {
    const at = begin();
    const acts = [nothing, isPublic, isPrivate, send(changed)];
    for (const act of acts) {
      act(at);
      const before = at.actor.getSnapshot();
      at.actor.send({ type: 'unheard.of' } as never);
      expect(at.actor.getSnapshot().value).toEqual(before.value);
    }
    at.actor.stop();
  });
});
