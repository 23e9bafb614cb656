import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import { deadPeerMachine, type DeadPeerDial } from './deadPeer.machine.ts';

const machines = recordFile();
const input = { peerId: 'peer-1', graceMs: 30_000 };

function begin() {
  const clock = createClock();
  const check = new Controlled<boolean, { readonly peerId: string }>();
  const dial = new Controlled<DeadPeerDial, { readonly peerId: string }>();
  const remove = new Controlled<void, { readonly peerId: string }>();
  const machine = deadPeerMachine.provide({
    actors: { check: check.logic, dial: dial.logic, remove: remove.logic },
  });
  const actor = createActor(machine, { input, clock, inspect: machines.inspect, id: 'deadPeer:peer-1' });
  actor.start();
  return { actor, clock, check, dial, remove };
}

type Harness = ReturnType<typeof begin>;

const returned = async (at: Harness): Promise<void> => {
  at.actor.send({ type: 'peer.returned' });
  await settled();
};
const wait = (ms: number) => async (at: Harness) => {
  at.clock.increment(ms);
  await settled();
};

/** How each state is reached. */
const given = {
  checking: () => settled(),
  waiting: (at: Harness) => at.check.resolve(true),
  dialing: async (at: Harness) => {
    await given.waiting(at);
    await wait(30_000)(at);
  },
  removing: async (at: Harness) => {
    await given.dialing(at);
    await at.dial.resolve('unreachable');
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
  row('checking', 'it is in the table', (at) => at.check.resolve(true)).to('waiting'),
  row('checking', 'it is not', (at) => at.check.resolve(false)).to('kept'),
  row('checking', 'it fails', (at) => at.check.reject()).to('kept'),
  row('checking', 'returned', returned).to('kept'),
  row('checking', 'time', wait(60_000)).to('checking'),
  row('waiting', 'time', wait(30_000)).to('dialing'),
  row('waiting', 'not enough time', wait(29_999)).to('waiting'),
  row('waiting', 'returned', returned).to('kept'),
  row('dialing', 'it answers', (at) => at.dial.resolve('reached')).to('kept'),
  row('dialing', 'it does not', (at) => at.dial.resolve('unreachable')).to('removing'),
  row('dialing', 'nobody is there', (at) => at.dial.resolve('alone')).to('waiting'),
  row('dialing', 'it fails', (at) => at.dial.reject()).to('waiting'),
  row('dialing', 'returned', returned).to('kept'),
  row('removing', 'it is done', (at) => at.remove.resolve(undefined)).to('removed'),
  row('removing', 'it fails', (at) => at.remove.reject()).to('kept'),
  row('removing', 'returned', returned).to('kept'),
];

describe('a dead peer', () => {
  it.each(table)('$state: $act → $next', async ({ state, does, next }) => {
    const at = begin();
    await given[state](at);
    expect(at.actor.getSnapshot().value).toBe(state);
    await does(at);
    expect(at.actor.getSnapshot().value).toBe(next);
    at.actor.stop();
  });

  it('is given time again when it was not it who was gone', async () => {
    const at = begin();
    await given.dialing(at);
    await at.dial.resolve('alone');
    await wait(29_999)(at);
    expect(at.dial.calls.length).toBe(1);
    await wait(1)(at);
    expect(at.dial.calls.length).toBe(2);
    at.actor.stop();
  });

  it('is named to every effect', async () => {
    const at = begin();
    await given.removing(at);
    for (const effect of [at.check, at.dial, at.remove])
      expect(effect.last.input).toEqual({ peerId: 'peer-1' });
    at.actor.stop();
  });

  it('that returns is not dialled any more', async () => {
    const at = begin();
    await given.dialing(at);
    await returned(at);
    expect(at.dial.open).toBe(0);
    expect(at.actor.getSnapshot().status).toBe('done');
  });

  it('keeps plain JSON as its context', async () => {
    const at = begin();
    await given.removing(at);
    const { context } = at.actor.getSnapshot();
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
    at.actor.stop();
  });

  it('leaves nothing behind when it is stopped, in any state', async () => {
    for (const reach of Object.values(given)) {
      const at = begin();
      await reach(at);
      at.actor.stop();
      expect(at.check.open + at.dial.open + at.remove.open).toBe(0);
      at.clock.increment(600_000);
      expect(at.dial.open).toBe(0);
    }
  });

  it('needs its effects from the service', async () => {
    const { check, dial, remove } = deadPeerMachine.implementations.actors as Record<
      string,
      Parameters<typeof createActor>[0]
    >;
    for (const effect of [check, dial, remove]) {
      const bare = createActor(effect!, { input: { peerId: 'peer-1' } });
      bare.subscribe({ error: () => {} });
      bare.start();
      await settled();
      expect(bare.getSnapshot()).toMatchObject({ status: 'error' });
    }
  });
});
