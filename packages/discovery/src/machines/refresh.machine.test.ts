import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import { refreshMachine, type RefreshEmitted, type RefreshResult } from './refresh.machine.ts';

const machines = recordFile();
const retry = { retryDelayMs: 1_000, maxRetryDelayMs: 30_000 };
const discoveryIntervalMs = 300_000;

function begin() {
  const clock = createClock();
  const query = new Controlled<RefreshResult>();
  const machine = refreshMachine.provide({ actors: { query: query.logic } });
  const input = { retry, discoveryIntervalMs, seed: 7 };
  const actor = createActor(machine, { input, clock, inspect: machines.inspect, id: 'refresh' });
  const told: RefreshEmitted[] = [];
  actor.on('*', (event) => told.push(event));
  actor.start();
  return { actor, clock, query, told };
}

type Harness = ReturnType<typeof begin>;

const run = async (at: Harness): Promise<void> => {
  at.actor.send({ type: 'refresh.run' });
  await settled();
};
const wait = (ms: number) => async (at: Harness) => {
  at.clock.increment(ms);
  await settled();
};

/** How each state is reached. */
const given = {
  resting: () => settled(),
  querying: run,
  backingOff: async (at: Harness) => {
    await run(at);
    await at.query.resolve({ asked: 2, failed: 2 });
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
  row('resting', 'time', wait(discoveryIntervalMs * 1.1)).to('querying'),
  row('resting', 'not enough time', wait(discoveryIntervalMs * 0.9 - 1)).to('resting'),
  row('resting', 'run', run).to('querying'),
  row('querying', 'everything worked', (at) => at.query.resolve({ asked: 2, failed: 0 })).to('resting'),
  row('querying', 'some failed', (at) => at.query.resolve({ asked: 2, failed: 1 })).to('resting'),
  row('querying', 'there was nothing to do', (at) => at.query.resolve({ asked: 0, failed: 0 })).to('resting'),
  row('querying', 'all failed', (at) => at.query.resolve({ asked: 2, failed: 2 })).to('backingOff'),
  row('querying', 'it broke', (at) => at.query.reject()).to('backingOff'),
  row('querying', 'run', run).to('querying'),
  row('backingOff', 'time', wait(1_100)).to('querying'),
  row('backingOff', 'not enough time', wait(899)).to('backingOff'),
  row('backingOff', 'run', run).to('querying'),
];

describe('refresh', () => {
  it.each(table)('$state: $act → $next', async ({ state, does, next }) => {
    const at = begin();
    await given[state](at);
    expect(at.actor.getSnapshot().value).toBe(state);
    await does(at);
    expect(at.actor.getSnapshot().value).toBe(next);
    at.actor.stop();
  });

  it('shares a refresh that is under way', async () => {
    const at = begin();
    await run(at);
    await run(at);
    expect(at.query.calls).toHaveLength(1);
    await at.query.resolve({ asked: 1, failed: 0 });
    expect(at.told).toEqual([{ type: 'refresh.done' }]);
    at.actor.stop();
  });

  it('rests for a different time each time, within a tenth', async () => {
    const at = begin();
    const rests = new Set<number>();
    for (let times = 0; times < 5; times++) {
      rests.add(at.actor.getSnapshot().context.delayMs);
      await run(at);
      await at.query.resolve({ asked: 1, failed: 0 });
    }
    expect(rests.size).toBe(5);
    for (const rest of rests) expect(Math.abs(rest - discoveryIntervalMs)).toBeLessThanOrEqual(30_000);
    at.actor.stop();
  });

  it('counts failures in a row until one works', async () => {
    const at = begin();
    await given.backingOff(at);
    await run(at);
    await at.query.reject();
    expect(at.actor.getSnapshot().context.attempt).toBe(2);
    await run(at);
    await at.query.resolve({ asked: 1, failed: 0 });
    expect(at.actor.getSnapshot().context.attempt).toBe(0);
    expect(at.told.map(({ type }) => type)).toEqual(['refresh.failed', 'refresh.failed', 'refresh.done']);
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
      expect(at.query.open).toBe(0);
      const { length } = at.query.calls;
      at.clock.increment(10 * discoveryIntervalMs);
      expect(at.query.calls).toHaveLength(length);
    }
  });

  it('needs its effect from the service', async () => {
    const input = { retry, discoveryIntervalMs, seed: 7 };
    const actor = createActor(refreshMachine, { input, clock: createClock(), inspect: machines.inspect });
    actor.start();
    actor.send({ type: 'refresh.run' });
    await settled();
    expect(actor.getSnapshot().value).toBe('backingOff');
    actor.stop();
  });
});
