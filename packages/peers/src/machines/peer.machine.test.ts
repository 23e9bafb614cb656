import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';

import { PeersError } from '../errors.ts';
import { peerMachine, type PeerEmitted, type PeerInput } from './peer.machine.ts';

const machines = recordFile();
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const input: PeerInput = {
  peerId: 'peer-1',
  dialTimeoutMs: 1_000,
  redial: { redialMinDelayMs: 4_000, redialMaxDelayMs: 40_000 },
  seed: 1,
};

/** A peer whose dials and closings end when the test says so. */
function createPeer() {
  const dial = Promise.withResolvers<void>();
  const close = Promise.withResolvers<void>();
  // In most rows nobody awaits them.
  for (const { promise } of [dial, close]) promise.catch(() => undefined);
  const clock = new SimulatedClock();
  const emitted: PeerEmitted[] = [];
  const signals: AbortSignal[] = [];
  const tried: (readonly string[])[] = [];
  const machine = peerMachine.provide({
    actors: {
      dial: fromPromise<void, { peerId: string; addresses: readonly string[] }>((dialled) => {
        signals.push(dialled.signal);
        tried.push(dialled.input.addresses);
        return dial.promise;
      }),
      close: fromPromise<void, { readonly peerId: string }>(() => close.promise),
    },
  });
  const { inspect } = machines;
  const actor = createActor(machine, { clock, input, inspect });
  actor.on('*', (event) => emitted.push(event));
  actor.start();
  return { actor, clock, dial, close, emitted, signals, tried };
}
type Peer = ReturnType<typeof createPeer>;

const open = ({ actor, clock }: Peer, connectionId: string): void =>
  actor.send({ type: 'connection.opened', connectionId, at: clock.now() });
const lose = ({ actor, clock }: Peer, connectionId: string): void =>
  actor.send({ type: 'connection.closed', connectionId, at: clock.now() });
/** A maintained peer that has lost its only connection. */
const rest = (peer: Peer): void => {
  open(peer, 'a');
  peer.actor.send({ type: 'peer.maintain' });
  lose(peer, 'a');
};
/** A peer that is banned, and whose connections are closed. */
const ban = async (peer: Peer): Promise<void> => {
  peer.actor.send({ type: 'peer.ban' });
  peer.close.resolve();
  await turn();
};

/** How each row of the table is reached. */
const situations = {
  disconnected: () => undefined,
  dialing: ({ actor }: Peer) => actor.send({ type: 'peer.dial', addresses: ['/memory/a'] }),
  'connected once': (peer: Peer) => open(peer, 'a'),
  'connected twice': (peer: Peer) => {
    open(peer, 'a');
    open(peer, 'b');
  },
  closing: ({ actor }: Peer) => actor.send({ type: 'peer.disconnect' }),
  'closing one': (peer: Peer) => {
    open(peer, 'a');
    peer.actor.send({ type: 'peer.disconnect' });
  },
  resting: rest,
  'maintained and dialing': ({ actor }: Peer) => actor.send({ type: 'peer.maintain' }),
  'maintained and connected': (peer: Peer) => {
    open(peer, 'a');
    peer.actor.send({ type: 'peer.maintain' });
  },
  'maintained and closing': (peer: Peer) => {
    rest(peer);
    peer.actor.send({ type: 'peer.disconnect' });
  },
  'closing for a ban': (peer: Peer) => {
    open(peer, 'a');
    peer.actor.send({ type: 'peer.ban' });
  },
  banned: ban,
  'maintained and banned': async (peer: Peer) => {
    peer.actor.send({ type: 'peer.maintain' });
    await ban(peer);
  },
};

