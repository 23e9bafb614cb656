import { draw, retryDelay, spread, type RetryPolicy } from '@lloom/core';
import { assign, emit, fromPromise, setup } from 'xstate';
import type { DialResult } from '../internal/bootstrapPeers.ts';
import type { AddressFailure } from '../types.ts';

/** What joining the network starts with. */
export interface BootstrapInput {
  readonly retry: RetryPolicy;
  readonly bootstrapIntervalMs: number;
  /** Where the series of jitters begins. */
  readonly seed: number;
}

interface BootstrapContext extends BootstrapInput {
  /** Peers that answered in this round. */
  readonly answered: readonly string[];
  /** Look-ups of this round. */
  readonly lookups: number;
  /** Peers that the last look-up found. */
  readonly foundPeers: number;
  /** Failures in a row. */
  readonly attempt: number;
  /** How often in a row every bootstrap peer was lost again before the next check. */
  readonly losses: number;
  readonly delayMs: number;
}

/** What happens while joining. */
export type BootstrapEvent = { readonly type: 'bootstrap.run' } | { readonly type: 'bootstrap.lost' };

/** What joining tells the service. */
export type BootstrapEmitted =
  | { readonly type: 'bootstrap.joined'; readonly peerIds: readonly string[]; readonly foundPeers: number }
  | {
      readonly type: 'bootstrap.failed';
      readonly failures: readonly AddressFailure[];
      readonly delayMs: number;
    };

/** A peer enters the routing table a moment after it answered: the look-up is repeated so often, and so soon. */
const maxLookups = 6;
const lookupDelayMs = 50;

/** How long to stay away at most from bootstrap peers that close every connection. */
const maxReturnDelayMs = 120_000;

/**
 * Joining the network: bootstrap peers are dialled, then the own id is looked up, then both again from time to time.
 * The service provides `dial` and `lookUp`.
 */
export const bootstrapMachine = setup({
  types: {} as {
    input: BootstrapInput;
    context: BootstrapContext;
    events: BootstrapEvent;
    emitted: BootstrapEmitted;
  },
  actors: {
    dial: fromPromise<DialResult>(() => Promise.reject(new Error('Provide dial'))),
    lookUp: fromPromise<number>(() => Promise.reject(new Error('Provide lookUp'))),
  },
  delays: {
    delayMs: ({ context }) => context.delayMs,
    lookupDelayMs: ({ context }) => lookupDelayMs * 2 ** (context.lookups - 1),
  },
  guards: {
    hasAnswer: (_, { answered }: Pick<DialResult, 'answered'>) => answered.length > 0,
    isEnough: ({ context }, { foundPeers }: { foundPeers: number }) =>
      foundPeers > 0 || context.lookups + 1 >= maxLookups,
  },
  actions: {
    noteAnswers: assign((_, { answered }: Pick<DialResult, 'answered'>) => ({
      answered,
      lookups: 0,
      foundPeers: 0,
    })),
    noteLookup: assign(({ context }, { foundPeers }: { foundPeers: number }) => ({
      foundPeers,
      lookups: context.lookups + 1,
    })),
    planCheck: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      const isAlone = context.lookups > 0 && context.foundPeers === 0;
      const attempt = isAlone ? context.attempt + 1 : 0;
      const delayMs = isAlone
        ? retryDelay(context.retry, attempt, chance)
        : spread(context.bootstrapIntervalMs, chance);
      return { seed, attempt, delayMs };
    }),
    planRetry: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      const attempt = context.attempt + 1;
      return { seed, attempt, delayMs: retryDelay(context.retry, attempt, chance) };
    }),
    // A bootstrap peer that closes what it does not need would be dialled again and again.
    planReturn: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      const retry = { ...context.retry, maxRetryDelayMs: maxReturnDelayMs };
      const losses = context.losses + 1;
      return { seed, losses, delayMs: retryDelay(retry, losses, chance) };
    }),
    forgetLosses: assign({ losses: 0 }),
    tellJoined: emit(({ context }) => ({
      type: 'bootstrap.joined' as const,
      peerIds: context.answered,
      foundPeers: context.foundPeers,
    })),
    tellFailed: emit(({ context }, { failures }: Pick<DialResult, 'failures'>) => ({
      type: 'bootstrap.failed' as const,
      failures,
      delayMs: context.delayMs,
    })),
  },
}).createMachine({
  id: 'bootstrap',
  context: ({ input }) => ({
    ...input,
    answered: [],
    lookups: 0,
    foundPeers: 0,
    attempt: 0,
    losses: 0,
    delayMs: 0,
  }),
  on: { 'bootstrap.run': '.dialing' },
  initial: 'idle',
  states: {
    idle: {},
    dialing: {
      invoke: {
        id: 'dial',
        src: 'dial',
        onDone: [
          {
            guard: { type: 'hasAnswer', params: ({ event }) => event.output },
            target: 'lookingUp',
            actions: { type: 'noteAnswers', params: ({ event }) => event.output },
          },
          {
            target: 'backingOff',
            actions: ['planRetry', { type: 'tellFailed', params: ({ event }) => event.output }],
          },
        ],
        onError: {
          target: 'backingOff',
          actions: ['planRetry', { type: 'tellFailed', params: { failures: [] } }],
        },
      },
    },
    lookingUp: {
      invoke: {
        id: 'lookUp',
        src: 'lookUp',
        onDone: [
          {
            guard: { type: 'isEnough', params: ({ event }) => ({ foundPeers: event.output }) },
            target: 'joined',
            actions: { type: 'noteLookup', params: ({ event }) => ({ foundPeers: event.output }) },
          },
          { target: 'waiting', actions: { type: 'noteLookup', params: { foundPeers: 0 } } },
        ],
        onError: 'joined',
      },
      description:
        'Fills the routing tables here and at others. A node without a DHT has joined all the same.',
    },
    waiting: {
      after: { lookupDelayMs: 'lookingUp' },
      description: 'The peer that answered is not in the routing table yet.',
    },
    joined: {
      entry: ['planCheck', 'tellJoined'],
      description: 'Checked from time to time; soon, when the look-up found nobody.',
      after: { delayMs: { target: 'dialing', actions: 'forgetLosses' } },
      on: { 'bootstrap.lost': { target: 'backingOff', actions: 'planReturn' } },
    },
    backingOff: { after: { delayMs: 'dialing' } },
  },
});
