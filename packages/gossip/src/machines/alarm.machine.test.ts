import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { createClock } from '../../test/machines.ts';
import { alarmMachine, type AlarmEmitted } from './alarm.machine.ts';

const machines = recordFile();

function begin() {
  const clock = createClock();
  const actor = createActor(alarmMachine, { clock, inspect: machines.inspect, id: 'alarm' });
  const told: AlarmEmitted[] = [];
  actor.on('*', (event) => told.push(event));
  actor.start();
  return { actor, clock, told };
}

describe('an alarm', () => {
  it('is raised by its first cause, and over 30 s after the last', () => {
    const { actor, clock, told } = begin();
    expect(actor.getSnapshot().value).toBe('quiet');
    actor.send({ type: 'alarm.cause' });
    expect(actor.getSnapshot().value).toBe('raised');
    clock.increment(29_999);
    actor.send({ type: 'alarm.cause' });
    clock.increment(29_999);
    expect(actor.getSnapshot().value).toBe('raised');
    clock.increment(1);
    expect(actor.getSnapshot().value).toBe('quiet');
    expect(told).toEqual([{ type: 'alarm.raised' }, { type: 'alarm.over' }]);
    actor.stop();
  });

  it('can be raised again', () => {
    const { actor, clock, told } = begin();
    actor.send({ type: 'alarm.cause' });
    clock.increment(30_000);
    actor.send({ type: 'alarm.cause' });
    expect(told.map(({ type }) => type)).toEqual(['alarm.raised', 'alarm.over', 'alarm.raised']);
    actor.stop();
  });

  it('tells nothing more when it is stopped', () => {
    const { actor, clock, told } = begin();
    actor.send({ type: 'alarm.cause' });
    actor.stop();
    clock.increment(60_000);
    expect(told).toEqual([{ type: 'alarm.raised' }]);
  });
});
