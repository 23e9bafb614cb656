import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import type { PublishResult, PublishTask } from '../internal/publishing.ts';
import {
  advertisementMachine,
  type AdvertisementEmitted,
  type AdvertisementEvent,
} from './advertisement.machine.ts';

const machines = recordFile();
const keys = ['role', 'a', 'b'];
const retry = { retryDelayMs: 1_000, maxRetryDelayMs: 30_000 };
const republishIntervalMs = 60_000;

const nothing: PublishResult = { published: [], takers: 0, retired: [], problem: 'NO_PEERS' };
const everything: PublishResult = { published: keys, takers: 20, retired: [], problem: undefined };

function begin(republishMs = republishIntervalMs) {
  const clock = createClock();
  const publish = new Controlled<PublishResult, PublishTask>();
  const retire = new Controlled<unknown, { readonly keys: readonly string[] }>();
  const machine = advertisementMachine.provide({ actors: { publish: publish.logic, retire: retire.logic } });
  const input = { keys, retry, republishIntervalMs: republishMs, seed: 1 };
  const actor = createActor(machine, {
    input,
    clock,
    inspect: machines.inspect,
    id: 'advertisement:executor',
  });
  const told: AdvertisementEmitted[] = [];
  actor.on('*', (event) => told.push(event));
  actor.start();
  const send = async (event: AdvertisementEvent): Promise<void> => {
    actor.send(event);
    await settled();
  };
  return { actor, clock, publish, retire, told, send };
}

type Harness = ReturnType<typeof begin>;

/** How each state is reached. */
const given = {
  publishing: () => settled(),
  published: (at: Harness) => at.publish.resolve(everything),
  backingOff: (at: Harness) => at.publish.resolve(nothing),
  'backingOff after a failure': (at: Harness) => at.publish.reject(),
  withdrawing: (at: Harness) => at.send({ type: 'advertisement.withdraw' }),
  'withdrawing and offered again': async (at: Harness) => {
    await at.send({ type: 'advertisement.withdraw' });
    await at.send({ type: 'advertisement.update', keys });
  },
  withdrawn: async (at: Harness) => {
    await at.send({ type: 'advertisement.withdraw' });
    await at.retire.resolve([]);
  },
};

const update =
  (next: readonly string[] = ['role', 'b', 'c']) =>
  (at: Harness) =>
    at.send({ type: 'advertisement.update', keys: next });
const republish = (at: Harness) => at.send({ type: 'advertisement.republish' });
const withdraw = (at: Harness) => at.send({ type: 'advertisement.withdraw' });
const findPeers = (at: Harness) => at.send({ type: 'peers.found' });
const wait = (ms: number) => async (at: Harness) => {
  at.clock.increment(ms);
  await settled();
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
  row('publishing', 'everything is taken', (at) => at.publish.resolve(everything)).to('published'),
  row('publishing', 'a key is missing', (at) => at.publish.resolve({ ...everything, published: ['a'] })).to(
    'backingOff',
  ),
  row('publishing', 'it fails', (at) => at.publish.reject()).to('backingOff'),
  row('publishing', 'update', update()).to('publishing'),
  row('publishing', 'republish', republish).to('publishing'),
  row('publishing', 'withdraw', withdraw).to('withdrawing'),
  row('publishing', 'peers found', findPeers).to('publishing'),
  row('published', 'time', wait(republishIntervalMs * 1.1)).to('publishing'),
  row('published', 'not enough time', wait(republishIntervalMs * 0.9 - 1)).to('published'),
  row('published', 'update to other keys', update()).to('publishing'),
  row('published', 'update to the same keys', update([...keys].toReversed())).to('published'),
  row('published', 'republish', republish).to('publishing'),
  row('published', 'withdraw', withdraw).to('withdrawing'),
  row('published', 'peers found', findPeers).to('published'),
  row('backingOff', 'time', wait(1_100)).to('publishing'),
  row('backingOff', 'not enough time', wait(899)).to('backingOff'),
  row('backingOff', 'peers found', findPeers).to('publishing'),
  row('backingOff after a failure', 'peers found', findPeers).to('backingOff'),
  row('backingOff', 'update', update()).to('publishing'),
  row('backingOff', 'republish', republish).to('publishing'),
  row('backingOff', 'withdraw', withdraw).to('withdrawing'),
  row('withdrawing', 'taken back', (at) => at.retire.resolve([])).to('withdrawn'),
  row('withdrawing', 'it fails', (at) => at.retire.reject()).to('withdrawn'),
  row('withdrawing', 'update', update()).to('withdrawing'),
  row('withdrawing', 'republish', republish).to('withdrawing'),
  row('withdrawing', 'withdraw', withdraw).to('withdrawing'),
  row('withdrawing and offered again', 'taken back', (at) => at.retire.resolve([])).to('publishing'),
  row('withdrawing and offered again', 'it fails', (at) => at.retire.reject()).to('publishing'),
  row('withdrawn', 'time', wait(republishIntervalMs * 2)).to('withdrawn'),
];

