import { assign, emit, enqueueActions, fromPromise, raise, setup } from 'xstate';

/** What the life of a local peer starts with. */
export interface LocalPeerInput {
  readonly peerId: string;
  /** Where it says to be. */
  readonly addresses: readonly string[];
  /** How long it counts as there after a sighting. */
  readonly localPeerTtlMs: number;
}

interface LocalPeerContext extends LocalPeerInput {
  /** Whether it was told as found. */
  readonly isTold: boolean;
}

/** What happens to a local peer. */
export type LocalPeerEvent =
  /** It announced itself. Without addresses the old ones stay. */
  | { readonly type: 'peer.sighted'; readonly addresses: readonly string[]; readonly isConnected: boolean }
  /** It is its turn to be dialled. */
  | { readonly type: 'peer.join' }
  /** Raised by the machine: the last sighting is too long ago. */
  | { readonly type: 'peer.silent' };

/** What a local peer tells the service. */
export type LocalPeerEmitted =
  | { readonly type: 'peer.found'; readonly addresses: readonly string[] }
  | { readonly type: 'peer.expired' };

/** Every state of a local peer. */
export type LocalPeerState =
  | 'sighted'
  | 'joining'
  | 'present'
  | 'settled'
  | 'stranger'
  | 'rested'
  | 'expired';

/** Whoever was dialled is left alone for so long, however often it announces itself. */
const restMs = 30_000;
/** The name of the timer that begins anew with each sighting. */
const silence = 'silence';

/**
 * A peer of the local network, from its first announcement until it has been silent for too long. It is dialled, and counts
 * when it takes part in this network. The service provides `join`, and says with `peer.join` when the turn has come.
 */
export const localPeerMachine = setup({
  types: {} as {
    input: LocalPeerInput;
    context: LocalPeerContext;
    events: LocalPeerEvent;
    emitted: LocalPeerEmitted;
  },
  actors: {
    join: fromPromise<boolean, { readonly addresses: readonly string[] }>(() =>
      Promise.reject(new Error('Provide join')),
    ),
  },
  delays: { restMs, ttlMs: ({ context }) => context.localPeerTtlMs },
  guards: {
    isMember: (_, { isMember }: { isMember: boolean }) => isMember,
    isNewMember: ({ context }, { isMember }: { isMember: boolean }) => isMember && !context.isTold,
    isLost: (_, { isConnected }: { isConnected: boolean }) => !isConnected,
    isTold: ({ context }) => context.isTold,
  },
  actions: {
    expireLater: raise({ type: 'peer.silent' as const }, { id: silence, delay: 'ttlMs' }),
    noteSighting: enqueueActions(({ context, enqueue }, { addresses }: { addresses: readonly string[] }) => {
      enqueue.assign({ addresses: addresses.length > 0 ? addresses : context.addresses });
      enqueue.cancel(silence);
      enqueue.raise({ type: 'peer.silent' }, { id: silence, delay: 'ttlMs' });
    }),
    noteTold: assign({ isTold: true }),
    tellFound: emit(({ context }) => ({ type: 'peer.found' as const, addresses: context.addresses })),
    tellExpired: emit({ type: 'peer.expired' as const }),
  },
}).createMachine({
  id: 'localPeer',
  context: ({ input }) => ({
    peerId: input.peerId,
    addresses: input.addresses,
    localPeerTtlMs: input.localPeerTtlMs,
    isTold: false,
  }),
  entry: 'expireLater',
  on: {
    'peer.sighted': { actions: { type: 'noteSighting', params: ({ event }) => event } },
    'peer.silent': [{ guard: 'isTold', target: '.expired', actions: 'tellExpired' }, { target: '.expired' }],
  },
  initial: 'sighted',
  states: {
    sighted: {
      on: { 'peer.join': 'joining' },
      description: 'Waits for its turn: few peers are dialled at the same time.',
    },
    joining: {
      invoke: {
        id: 'join',
        src: 'join',
        input: ({ context }) => ({ addresses: context.addresses }),
        onDone: [
          {
            guard: { type: 'isNewMember', params: ({ event }) => ({ isMember: event.output }) },
            target: 'present',
            actions: ['noteTold', 'tellFound'],
          },
          {
            guard: { type: 'isMember', params: ({ event }) => ({ isMember: event.output }) },
            target: 'present',
          },
          { target: 'stranger' },
        ],
        onError: 'stranger',
      },
      description: 'Is dialled and asked whether it takes part in this network.',
    },
    present: {
      after: { restMs: 'settled' },
      description: 'Takes part in this network, and was dialled lately.',
    },
    settled: {
      on: {
        'peer.sighted': {
          guard: { type: 'isLost', params: ({ event }) => event },
          target: 'sighted',
          actions: { type: 'noteSighting', params: ({ event }) => event },
        },
      },
      description: 'Takes part in this network. It is dialled again when it is sighted without a connection.',
    },
    stranger: {
      after: { restMs: 'rested' },
      description: 'Does not answer, or belongs to another network.',
    },
    rested: {
      on: {
        'peer.sighted': {
          target: 'sighted',
          actions: { type: 'noteSighting', params: ({ event }) => event },
        },
      },
      description: 'A stranger that is tried again when it announces itself, and makes way for others.',
    },
    expired: { type: 'final', description: 'It has not announced itself for too long.' },
  },
});
