import { assign, emit, enqueueActions, fromPromise, setup } from 'xstate';
import { errorText } from '@lloom/core';

import { failureOf, goneError, timeoutError } from '../internal/dialFailure.ts';
import {
  closeTimeoutError,
  closeTimeoutMs,
  contextOf,
  withFailure,
  withLost,
  withOpened,
  withPause,
  type DialInput,
  type PeerContext,
  type PeerEmitted,
  type PeerEvent,
  type PeerInput,
} from '../internal/peerLife.ts';

export type { PeerEmitted, PeerEvent, PeerInput };

/**
 * One peer that this node dials, holds or maintains. Connections are told from outside, also those that the peer opened; the
 * service provides `dial` and `close`.
 */
export const peerMachine = setup({
  types: {} as { input: PeerInput; context: PeerContext; events: PeerEvent; emitted: PeerEmitted },
  actors: {
    dial: fromPromise<void, DialInput>(() => Promise.reject(new Error('Provide dial'))),
    close: fromPromise<void, { readonly peerId: string }>(() => Promise.reject(new Error('Provide close'))),
  },
  delays: {
    dialTimeoutMs: ({ context }) => context.dialTimeoutMs,
    pauseMs: ({ context }) => context.pauseMs,
    closeTimeoutMs,
  },
  guards: {
    isHeld: ({ context }) => context.connections.length > 0 && !context.isBanned,
    isBanned: ({ context }) => context.isBanned,
    isMaintained: ({ context }) => context.isMaintained,
    isUnwanted: ({ context }) => !context.isMaintained,
    isLast: ({ context }, params: { connectionId: string }) =>
      context.connections.every((id) => id === params.connectionId),
  },
  actions: {
    noteAddresses: assign((_, { addresses }: { addresses: readonly string[] }) => ({ addresses })),
    noteAnywhere: assign({ addresses: [] }),
    noteMaintained: assign({ isMaintained: true }),
    noteReleased: assign({ isMaintained: false }),
    noteBanned: assign({ isBanned: true }),
    noteUnbanned: assign({ isBanned: false }),
    noteOpened: assign(({ context }, params: { connectionId: string; at: number }) =>
      withOpened(context, params),
    ),
    noteClosed: assign(({ context }, params: { connectionId: string }) => ({
      connections: context.connections.filter((id) => id !== params.connectionId),
    })),
    noteLost: assign(({ context }, { at }: { at: number }) => withLost(context, at)),
    forgetFailures: assign({ failures: 0 }),
    forgetConnections: assign({ connections: [] }),
    planPause: assign(({ context }) => withPause(context)),
    fail: enqueueActions(({ context, enqueue }, { error }: { error: unknown }) => {
      enqueue.assign(withFailure(context, error));
      enqueue.emit({ type: 'dial.failed', failure: failureOf(context.peerId, error) });
    }),
    tellClosed: emit({ type: 'close.ended' as const }),
    tellCloseFailed: emit((_, { error }: { error: unknown }) => ({
      type: 'close.failed' as const,
      reason: errorText(error),
    })),
  },
}).createMachine({
  id: 'peer',
  context: ({ input }) => contextOf(input),
  // What holds in every state that says nothing else.
  on: {
    'peer.maintain': { actions: 'noteMaintained' },
    'peer.release': { actions: 'noteReleased' },
    'peer.disconnect': '.closing',
    'peer.ban': { target: '.closing', actions: 'noteBanned' },
    'connection.opened': {
      target: '.connected',
      actions: { type: 'noteOpened', params: ({ event }) => event },
      description: 'Whoever dialled.',
    },
    'connection.closed': { actions: { type: 'noteClosed', params: ({ event }) => event } },
    'peer.forget': '.forgotten',
  },
  initial: 'disconnected',
  states: {
    disconnected: {
      on: {
        'peer.dial': {
          target: 'dialing',
          actions: { type: 'noteAddresses', params: ({ event }) => event },
        },
        'peer.maintain': {
          target: 'dialing',
          actions: ['noteMaintained', 'noteAnywhere'],
        },
      },
    },
    resting: {
      description: 'It is maintained, and dialled again after a pause.',
      entry: 'planPause',
      after: { pauseMs: { target: 'dialing', actions: 'noteAnywhere' } },
      on: {
        'peer.dial': {
          target: 'dialing',
          actions: { type: 'noteAddresses', params: ({ event }) => event },
        },
        'peer.maintain': { target: 'dialing', actions: 'noteAnywhere' },
        'peer.release': { target: 'disconnected', actions: 'noteReleased' },
      },
    },
    dialing: {
      invoke: {
        id: 'dial',
        src: 'dial',
        input: ({ context: { peerId, addresses } }) => ({ peerId, addresses }),
        onDone: {
          target: 'away',
          actions: { type: 'fail', params: ({ context }) => ({ error: goneError(context.peerId) }) },
          description: 'It was closed again before it was told to be open.',
        },
        onError: {
          target: 'away',
          actions: { type: 'fail', params: ({ event }) => event },
        },
      },
      after: {
        dialTimeoutMs: {
          target: 'away',
          actions: { type: 'fail', params: ({ context }) => ({ error: timeoutError(context) }) },
        },
      },
      on: {
        'dial.cancel': {
          guard: 'isUnwanted',
          target: 'disconnected',
          description: 'Who maintains it wants the dial, too.',
        },
      },
    },
    connected: {
      on: {
        'connection.closed': [
          {
            guard: { type: 'isLast', params: ({ event }) => event },
            target: 'away',
            actions: { type: 'noteLost', params: ({ event }) => event },
          },
          { actions: { type: 'noteClosed', params: ({ event }) => event } },
        ],
      },
    },
    closing: {
      description: 'Every connection is being closed, and the peer kept away.',
      invoke: {
        id: 'close',
        src: 'close',
        input: ({ context: { peerId } }) => ({ peerId }),
        onDone: { target: 'away', actions: ['forgetConnections', 'tellClosed'] },
        onError: { target: 'unclosed', actions: { type: 'tellCloseFailed', params: ({ event }) => event } },
      },
      after: {
        closeTimeoutMs: {
          target: 'unclosed',
          actions: { type: 'tellCloseFailed', params: () => ({ error: closeTimeoutError() }) },
        },
      },
      on: {
        'peer.disconnect': { description: 'That is being done.' },
        'peer.ban': { actions: 'noteBanned' },
        'peer.unban': { actions: 'noteUnbanned' },
        'connection.opened': { actions: { type: 'noteOpened', params: ({ event }) => event } },
      },
    },
    banned: {
      description: 'It was maintained, and will be when the ban has ended.',
      on: {
        'peer.unban': { target: 'away', actions: ['noteUnbanned', 'forgetFailures'] },
        'connection.opened': { actions: { type: 'noteOpened', params: ({ event }) => event } },
      },
    },
    unclosed: {
      description: 'Closing has failed. Never at rest: what is left decides.',
      always: [{ guard: 'isHeld', target: 'connected' }, { target: 'away' }],
    },
    forgotten: {
      type: 'final',
      description: 'Nobody follows it any more: it is gone, or the service stops.',
    },
    away: {
      description: 'No connection is left. Never at rest: it says where to go.',
      always: [
        { guard: 'isBanned', target: 'banned' },
        { guard: 'isMaintained', target: 'resting' },
        { target: 'disconnected' },
      ],
    },
  },
});
