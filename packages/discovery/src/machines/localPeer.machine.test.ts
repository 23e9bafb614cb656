import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import { localPeerMachine, type LocalPeerEmitted, type LocalPeerState } from './localPeer.machine.ts';

const machines = recordFile();
const localPeerTtlMs = 120_000;
const addresses = ['/ip4/192.168.1.7/tcp/4001'];
const others = ['/ip4/192.168.1.8/tcp/4001'];
const input = { peerId: 'peer-1', addresses, localPeerTtlMs };

function begin() {
  const clock = createClock();
  const join = new Controlled<boolean, { readonly addresses: readonly string[] }>();
  const machine = localPeerMachine.provide({ actors: { join: join.logic } });
  const actor = createActor(machine, { input, clock, inspect: machines.inspect, id: 'local peer' });
  const told: LocalPeerEmitted[] = [];
  actor.on('*', (event) => told.push(event));
  actor.start();
  return { actor, clock, join, told };
}

type Harness = ReturnType<typeof begin>;

const sight =
  (isConnected: boolean, at = addresses) =>
  async ({ actor }: Harness) => {
    actor.send({ type: 'peer.sighted', addresses: at, isConnected });
    await settled();
  };
const announce = sight(true);
const turn = async ({ actor }: Harness): Promise<void> => {
  actor.send({ type: 'peer.join' });
  await settled();
};
const wait =
  (ms: number) =>
  async ({ clock }: Harness) => {
    clock.increment(ms);
    await settled();
  };
const answer =
  (isMember: boolean) =>
  ({ join }: Harness) =>
    join.resolve(isMember);
const fail = ({ join }: Harness): Promise<void> => join.reject();

const reach =
  (...steps: readonly ((at: Harness) => Promise<void>)[]) =>
  async (at: Harness) => {
    for (const step of steps) await step(at);
  };

/** How each state is reached. */
const given: Record<LocalPeerState, (at: Harness) => Promise<void>> = {
  sighted: () => settled(),
  joining: turn,
  present: reach(turn, answer(true)),
  settled: reach(turn, answer(true), wait(30_000)),
  stranger: reach(turn, answer(false)),
  rested: reach(turn, answer(false), wait(30_000)),
  expired: wait(localPeerTtlMs),
};

interface Row {
  readonly state: LocalPeerState;
  readonly act: string;
  readonly does: (at: Harness) => Promise<void>;
  readonly next: LocalPeerState;
}

const row = (state: Row['state'], act: string, does: Row['does']) => ({
  to: (next: LocalPeerState): Row => ({ state, act, does, next }),
});

const table = [
  row('sighted', 'its turn', turn).to('joining'),
  row('sighted', 'announced', announce).to('sighted'),
  row('sighted', 'not enough silence', wait(localPeerTtlMs - 1)).to('sighted'),
  row('sighted', 'silence', wait(localPeerTtlMs)).to('expired'),
  row('joining', 'it takes part', answer(true)).to('present'),
  row('joining', 'it does not take part', answer(false)).to('stranger'),
  row('joining', 'it does not answer', fail).to('stranger'),
  row('joining', 'announced', announce).to('joining'),
  row('joining', 'its turn', turn).to('joining'),
  row('joining', 'silence', wait(localPeerTtlMs)).to('expired'),
  row('present', 'not enough time', wait(29_999)).to('present'),
  row('present', 'time', wait(30_000)).to('settled'),
  row('present', 'announced without a connection', sight(false)).to('present'),
  row('settled', 'announced', announce).to('settled'),
  row('settled', 'announced without a connection', sight(false)).to('sighted'),
  row('settled', 'silence', wait(localPeerTtlMs - 30_000)).to('expired'),
  row('stranger', 'announced', announce).to('stranger'),
  row('stranger', 'not enough time', wait(29_999)).to('stranger'),
  row('stranger', 'time', wait(30_000)).to('rested'),
  row('rested', 'announced', announce).to('sighted'),
  row('rested', 'its turn', turn).to('rested'),
  row('rested', 'silence', wait(localPeerTtlMs - 30_000)).to('expired'),
  row('present', 'silence', reach(announce, wait(30_000), wait(localPeerTtlMs - 30_000))).to('expired'),
];

describe('a local peer', () => {
  it.each(table)('$state: $act → $next', async ({ state, does, next }) => {
    const at = begin();
    await given[state](at);
    expect(at.actor.getSnapshot().value).toBe(state);
    await does(at);
    expect(at.actor.getSnapshot().value).toBe(next);
    at.actor.stop();
  });

  it('is told as found once, and as expired when it has been silent for too long', async () => {
    const at = begin();
    await given.settled(at);
    await reach(sight(false), turn, answer(true), wait(localPeerTtlMs))(at);
    expect(at.told).toEqual([{ type: 'peer.found', addresses }, { type: 'peer.expired' }]);
    expect(at.actor.getSnapshot().status).toBe('done');
  });

  it('is never told as expired when it was not told as found', async () => {
    for (const state of ['sighted', 'joining', 'stranger', 'rested'] as const) {
      const at = begin();
      await given[state](at);
      await wait(localPeerTtlMs)(at);
      expect([state, at.actor.getSnapshot().value, at.told]).toEqual([state, 'expired', []]);
    }
  });

  it('expires also when it cannot be dialled again', async () => {
    const at = begin();
    await given.settled(at);
    await reach(sight(false), turn, fail, wait(localPeerTtlMs))(at);
    expect(at.told).toEqual([{ type: 'peer.found', addresses }, { type: 'peer.expired' }]);
  });

  it('lives on with every announcement, in each state', async () => {
    for (const [state, arrive] of Object.entries(given)) {
      if (state === 'expired') continue;
      const at = begin();
      await arrive(at);
      for (let times = 0; times < 5; times++) await reach(announce, wait(localPeerTtlMs - 1))(at);
      expect([state, at.actor.getSnapshot().status]).toEqual([state, 'active']);
      at.actor.stop();
    }
  });

  it('is dialled where it said to be last', async () => {
    const at = begin();
    await reach(sight(true, others), sight(true, []), turn)(at);
    expect(at.join.last.input).toEqual({ addresses: others });
    await answer(false)(at);
    await reach(wait(30_000), announce, turn)(at);
    expect(at.join.last.input).toEqual({ addresses });
    at.actor.stop();
  });

  it('keeps plain JSON as its context', async () => {
    const at = begin();
    await given.present(at);
    const { context } = at.actor.getSnapshot();
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
    at.actor.stop();
  });

  it('leaves nothing behind when it is stopped, in any state', async () => {
    for (const arrive of Object.values(given)) {
      const at = begin();
      await arrive(at);
      at.actor.stop();
      expect(at.join.open).toBe(0);
      const [calls, told] = [at.join.calls.length, at.told.length];
      at.clock.increment(10 * localPeerTtlMs);
      expect([at.join.calls.length, at.told.length]).toEqual([calls, told]);
    }
  });

  it('needs its effects from the service', async () => {
    const bare = createActor(localPeerMachine, { input, clock: createClock() });
    bare.start();
    bare.send({ type: 'peer.join' });
    await settled();
    expect(bare.getSnapshot().value).toBe('stranger');
    bare.stop();
  });
});
