import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';

import { PeersError } from '../errors.ts';
import { peerMachine, type PeerEmitted } from './peer.machine.ts';

const machines = recordFile();
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A peer whose dials and closings end when the test says so. */
function createPeer() {
  const dial = Promise.withResolvers<void>();
  const close = Promise.withResolvers<void>();
  // In most rows nobody awaits them.
  for (const { promise } of [dial, close]) promise.catch(() => undefined);
  const clock = new SimulatedClock();
  const emitted: PeerEmitted[] = [];
  const signals: AbortSignal[] = [];
  const machine = peerMachine.provide({
    actors: {
      dial: fromPromise<void, { peerId: string; addresses: readonly string[] }>(({ signal }) => {
        signals.push(signal);
        return dial.promise;
      }),
      close: fromPromise<void, { readonly peerId: string }>(() => close.promise),
    },
  });
  const actor = createActor(machine, {
    clock,
    input: { peerId: 'peer-1', dialTimeoutMs: 1_000 },
    inspect: machines.inspect,
  });
  actor.on('*', (event) => emitted.push(event));
  actor.start();
  return { actor, clock, dial, close, emitted, signals };
}
type Peer = ReturnType<typeof createPeer>;

const open = ({ actor }: Peer, connectionId: string): void =>
  actor.send({ type: 'connection.opened', connectionId });

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
};

/** What each column does. */
const happenings = {
  'peer.dial': ({ actor }: Peer) => actor.send({ type: 'peer.dial', addresses: [] }),
  'peer.disconnect': ({ actor }: Peer) => actor.send({ type: 'peer.disconnect' }),
  'dial.cancel': ({ actor }: Peer) => actor.send({ type: 'dial.cancel' }),
  'connection.opened': (peer: Peer) => open(peer, 'c'),
  'connection.closed': ({ actor }: Peer) => actor.send({ type: 'connection.closed', connectionId: 'a' }),
  'dial ends': ({ dial }: Peer) => dial.resolve(),
  'dial fails': ({ dial }: Peer) => dial.reject(new PeersError('OWN_PEER', { peerId: 'peer-1' })),
  'close ends': ({ close }: Peer) => close.resolve(),
  'close fails': ({ close }: Peer) => close.reject(new Error('no disk')),
  'time passes': ({ clock }: Peer) => clock.increment(1_000),
};

type State = 'disconnected' | 'dialing' | 'connected' | 'closing';

/** Situation x happening -> state. What is not listed changes nothing. */
const table: Record<keyof typeof situations, Partial<Record<keyof typeof happenings, State>>> = {
  disconnected: {
    'peer.dial': 'dialing',
    'peer.disconnect': 'closing',
    'connection.opened': 'connected',
  },
  dialing: {
    'peer.disconnect': 'closing',
    'dial.cancel': 'disconnected',
    'connection.opened': 'connected',
    'dial ends': 'disconnected',
    'dial fails': 'disconnected',
    'time passes': 'disconnected',
  },
  'connected once': {
    'peer.disconnect': 'closing',
    'connection.closed': 'disconnected',
  },
  'connected twice': {
    'peer.disconnect': 'closing',
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
};

const rows = Object.entries(situations).flatMap(([from, arrive]) =>
  Object.entries(happenings).map(([event, happen]) => ({ from, event, arrive, happen })),
);

describe('peer machine', () => {
  it.each(rows)('$from, $event', async ({ from, event, arrive, happen }) => {
    const peer = createPeer();
    arrive(peer);
    const before = peer.actor.getSnapshot().value;
    happen(peer);
    await turn();
    const expected = table[from as keyof typeof table][event as keyof typeof happenings] ?? before;
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

  it('has a context of plain data', () => {
    const peer = createPeer();
    situations['connected twice'](peer);
    const { context } = peer.actor.getSnapshot();
    expect(structuredClone(context)).toEqual(JSON.parse(JSON.stringify(context)));
  });

  it('has as many transitions as the tables above were made for', () => {
    expect(machines.coverage(peerMachine).total).toBe(18);
  });

  it('does nothing by itself', async () => {
    const actor = createActor(peerMachine, { input: { peerId: 'peer-1', dialTimeoutMs: 1_000 } }).start();
    actor.send({ type: 'peer.dial', addresses: [] });
    await turn();
    expect(actor.getSnapshot().value).toBe('disconnected');
    actor.send({ type: 'peer.disconnect' });
    await turn();
    expect(actor.getSnapshot().value).toBe('disconnected');
  });
});
