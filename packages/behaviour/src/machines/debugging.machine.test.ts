import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, test } from 'vitest';
import { createActor, SimulatedClock } from 'xstate';
import { debuggingMachine, type DebuggingEvent } from './debugging.machine.ts';

const machines = recordFile();

function begin() {
  const clock = new SimulatedClock();
  const actor = createActor(debuggingMachine, { id: 'debugging', clock, inspect: machines.inspect });
  const told: string[] = [];
  actor.on('*', ({ type }) => told.push(type));
  actor.start();
  return { actor, clock, told };
}

const enable = (intervalMs = 10_000): DebuggingEvent => ({ type: 'debugging.enable', intervalMs });
const disable: DebuggingEvent = { type: 'debugging.disable' };
const stop: DebuggingEvent = { type: 'debugging.stop' };

const toState = { off: [], on: [enable()], stopped: [stop] } satisfies Record<string, DebuggingEvent[]>;

describe('debug mode', () => {
  test.each<[keyof typeof toState, DebuggingEvent, string, string[]]>([
    ['off', enable(), 'on', ['debugging.enabled', 'report.due']],
    ['off', disable, 'off', []],
    ['off', stop, 'stopped', []],
    ['on', enable(), 'on', ['debugging.enabled', 'report.due']],
    ['on', disable, 'off', ['debugging.disabled']],
    ['on', stop, 'stopped', ['debugging.disabled']],
    ['stopped', disable, 'stopped', []],
  ])('%s: %o → %s, telling %o', (...[state, event, next, tells]) => {
    const { actor, told } = begin();
    for (const each of toState[state]) actor.send(each);
    told.length = 0;
    if (actor.getSnapshot().status === 'active') actor.send(event);
    expect(actor.getSnapshot().value).toBe(next);
    expect(told).toEqual(tells);
  });

  test('reports at once, and then after each interval', () => {
    const { actor, clock, told } = begin();
    actor.send(enable(5_000));
    expect(told.splice(0)).toEqual(['debugging.enabled', 'report.due']);
    clock.increment(4_999);
    expect(told).toEqual([]);
    clock.increment(1);
    clock.increment(5_000);
    expect(told).toEqual(['report.due', 'report.due']);
  });

  test('counts a new interval from when it is told of it', () => {
    const { actor, clock, told } = begin();
    actor.send(enable(5_000));
    clock.increment(4_000);
    actor.send(enable(3_000));
    told.length = 0;
    clock.increment(2_999);
    expect(told).toEqual([]);
    clock.increment(1);
    expect(told).toEqual(['report.due']);
  });

  test.each([disable, stop])('reports nothing after %o', (end) => {
    const { actor, clock, told } = begin();
    actor.send(enable(1_000));
    actor.send(end);
    told.length = 0;
    clock.increment(60_000);
    expect(told).toEqual([]);
  });
});
