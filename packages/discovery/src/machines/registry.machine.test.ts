import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import { registryMachine, type RegistryEvent, type SweepResult } from './registry.machine.ts';

const machines = recordFile();
const retry = { retryDelayMs: 1_000, maxRetryDelayMs: 30_000 };
const announcementIntervalMs = 30_000;

function begin() {
  const clock = createClock();
  const sweep = new Controlled<SweepResult>();
  const machine = registryMachine.provide({ actors: { sweep: sweep.logic } });
  const input = { retry, announcementIntervalMs, seed: 7 };
  const actor = createActor(machine, { input, clock, inspect: machines.inspect, id: 'registry' });
  actor.start();
  return { actor, clock, sweep };
}

type Harness = ReturnType<typeof begin>;
type Act = (at: Harness) => Promise<void>;

const send =
  (type: RegistryEvent['type']): Act =>
  async (at) => {
    at.actor.send({ type });
    await settled();
  };
const open = send('registry.open');
const close = send('registry.close');
const peersFound = send('peers.found');
const wait =
  (ms: number): Act =>
  async (at) => {
    at.clock.increment(ms);
    await settled();
  };
const finds =
  (found: number): Act =>
  (at) =>
    at.sweep.resolve({ found });
const breaks: Act = (at) => at.sweep.reject();
const inTurn =
  (...acts: readonly Act[]): Act =>
  async (at) => {
    for (const act of acts) await act(at);
  };

/** How each state is reached. */
const given = {
  closed: () => settled(),
  sweeping: open,
  resting: inTurn(open, finds(2)),
  backingOff: inTurn(open, breaks),
};

interface Row {
  readonly state: keyof typeof given;
  readonly act: string;
  readonly does: Act;
  readonly next: string;
}

const row = (state: Row['state'], act: string, does: Act) => ({
  to: (next: string): Row => ({ state, act, does, next }),
});

const table = [
  row('closed', 'open', open).to('sweeping'),
  row('closed', 'close', close).to('closed'),
  row('closed', 'peers were found', peersFound).to('closed'),
  row('closed', 'time', wait(10 * announcementIntervalMs)).to('closed'),
  row('sweeping', 'somebody was found', finds(1)).to('resting'),
  row('sweeping', 'nobody was found', finds(0)).to('resting'),
  row('sweeping', 'nobody was found, and peers since', inTurn(peersFound, finds(0))).to('sweeping'),
  row('sweeping', 'somebody was found, and peers since', inTurn(peersFound, finds(1))).to('resting'),
  row('sweeping', 'it broke', breaks).to('backingOff'),
  row('sweeping', 'open again', open).to('sweeping'),
  row('sweeping', 'close', close).to('closed'),
  row('resting', 'time', wait(announcementIntervalMs * 1.1)).to('sweeping'),
  row('resting', 'not enough time', wait(announcementIntervalMs * 0.9 - 1)).to('resting'),
  row('resting', 'peers were found', peersFound).to('resting'),
  row('resting', 'close', close).to('closed'),
  row('backingOff', 'time', wait(1_100)).to('sweeping'),
  row('backingOff', 'not enough time', wait(899)).to('backingOff'),
  row('backingOff', 'peers were found', peersFound).to('sweeping'),
  row('backingOff', 'close', close).to('closed'),
];

describe('registry', () => {
  it.each(table)('$state: $act → $next', async ({ state, does, next }) => {
    const at = begin();
    await given[state](at);
    expect(at.actor.getSnapshot().value).toBe(state);
    await does(at);
    expect(at.actor.getSnapshot().value).toBe(next);
    at.actor.stop();
  });

  it('looks again at once when peers are found after a sweep that found nobody', async () => {
    const at = begin();
    await inTurn(open, finds(0), peersFound)(at);
    expect(at.actor.getSnapshot().value).toBe('sweeping');
    expect(at.sweep.calls).toHaveLength(2);
    at.actor.stop();
  });

  it('never runs two sweeps at a time, and ends the one that is under way when it is closed', async () => {
    const at = begin();
    await inTurn(open, open, peersFound, wait(10 * announcementIntervalMs))(at);
    expect(at.sweep.calls).toHaveLength(1);
    await close(at);
    expect(at.sweep.last.signal.aborted).toBe(true);
    await open(at);
    expect(at.sweep.open).toBe(1);
    at.actor.stop();
  });

  it('waits longer after each failure in a row, and as at first after it was closed or a sweep worked', async () => {
    const at = begin();
    await inTurn(open, breaks, wait(1_100), breaks)(at);
    expect(at.actor.getSnapshot().context.attempt).toBe(2);
    await wait(1_799)(at);
    expect(at.sweep.calls).toHaveLength(2);
    await inTurn(close, open, breaks)(at);
    expect(at.actor.getSnapshot().context.attempt).toBe(1);
    await inTurn(wait(1_100), finds(1))(at);
    expect(at.actor.getSnapshot().context.attempt).toBe(0);
    at.actor.stop();
  });

  it('rests for a different time each time, within a tenth', async () => {
    const at = begin();
    await open(at);
    const rests = new Set<number>();
    for (let times = 0; times < 5; times++) {
      await finds(1)(at);
      rests.add(at.actor.getSnapshot().context.delayMs);
      await wait(announcementIntervalMs * 1.1)(at);
    }
    expect(rests.size).toBe(5);
    for (const rest of rests) expect(Math.abs(rest - announcementIntervalMs)).toBeLessThanOrEqual(3_000);
    at.actor.stop();
  });

  it('keeps plain JSON as its context', () => {
    const { actor } = begin();
    const { context } = actor.getSnapshot();
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
    actor.stop();
  });

  it('leaves nothing behind when it is stopped, in any state', async () => {
    for (const reach of Object.values(given)) {
      const at = begin();
      await reach(at);
      at.actor.stop();
      expect(at.sweep.open).toBe(0);
      const { length } = at.sweep.calls;
      at.clock.increment(10 * announcementIntervalMs);
      expect(at.sweep.calls).toHaveLength(length);
    }
  });

  it('needs its effect from the service', async () => {
    const input = { retry, announcementIntervalMs, seed: 7 };
    const actor = createActor(registryMachine, { input, clock: createClock(), inspect: machines.inspect });
    actor.start();
    actor.send({ type: 'registry.open' });
    await settled();
    expect(actor.getSnapshot().value).toBe('backingOff');
    actor.stop();
  });
});
