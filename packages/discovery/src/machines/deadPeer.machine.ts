import { fromPromise, setup } from 'xstate';

/** What watching a peer that is disconnected starts with. */
export interface DeadPeerInput {
  readonly peerId: string;
  readonly graceMs: number;
}

/** What happens to it. */
export type DeadPeerEvent = { readonly type: 'peer.returned' };

/**
 * What dialling it came to. `alone`: nobody else is connected either, so that it may be this node that is cut off, and
 * nothing is known of the peer.
 */
export type DeadPeerDial = 'reached' | 'unreachable' | 'alone';

/**
 * A peer of the routing table without a connection: it is given time, then dialled, and taken out of the table when
 * that fails. The service provides `check`, `dial` and `remove`.
 */
export const deadPeerMachine = setup({
  types: {} as {
    input: DeadPeerInput;
    context: DeadPeerInput;
    events: DeadPeerEvent;
  },
  actors: {
    check: fromPromise<boolean, { readonly peerId: string }>(() =>
      Promise.reject(new Error('Provide check')),
    ),
    dial: fromPromise<DeadPeerDial, { readonly peerId: string }>(() =>
      Promise.reject(new Error('Provide dial')),
    ),
    remove: fromPromise<void, { readonly peerId: string }>(() => Promise.reject(new Error('Provide remove'))),
  },
  delays: { graceMs: ({ context }) => context.graceMs },
  guards: {
    isListed: (_, { isListed }: { isListed: boolean }) => isListed,
    isReached: (_, { dial }: { dial: DeadPeerDial }) => dial === 'reached',
    isAlone: (_, { dial }: { dial: DeadPeerDial }) => dial === 'alone',
  },
}).createMachine({
  id: 'deadPeer',
  context: ({ input: { peerId, graceMs } }) => ({ peerId, graceMs }),
  on: { 'peer.returned': '.kept' },
  initial: 'checking',
  states: {
    checking: {
      description: 'Only peers of the routing table matter.',
      invoke: {
        id: 'check',
        src: 'check',
        input: ({ context: { peerId } }) => ({ peerId }),
        onDone: [
          {
            guard: { type: 'isListed', params: ({ event }) => ({ isListed: event.output }) },
            target: 'waiting',
          },
          'kept',
        ],
        onError: 'kept',
      },
    },
    waiting: {
      description: 'It may be restarting.',
      after: { graceMs: 'dialing' },
    },
    dialing: {
      invoke: {
        id: 'dial',
        src: 'dial',
        input: ({ context: { peerId } }) => ({ peerId }),
        onDone: [
          {
            guard: { type: 'isReached', params: ({ event }) => ({ dial: event.output }) },
            target: 'kept',
          },
          {
            guard: { type: 'isAlone', params: ({ event }) => ({ dial: event.output }) },
            target: 'waiting',
          },
          'removing',
        ],
        onError: 'waiting',
      },
    },
    removing: {
      invoke: {
        id: 'remove',
        src: 'remove',
        input: ({ context: { peerId } }) => ({ peerId }),
        onDone: 'removed',
        onError: 'kept',
      },
    },
    removed: { type: 'final' },
    kept: { type: 'final', description: 'It is there again, or was not in the table.' },
  },
});
