import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { TestClock } from '../../test/machines.ts';
import { samplerMachine } from './sampler.machine.ts';

const machines = recordFile();

function begin() {
  const clock = new TestClock();
  const input = { sampleIntervalMs: 1_000, rateWindowMs: 3_000 };
  const actor = createActor(samplerMachine, { clock, inspect: machines.inspect, id: 'sampler', input });
  let asked = 0;
  actor.on('sample.due', () => {
    asked++;
    actor.send({ type: 'sample.taken', sample: { at: clock.now(), bytesIn: asked, bytesOut: 0 } });
  });
  actor.start();
  const times = () => actor.getSnapshot().context.samples.map(({ at }) => at);
  return { actor, clock, asked: () => asked, times };
}

describe('the sampler', () => {
  it('asks for nothing before it is started', () => {
    const { actor, clock, asked } = begin();
    clock.increment(10_000);
    actor.send({ type: 'sampler.stop' });
    expect(asked()).toBe(0);
    expect(actor.getSnapshot().value).toBe('resting');
    actor.stop();
  });

  it('takes a sample at once, and one each interval', () => {
    const { actor, clock, times } = begin();
    actor.send({ type: 'sampler.start' });
    expect(times()).toEqual([0]);
    clock.increment(999);
    expect(times()).toEqual([0]);
    clock.increment(1);
    clock.increment(1_000);
    expect(times()).toEqual([0, 1_000, 2_000]);
    actor.stop();
  });

  it('keeps as many as its window needs, however long it runs', () => {
    const { actor, clock, times } = begin();
    actor.send({ type: 'sampler.start' });
    for (let second = 0; second < 100; second++) clock.increment(1_000);
    expect(times()).toEqual([97_000, 98_000, 99_000, 100_000]);
    actor.stop();
  });

  it('does not begin anew when it is started twice', () => {
    const { actor, clock, times } = begin();
    actor.send({ type: 'sampler.start' });
    clock.increment(600);
    actor.send({ type: 'sampler.start' });
    clock.increment(400);
    expect(times()).toEqual([0, 1_000]);
    actor.stop();
  });

  it('forgets everything when it is stopped, and can be started again', () => {
    const { actor, clock, asked, times } = begin();
    actor.send({ type: 'sampler.start' });
    clock.increment(1_000);
    actor.send({ type: 'sampler.stop' });
    expect(times()).toEqual([]);
    clock.increment(10_000);
    actor.send({ type: 'sample.taken', sample: { at: 0, bytesIn: 0, bytesOut: 0 } });
    expect(times()).toEqual([]);
    expect(asked()).toBe(2);
    actor.send({ type: 'sampler.start' });
    expect(times()).toEqual([11_000]);
    actor.stop();
    clock.increment(10_000);
    expect(asked()).toBe(3);
  });
});
