import { assign, emit, fromPromise, setup } from 'xstate';
import { errorText } from '@lloom/core';

import type { PeersFailure } from '../errors.ts';
import { failureOf } from '../internal/dialFailure.ts';

/** Which peer a machine is about. */
export interface PeerInput {
  readonly peerId: string;
  readonly dialTimeoutMs: number;
}

/** What a machine remembers. */
export interface PeerContext extends PeerInput {
  /** Where the current dial tries; empty for whatever is known. */
  readonly addresses: readonly string[];
  /** Ids of the open connections. */
  readonly connections: readonly string[];
}

/** What happens to a peer: wishes in the imperative, facts in the past. */
export type PeerEvent =
  | { readonly type: 'peer.dial'; readonly addresses: readonly string[] }
  | { readonly type: 'peer.disconnect' }
  | { readonly type: 'dial.cancel' }
  | { readonly type: 'connection.opened'; readonly connectionId: string }
  | { readonly type: 'connection.closed'; readonly connectionId: string };

/** What the service is told beside the state. */
export type PeerEmitted =
  | { readonly type: 'dial.failed'; readonly failure: PeersFailure }
  | { readonly type: 'close.ended' }
  | { readonly type: 'close.failed'; readonly reason: string };

/** What `dial` is given. */
export interface DialInput {
  readonly peerId: string;
  readonly addresses: readonly string[];
}

/**
 * One peer that this node dials or holds. Connections are told from outside, also those that the peer opened; the
 * service provides `dial` and `close`.
 */
export const peerMachine = setup({
  types: {} as { input: PeerInput; context: PeerContext; events: PeerEvent; emitted: PeerEmitted },
  actors: {
    dial: fromPromise<void, DialInput>(() => Promise.reject(new Error('Provide dial'))),
    close: fromPromise<void, { readonly peerId: string }>(() => Promise.reject(new Error('Provide close'))),
  },
  delays: { dialTimeoutMs: ({ context }) => context.dialTimeoutMs },
  guards: {
    isConnected: ({ context }) => context.connections.length > 0,
    isLast: ({ context }, params: { connectionId: string }) =>
      context.connections.every((id) => id === params.connectionId),
  },
  actions: {
    noteAddresses: assign((_, params: { addresses: readonly string[] }) => params),
    noteOpened: assign(({ context }, params: { connectionId: string }) => ({
      connections: [...context.connections.filter((id) => id !== params.connectionId), params.connectionId],
    })),
    noteClosed: assign(({ context }, params: { connectionId: string }) => ({
      connections: context.connections.filter((id) => id !== params.connectionId),
    })),
    forgetConnections: assign({ connections: [] }),
    tellFailure: emit(({ context }, params: { error: unknown }) => ({
      type: 'dial.failed' as const,
      failure: failureOf(context.peerId, params.error),
    })),
    tellGone: emit(({ context: { peerId } }) => {
      const attempts = [{ reason: 'closed' as const, message: 'it was closed again at once' }];
      return {
        type: 'dial.failed' as const,
        failure: { code: 'DIAL_FAILED' as const, data: { peerId, attempts } },
      };
    }),
    tellTimeout: emit(({ context: { peerId, dialTimeoutMs } }) => ({
      type: 'dial.failed' as const,
      failure: { code: 'DIAL_TIMEOUT' as const, data: { peerId, limitMs: dialTimeoutMs, attempts: [] } },
    })),
    tellClosed: emit({ type: 'close.ended' as const }),
    tellCloseFailed: emit((_, params: { error: unknown }) => ({
      type: 'close.failed' as const,
      reason: errorText(params.error),
    })),
  },
}).createMachine({
  id: 'peer',
  context: ({ input }) => ({ ...input, addresses: [], connections: [] }),
  initial: 'disconnected',
  states: {
    disconnected: {
      on: {
        'peer.dial': {
          target: 'dialing',
          actions: { type: 'noteAddresses', params: ({ event: { addresses } }) => ({ addresses }) },
        },
        'peer.disconnect': 'closing',
        'connection.opened': {
          target: 'connected',
          actions: { type: 'noteOpened', params: ({ event: { connectionId } }) => ({ connectionId }) },
        },
      },
    },
    dialing: {
      invoke: {
        id: 'dial',
        src: 'dial',
        input: ({ context: { peerId, addresses } }) => ({ peerId, addresses }),
        onDone: {
          target: 'disconnected',
          actions: 'tellGone',
          description: 'It was closed again before it was told to be open.',
        },
        onError: {
          target: 'disconnected',
          actions: { type: 'tellFailure', params: ({ event: { error } }) => ({ error }) },
        },
      },
      after: { dialTimeoutMs: { target: 'disconnected', actions: 'tellTimeout' } },
      on: {
        'connection.opened': {
          target: 'connected',
          actions: { type: 'noteOpened', params: ({ event: { connectionId } }) => ({ connectionId }) },
          description: 'Whoever dialled.',
        },
        'dial.cancel': 'disconnected',
        'peer.disconnect': 'closing',
      },
    },
    connected: {
      on: {
        'connection.opened': {
          actions: { type: 'noteOpened', params: ({ event: { connectionId } }) => ({ connectionId }) },
        },
        'connection.closed': [
          {
            guard: { type: 'isLast', params: ({ event: { connectionId } }) => ({ connectionId }) },
            target: 'disconnected',
            actions: 'forgetConnections',
          },
          { actions: { type: 'noteClosed', params: ({ event: { connectionId } }) => ({ connectionId }) } },
        ],
        'peer.disconnect': 'closing',
      },
    },
    closing: {
      description: 'Every connection is being closed, and the peer kept away.',
      invoke: {
        id: 'close',
        src: 'close',
        input: ({ context: { peerId } }) => ({ peerId }),
        onDone: { target: 'disconnected', actions: ['forgetConnections', 'tellClosed'] },
        onError: [
          {
            guard: 'isConnected',
            target: 'connected',
            actions: { type: 'tellCloseFailed', params: ({ event: { error } }) => ({ error }) },
          },
          {
            target: 'disconnected',
            actions: { type: 'tellCloseFailed', params: ({ event: { error } }) => ({ error }) },
          },
        ],
      },
      on: {
        'connection.opened': {
          actions: { type: 'noteOpened', params: ({ event: { connectionId } }) => ({ connectionId }) },
        },
        'connection.closed': {
          actions: { type: 'noteClosed', params: ({ event: { connectionId } }) => ({ connectionId }) },
        },
      },
    },
  },
});
