import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import {
  announcementMachine,
  type AnnouncementEvent,
  type AnnouncementInput,
  type AnnouncementResult,
} from './announcement.machine.ts';

const machines = recordFile();
const retry = { retryDelayMs: 1_000, maxRetryDelayMs: 30_000 };
const announcementIntervalMs = 30_000;
const [offering, empty] = [
  { hasOffers: true, tookMs: 0 },
  { hasOffers: false, tookMs: 0 },
];

function begin(given: Partial<AnnouncementInput> = {}) {
  const clock = createClock();
  const announce = new Controlled<AnnouncementResult>();
  const machine = announcementMachine.provide({ actors: { announce: announce.logic } });
  const input = { retry, announcementIntervalMs, seed: 5, ...given };
  const actor = createActor(machine, { input, clock, inspect: machines.inspect, id: 'announcement' });
  actor.start();
  return { actor, clock, announce };
}

type Harness = ReturnType<typeof begin>;

const send = (type: AnnouncementEvent['type']) => async (at: Harness) => {
  at.actor.send({ type });
  await settled();
};
const change = send('announcement.change');
const withdraw = send('announcement.withdraw');
const wait = (ms: number) => async (at: Harness) => {
  at.clock.increment(ms);
  await settled();
};
const tell = (result: AnnouncementResult) => async (at: Harness) => {
  await change(at);
  await at.announce.resolve(result);
};

/** How each state is reached. */
const given = {
  silent: () => settled(),
  announcing: change,
  pausing: tell(offering),
  fading: tell(empty),
  resting: async (at: Harness) => {
    await tell(offering)(at);
    await wait(200)(at);
  },
};

interface Row {
  readonly state: keyof typeof given;
  readonly act: string;
  readonly does: (at: Harness) => Promise<void>;
  readonly next: string;
}

const row = (state: Row['state'], act: string, does: Row['does']) => ({
  to: (next: string): Row => ({ state, act, does, next }),
});

const table = [
  row('silent', 'change', change).to('announcing'),
  row('silent', 'withdraw', withdraw).to('announcing'),
  row('silent', 'time', wait(10 * announcementIntervalMs)).to('silent'),
  row('announcing', 'told, and something is offered', (at) => at.announce.resolve(offering)).to('pausing'),
  row('announcing', 'told, and nothing is offered', (at) => at.announce.resolve(empty)).to('fading'),
  row('announcing', 'it broke', (at) => at.announce.reject()).to('pausing'),
  row('announcing', 'change', change).to('announcing'),
  row('announcing', 'withdraw', withdraw).to('announcing'),
  row('pausing', 'time', wait(200)).to('resting'),
  row('pausing', 'not enough time', wait(199)).to('pausing'),
  row('pausing', 'change', change).to('pausing'),
  row('pausing', 'withdraw', withdraw).to('announcing'),
  row('fading', 'time', wait(200)).to('silent'),
  row('fading', 'change', change).to('fading'),
  row('fading', 'withdraw', withdraw).to('announcing'),
  row('resting', 'time', wait(announcementIntervalMs - 200)).to('announcing'),
  row('resting', 'not enough time', wait(announcementIntervalMs * 0.8 - 201)).to('resting'),
  row('resting', 'change', change).to('announcing'),
  row('resting', 'withdraw', withdraw).to('announcing'),
];

describe('announcement', () => {
  it.each(table)('$state: $act → $next', async ({ state, does, next }) => {
    const at = begin();
    await given[state](at);
    expect(at.actor.getSnapshot().value).toBe(state);
    await does(at);
    expect(at.actor.getSnapshot().value).toBe(next);
    at.actor.stop();
  });

  it.each(['announcing', 'pausing', 'fading'] as const)(
    'tells what changes while it is %s after a pause, all of it at once',
    async (state) => {
      const at = begin();
      await given[state](at);
      await change(at);
      await change(at);
      if (state === 'announcing') await at.announce.resolve(offering);
      expect(at.announce.calls).toHaveLength(1);
      await wait(200)(at);
      expect(at.actor.getSnapshot().value).toBe('announcing');
      expect(at.announce.calls).toHaveLength(2);
      at.actor.stop();
    },
  );

  it('pauses longer the longer changes go on, up to 5 s, and shortly again after they end', async () => {
    const at = begin();
    await change(at);
    const pauses: number[] = [];
    for (let times = 0; times < 8; times++) {
      await at.announce.resolve(offering);
      await change(at);
      let pauseMs = 0;
      for (; at.actor.getSnapshot().value === 'pausing'; pauseMs += 100) await wait(100)(at);
      pauses.push(pauseMs);
    }
    expect(pauses).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    await at.announce.resolve(offering);
    await wait(5_000)(at);
    expect(at.actor.getSnapshot().value).toBe('resting');
    await tell(offering)(at);
    await wait(200)(at);
    expect(at.actor.getSnapshot().value).toBe('resting');
    at.actor.stop();
  });

  it('gives up what it is telling when something is taken back, and tells anew', async () => {
    const at = begin();
    await change(at);
    await withdraw(at);
    expect(at.announce.calls.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    at.actor.stop();
  });

  it('rests for a different time each time, and never beyond the interval, its pause included', async () => {
    const at = begin();
    const rests = new Set<number>();
    for (let times = 0; times < 200; times++) {
      await given.resting(at);
      rests.add(200 + at.actor.getSnapshot().context.delayMs);
    }
    expect(rests.size).toBeGreaterThan(150);
    expect(Math.max(...rests)).toBeLessThanOrEqual(announcementIntervalMs);
    expect(Math.min(...rests)).toBeGreaterThanOrEqual(0.8 * announcementIntervalMs);
    at.actor.stop();
  });

  it('announces without a rest when the pause was as long as the interval', async () => {
    const at = begin({ announcementIntervalMs: 1_000 });
    for (let times = 0; times < 6; times++) {
      await tell(offering)(at);
      await change(at);
      await wait(5_000)(at);
    }
    await at.announce.resolve(offering);
    await wait(5_000)(at);
    expect(at.actor.getSnapshot().context.delayMs).toBe(0);
    at.actor.stop();
  });

  it('keeps plain JSON as its context', async () => {
    const at = begin();
    await given.resting(at);
    const { context } = at.actor.getSnapshot();
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
    at.actor.stop();
  });

  it('leaves nothing behind when it is stopped, in any state', async () => {
    for (const reach of Object.values(given)) {
      const at = begin();
      await reach(at);
      at.actor.stop();
      expect(at.announce.open).toBe(0);
      const { length } = at.announce.calls;
      at.clock.increment(10 * announcementIntervalMs);
      expect(at.announce.calls).toHaveLength(length);
    }
  });

  it('needs its effect from the service', async () => {
    const input = { retry, announcementIntervalMs, seed: 5 };
    const actor = createActor(announcementMachine, {
      input,
      clock: createClock(),
      inspect: machines.inspect,
    });
    actor.start();
    actor.send({ type: 'announcement.change' });
    await settled();
    expect(actor.getSnapshot().value).toBe('pausing');
    actor.stop();
  });
});