/** What each column does. */
const happenings = {
  'peer.dial': ({ actor }: Peer) => actor.send({ type: 'peer.dial', addresses: [] }),
  'peer.disconnect': ({ actor }: Peer) => actor.send({ type: 'peer.disconnect' }),
  'peer.maintain': ({ actor }: Peer) => actor.send({ type: 'peer.maintain' }),
  'peer.release': ({ actor }: Peer) => actor.send({ type: 'peer.release' }),
  'peer.ban': ({ actor }: Peer) => actor.send({ type: 'peer.ban' }),
  'peer.unban': ({ actor }: Peer) => actor.send({ type: 'peer.unban' }),
  'dial.cancel': ({ actor }: Peer) => actor.send({ type: 'dial.cancel' }),
  'connection.opened': (peer: Peer) => open(peer, 'c'),
  'connection.closed': (peer: Peer) => lose(peer, 'a'),
  'dial ends': ({ dial }: Peer) => dial.resolve(),
  'dial fails': ({ dial }: Peer) => dial.reject(new PeersError('OWN_PEER', { peerId: 'peer-1' })),
  'close ends': ({ close }: Peer) => close.resolve(),
  'close fails': ({ close }: Peer) => close.reject(new Error('no disk')),
  'a second passes': ({ clock }: Peer) => clock.increment(1_000),
  'the pause passes': ({ actor, clock }: Peer) => clock.increment(actor.getSnapshot().context.pauseMs),
};

type State = 'disconnected' | 'resting' | 'dialing' | 'connected' | 'closing' | 'banned';

/** Situation x happening -> state. What is not listed changes nothing. */
const table: Record<keyof typeof situations, Partial<Record<keyof typeof happenings, State>>> = {
  disconnected: {
    'peer.dial': 'dialing',
    'peer.maintain': 'dialing',
    'peer.disconnect': 'closing',
    'peer.ban': 'closing',
    'connection.opened': 'connected',
  },
  dialing: {
    'peer.disconnect': 'closing',
    'peer.ban': 'closing',
    'dial.cancel': 'disconnected',
    'connection.opened': 'connected',
    'dial ends': 'disconnected',
    'dial fails': 'disconnected',
    'a second passes': 'disconnected',
  },
  'connected once': {
    'peer.disconnect': 'closing',
    'peer.ban': 'closing',
    'connection.closed': 'disconnected',
  },
  'connected twice': {
    'peer.disconnect': 'closing',
    'peer.ban': 'closing',
    'connection.closed': 'connected',
  },
  closing: {
    'close ends': 'disconnected',
    'close fails': 'disconnected',
  },
  'closing one': {
    'close ends': 'disconnected',
    'close fails': 'connected',
  },
  resting: {
    'peer.dial': 'dialing',
    'peer.maintain': 'dialing',
    'peer.release': 'disconnected',
    'peer.disconnect': 'closing',
    'peer.ban': 'closing',
    'connection.opened': 'connected',
    'the pause passes': 'dialing',
  },
  'maintained and dialing': {
    'peer.disconnect': 'closing',
    'peer.ban': 'closing',
    'connection.opened': 'connected',
    'dial ends': 'resting',
    'dial fails': 'resting',
    'a second passes': 'resting',
  },
  'maintained and connected': {
    'peer.disconnect': 'closing',
    'peer.ban': 'closing',
    'connection.closed': 'resting',
  },
  'maintained and closing': {
    'close ends': 'resting',
    'close fails': 'resting',
  },
  'closing for a ban': {
    'close ends': 'banned',
    'close fails': 'banned',
  },
  banned: {
    'peer.disconnect': 'closing',
    'peer.ban': 'closing',
    'peer.unban': 'disconnected',
  },
  'maintained and banned': {
    'peer.disconnect': 'closing',
    'peer.ban': 'closing',
    'peer.unban': 'resting',
  },
};
/** What ended a moment ago ends at once when it is begun again, as its promise is the same. */
const ended: Partial<Record<keyof typeof situations, State>> = {
  banned: 'banned',
  'maintained and banned': 'banned',
};

const rows = Object.entries(situations).flatMap(([from, arrive]) =>
  Object.entries(happenings).map(([event, happen]) => ({ from, event, arrive, happen })),
);

