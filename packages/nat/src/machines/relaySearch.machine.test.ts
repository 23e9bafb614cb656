import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import { relaySearchMachine, type RelaySearchEvent } from './relaySearch.machine.ts';

const machines = recordFile();

function begin() {
  const clock = createClock();
  const search = new Controlled<void>();
  const machine = relaySearchMachine.provide({ actors: { search: search.logic } });
  const actor = createActor(machine, {
    input: { seed: 5 },
    clock,
    inspect: machines.inspect,
    id: 'relaySearch',
  });
  actor.start();
  return { actor, clock, search };
}

type Harness = ReturnType<typeof begin>;
type Act = (at: Harness) => Promise<void>;

const send =
  (type: RelaySearchEvent['type']): Act =>
  async ({ actor }) => {
    actor.send({ type });
    await settled();
  };
const few = send('relays.few');
const enough = send('relays.enough');
const wait =
  (ms: number): Act =>
  async ({ clock }) => {
    clock.increment(ms);
    await settled();
  };
const pause: Act = async (at) => wait(at.actor.getSnapshot().context.delayMs)(at);
const found: Act = (at) => at.search.resolve();

const given = {
  enough: () => settled(),
  searching: few,
  resting: async (at: Harness) => {
    await few(at);
    await found(at);
  },
} satisfies Record<string, Act>;

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
  row('enough', 'too few', few).to('searching'),
  row('enough', 'enough', enough).to('enough'),
  row('enough', 'time', wait(600_000)).to('enough'),
  row('searching', 'done', found).to('resting'),
  row('searching', 'failed', (at) => at.search.reject()).to('resting'),
  row('searching', 'time', wait(10_000)).to('resting'),
  row('searching', 'too few', few).to('searching'),
  row('searching', 'enough', enough).to('enough'),
  row('resting', 'a pause', pause).to('searching'),
  row('resting', 'too few', few).to('resting'),
  row('resting', 'enough', enough).to('enough'),
];

describe('looking for relays', () => {
  it.each(table)('$state: $act → $next', async ({ state, does, next }) => {
    const at = begin();
    await given[state](at);
    expect(at.actor.getSnapshot().value).toBe(state);
    await does(at);
    expect(at.actor.getSnapshot().value).toBe(next);
    at.actor.stop();
  });

  it('is done ever less often, every five minutes in the end', async () => {
    const at = begin();
    await few(at);
    const pauses: number[] = [];
    for (let searches = 0; searches < 10; searches++) {
      await found(at);
      pauses.push(at.actor.getSnapshot().context.delayMs);
      await pause(at);
    }
    expect(pauses[0]).toBeLessThanOrEqual(5_500);
    for (const last of pauses.slice(-3)) expect(last).toBeGreaterThanOrEqual(270_000);
    at.actor.stop();
  });

  it('waits when there were enough for a moment only, and is done at once when it was for a minute', async () => {
    const at = begin();
    await given.resting(at);
    await enough(at);
    await few(at);
    expect(at.actor.getSnapshot().value).toBe('resting');
    await enough(at);
    await wait(30_000)(at);
    await enough(at);
    await wait(30_000)(at);
    await few(at);
    expect(at.actor.getSnapshot().value).toBe('searching');
    at.actor.stop();
  });

  it('leaves nothing behind when it is stopped, in any state', async () => {
    for (const reach of Object.values(given)) {
      const at = begin();
      await reach(at);
      at.actor.stop();
      expect(at.search.open).toBe(0);
      const { length } = at.search.calls;
      at.clock.increment(3_600_000);
      expect(at.search.calls).toHaveLength(length);
    }
  });

  it('needs its effect from the service', async () => {
    const actor = createActor(relaySearchMachine, { input: { seed: 5 }, clock: createClock() });
    actor.start();
    actor.send({ type: 'relays.few' });
    await settled();
    expect(actor.getSnapshot().value).toBe('resting');
    actor.stop();
  });
});