describe('advertisement', () => {
  it.each(table)('$state: $act → $next', async ({ state, does, next }) => {
    const at = begin();
    await given[state](at);
    expect(at.actor.getSnapshot().value).toBe(state.split(' ')[0]);
    await does(at);
    expect(at.actor.getSnapshot().value).toBe(next);
    at.actor.stop();
  });

  it('asks only for the keys that are missing', async () => {
    const at = begin();
    await at.publish.resolve({ published: ['a'], takers: 20, retired: [], problem: 'TIMEOUT' });
    expect(at.told).toEqual([
      { type: 'advertisement.retrying', problem: 'TIMEOUT', delayMs: expect.any(Number) as number },
    ]);
    await wait(1_100)(at);
    expect(at.publish.last.input).toEqual({ keys: ['role', 'b'], retired: [] });
    await at.publish.resolve({ published: ['role', 'b'], takers: 20, retired: [], problem: undefined });
    expect(at.actor.getSnapshot().value).toBe('published');
    expect(at.told.at(-1)).toEqual({ type: 'advertisement.published' });
    at.actor.stop();
  });

  it('retires keys that an update drops, also those whose publication was interrupted', async () => {
    const at = begin();
    await update(['role', 'b', 'c'])(at);
    expect(at.publish.calls[0]?.signal.aborted).toBe(true);
    expect(at.publish.last.input).toEqual({ keys: ['role', 'b', 'c'], retired: ['a'] });
    await at.publish.resolve({ published: ['role', 'b', 'c'], takers: 20, retired: [], problem: undefined });
    // It did not work the first time: the next publication tries again.
    await republish(at);
    expect(at.publish.last.input).toEqual({ keys: ['role', 'b', 'c'], retired: ['a'] });
    await at.publish.resolve({
      published: ['role', 'b', 'c'],
      takers: 20,
      retired: ['a'],
      problem: undefined,
    });
    await withdraw(at);
    expect(at.retire.last.input).toEqual({ keys: ['role', 'b', 'c'] });
    at.actor.stop();
  });

  it('waits longer with each failure, up to the maximum, and begins again after a success', async () => {
    const at = begin();
    const delays: number[] = [];
    for (let failures = 0; failures < 8; failures++) {
      await at.publish.resolve(nothing);
      const told = at.told.at(-1);
      const delayMs = told?.type === 'advertisement.retrying' ? told.delayMs : Number.NaN;
      delays.push(delayMs);
      await wait(delayMs)(at);
    }
    for (const [index, delayMs] of delays.entries()) {
      const nominal = Math.min(30_000, 1_000 * 2 ** index);
      expect(delayMs).toBeGreaterThanOrEqual(nominal * 0.9);
      expect(delayMs).toBeLessThanOrEqual(Math.min(30_000, nominal * 1.1));
    }
    await at.publish.resolve(everything);
    expect(at.actor.getSnapshot().context.attempt).toBe(0);
    at.actor.stop();
  });

  describe('where few peers have taken a key', () => {
    const intervalMs = 1_200_000;
    const soonMs = 300_000;
    const soon = async (at: Harness): Promise<boolean> => {
      await wait(1.1 * soonMs)(at);
      return at.actor.getSnapshot().value === 'publishing';
    };

    it.each([
      [1, true],
      [7, true],
      [8, false],
      [20, false],
    ])('publishes again soon: %s peers, %s', async (takers, isSoon) => {
      const at = begin(intervalMs);
      await at.publish.resolve({ ...everything, takers });
      expect(await soon(at)).toBe(isSoon);
      at.actor.stop();
    });

    it('counts what a retry publishes together with what was published before it', async () => {
      const at = begin(intervalMs);
      await at.publish.resolve({ published: ['a'], takers: 2, retired: [], problem: 'TIMEOUT' });
      await wait(1_100)(at);
      await at.publish.resolve({ published: ['role', 'b'], takers: 20, retired: [], problem: undefined });
      expect(await soon(at)).toBe(true);
      await at.publish.resolve(everything);
      expect(await soon(at)).toBe(false);
      at.actor.stop();
    });

    it('publishes again soon also after an update that only drops keys', async () => {
      const at = begin(intervalMs);
      await at.publish.resolve({ ...everything, takers: 2 });
      await update(['role', 'a'])(at);
      await at.publish.resolve({ published: [], takers: 0, retired: ['b'], problem: undefined });
      expect(at.actor.getSnapshot().value).toBe('published');
      expect(await soon(at)).toBe(true);
      at.actor.stop();
    });
  });

  it('offers again only what was offered last while it was withdrawn', async () => {
    const at = begin();
    await withdraw(at);
    await update(['role', 'x'])(at);
    await at.retire.resolve([]);
    expect(at.told).toEqual([{ type: 'advertisement.withdrawn' }]);
    expect(at.publish.last.input).toEqual({ keys: ['role', 'x'], retired: [] });
    at.actor.stop();
  });

  it('keeps plain JSON as its context', async () => {
    const at = begin();
    await at.publish.resolve(nothing);
    const { context } = at.actor.getSnapshot();
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
    at.actor.stop();
  });

  it('leaves nothing behind when it is stopped, in any state', async () => {
    for (const reach of Object.values(given)) {
      const at = begin();
      await reach(at);
      at.actor.stop();
      expect(at.publish.open + at.retire.open).toBe(0);
      const { length } = at.publish.calls;
      at.clock.increment(10 * republishIntervalMs);
      expect(at.publish.calls).toHaveLength(length);
    }
  });

  it('needs its effects from the service', async () => {
    const input = { keys, retry, republishIntervalMs, seed: 1 };
    const actor = createActor(advertisementMachine, {
      input,
      clock: createClock(),
      inspect: machines.inspect,
    });
    actor.start();
    await settled();
    expect(actor.getSnapshot().value).toBe('backingOff');
    actor.send({ type: 'advertisement.withdraw' });
    await settled();
    expect(actor.getSnapshot().status).toBe('done');
  });
});