describe('peer machine', () => {
  it.each(rows)('$from, $event', async ({ from, event, arrive, happen }) => {
    const peer = createPeer();
    await arrive(peer);
    const before = peer.actor.getSnapshot().value;
    happen(peer);
    await turn();
    const listed = table[from as keyof typeof table][event as keyof typeof happenings] ?? before;
    const expected = listed === 'closing' ? (ended[from as keyof typeof table] ?? listed) : listed;
    expect(peer.actor.getSnapshot().value).toBe(expected);
  });

  it('tells the error of a dial in plain form', async () => {
    const peer = createPeer();
    situations.dialing(peer);
    happenings['dial fails'](peer);
    await turn();
    expect(peer.emitted).toEqual([
      { type: 'dial.failed', failure: { code: 'OWN_PEER', data: { peerId: 'peer-1' } } },
    ]);
  });

  it('tells an error of another kind as a failed dial', async () => {
    const peer = createPeer();
    situations.dialing(peer);
    peer.dial.reject(new Error('broken'));
    await turn();
    const attempts = [{ reason: 'other', message: 'broken' }];
    expect(peer.emitted).toEqual([
      { type: 'dial.failed', failure: { code: 'DIAL_FAILED', data: { peerId: 'peer-1', attempts } } },
    ]);
  });

  it('tells that a dial took too long, and ends it', () => {
    const peer = createPeer();
    situations.dialing(peer);
    peer.clock.increment(999);
    expect(peer.emitted).toEqual([]);
    peer.clock.increment(1);
    const data = { peerId: 'peer-1', limitMs: 1_000, attempts: [] };
    expect(peer.emitted).toEqual([{ type: 'dial.failed', failure: { code: 'DIAL_TIMEOUT', data } }]);
    expect(peer.signals[0]?.aborted).toBe(true);
  });

  it('tells that a connection was gone before it was known', async () => {
    const peer = createPeer();
    situations.dialing(peer);
    happenings['dial ends'](peer);
    await turn();
    expect(peer.emitted).toMatchObject([{ failure: { data: { attempts: [{ reason: 'closed' }] } } }]);
  });

  it('tells nothing about a dial that was cancelled', async () => {
    const peer = createPeer();
    situations.dialing(peer);
    happenings['dial.cancel'](peer);
    happenings['dial fails'](peer);
    await turn();
    expect(peer.emitted).toEqual([]);
    expect(peer.signals[0]?.aborted).toBe(true);
  });

  it('tells how closing ended', async () => {
    const [first, second] = [createPeer(), createPeer()];
    for (const peer of [first, second]) situations['closing one'](peer);
    happenings['close ends'](first);
    happenings['close fails'](second);
    await turn();
    expect(first.emitted).toEqual([{ type: 'close.ended' }]);
    expect(second.emitted).toEqual([{ type: 'close.failed', reason: 'no disk' }]);
  });

  it('does not wait for closing without end', () => {
    const [held, gone] = [createPeer(), createPeer()];
    situations['closing one'](held);
    situations.closing(gone);
    for (const { clock } of [held, gone]) clock.increment(5_000);
    expect([held, gone].map(({ actor }) => actor.getSnapshot().value)).toEqual(['connected', 'disconnected']);
    const told = { type: 'close.failed', reason: 'it took longer than 5000 ms' };
    expect([...held.emitted, ...gone.emitted]).toEqual([told, told]);
  });

  it.each(Object.entries(situations))('ends when it is forgotten: %s', async (_, bring) => {
    const peer = createPeer();
    await bring(peer);
    peer.actor.send({ type: 'peer.forget' });
    expect(peer.actor.getSnapshot()).toMatchObject({ value: 'forgotten', status: 'done' });
    expect(peer.signals.filter(({ aborted }) => !aborted)).toEqual([]);
  });

  it('keeps account of connections, also while closing', () => {
    const peer = createPeer();
    situations['connected twice'](peer);
    open(peer, 'b');
    expect(peer.actor.getSnapshot().context.connections).toEqual(['a', 'b']);
    peer.actor.send({ type: 'peer.disconnect' });
    happenings['connection.opened'](peer);
    happenings['connection.closed'](peer);
    expect(peer.actor.getSnapshot().context.connections).toEqual(['b', 'c']);
  });

  it('dials wherever the peer is known to be when it is maintained', () => {
    const [first, second] = [createPeer(), createPeer()];
    for (const peer of [first, second]) situations.dialing(peer);
    first.actor.send({ type: 'peer.maintain' });
    first.clock.increment(1_000);
    first.actor.send({ type: 'peer.maintain' });
    expect(first.tried).toEqual([['/memory/a'], []]);
    situations.resting(second);
    second.clock.increment(40_000);
    expect(second.tried.at(-1)).toEqual([]);
  });

  it('keeps a dial that somebody else wants when it is maintained', () => {
    const peer = createPeer();
    situations['maintained and dialing'](peer);
    happenings['dial.cancel'](peer);
    expect(peer.signals[0]?.aborted).toBe(false);
  });

  it('rests twice as long after each failure, up to the longest pause, give or take a quarter', () => {
    const peer = createPeer();
    situations['maintained and dialing'](peer);
    for (const about of [4_000, 8_000, 16_000, 32_000, 35_000, 35_000]) {
      peer.clock.increment(1_000);
      const { pauseMs } = peer.actor.getSnapshot().context;
      expect(pauseMs).toBeGreaterThanOrEqual(about * 0.75);
      expect(pauseMs).toBeLessThanOrEqual(Math.min(40_000, about * 1.25));
      peer.clock.increment(pauseMs);
      expect(peer.actor.getSnapshot().value).toBe('dialing');
    }
  });

  it('counts a connection that is lost at once as a failure, and forgets failures after one that lasted', () => {
    const peer = createPeer();
    situations['maintained and dialing'](peer);
    const failures: number[] = [];
    for (const lastedMs of [0, 39_999, 40_000, 0]) {
      open(peer, 'a');
      peer.clock.increment(lastedMs);
      lose(peer, 'a');
      failures.push(peer.actor.getSnapshot().context.failures);
    }
    expect(failures).toEqual([1, 2, 0, 1]);
  });

  it('measures how long a peer was connected, whichever connection it was', () => {
    const peer = createPeer();
    situations['maintained and connected'](peer);
    peer.clock.increment(30_000);
    open(peer, 'b');
    lose(peer, 'a');
    peer.clock.increment(10_000);
    lose(peer, 'b');
    expect(peer.actor.getSnapshot().context.failures).toBe(0);
  });

  it('does not count that this node has no room', async () => {
    const peer = createPeer();
    situations['maintained and dialing'](peer);
    peer.dial.reject(new PeersError('LIMIT_REACHED', { peerId: 'peer-1', limit: 'maxConnections' }));
    await turn();
    expect(peer.actor.getSnapshot()).toMatchObject({ value: 'resting', context: { failures: 0 } });
  });

  it.each([
    ['closing for a ban', 'peer.unban', 'disconnected'],
    ['closing one', 'peer.ban', 'banned'],
  ] as const)('goes where the latest wish says: %s, %s', async (situation, wish, value) => {
    const peer = createPeer();
    situations[situation](peer);
    happenings[wish](peer);
    happenings['close ends'](peer);
    await turn();
    expect(peer.actor.getSnapshot().value).toBe(value);
  });

  it('has a context of plain data', () => {
    const peer = createPeer();
    situations['connected twice'](peer);
    const { context } = peer.actor.getSnapshot();
    expect(structuredClone(context)).toEqual(JSON.parse(JSON.stringify(context)));
  });

  it('has as many transitions as the tables above were made for', () => {
    expect(machines.coverage(peerMachine).total).toBe(33);
  });

  it('does nothing by itself', async () => {
    const actor = createActor(peerMachine, { input }).start();
    for (const event of [{ type: 'peer.dial', addresses: [] }, { type: 'peer.disconnect' }] as const) {
      actor.send(event);
      await turn();
      expect(actor.getSnapshot().value).toBe('disconnected');
    }
  });
});
