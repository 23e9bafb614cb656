import { draw, retryDelay, spread, type RetryPolicy } from '@lloom/core';
import { assign, fromPromise, setup } from 'xstate';

/** What a registry starts with. */
export interface RegistryInput {
  readonly retry: RetryPolicy;
  readonly announcementIntervalMs: number;
  /** Where the series of jitters begins. */
  readonly seed: number;
}

interface RegistryContext extends RegistryInput {
  /** Failures in a row. */
  readonly attempt: number;
  readonly delayMs: number;
  /** Whether peers were found while a sweep was under way, which may have missed them. */
  readonly hasNews: boolean;
  /** Whether the last sweep found nobody. */
  readonly isEmpty: boolean;
}

/** What a sweep came to. */
export interface SweepResult {
  /** How many executors were confirmed. */
  readonly found: number;
}

/** What happens to a registry. */
export type RegistryEvent =
  /** This node offers the validator service. */
  | { readonly type: 'registry.open' }
  /** It does not any more. */
  | { readonly type: 'registry.close' }
  /** The node has joined: there may be somebody now. */
  | { readonly type: 'peers.found' };

/**
 * Keeping the registry of a validator: while it is open, all executors are looked for again and again, one sweep at a
 * time. The service provides `sweep`.
 */
export const registryMachine = setup({
  types: {} as { input: RegistryInput; context: RegistryContext; events: RegistryEvent },
  actors: { sweep: fromPromise<SweepResult>(() => Promise.reject(new Error('Provide sweep'))) },
  delays: { delayMs: ({ context }) => context.delayMs },
  guards: {
    hasMissed: ({ context }, { found }: SweepResult) => found === 0 && context.hasNews,
    isEmpty: ({ context }) => context.isEmpty,
  },
  actions: {
    beginAnew: assign({ attempt: 0 }),
    forgetNews: assign({ hasNews: false }),
    noteNews: assign({ hasNews: true }),
    noteFound: assign((_, { found }: SweepResult) => ({ attempt: 0, isEmpty: found === 0 })),
    planRest: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      return { seed, delayMs: spread(context.announcementIntervalMs, chance) };
    }),
    planRetry: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      const attempt = context.attempt + 1;
      return { seed, attempt, delayMs: retryDelay(context.retry, attempt, chance) };
    }),
  },
}).createMachine({
  id: 'registry',
  context: ({ input }) => ({ ...input, attempt: 0, delayMs: 0, hasNews: false, isEmpty: true }),
  initial: 'closed',
  states: {
    closed: {
      on: { 'registry.open': { target: 'sweeping', actions: 'beginAnew' } },
      description: 'This node is no validator.',
    },
    sweeping: {
      entry: 'forgetNews',
      invoke: {
        id: 'sweep',
        src: 'sweep',
        onDone: [
          {
            guard: { type: 'hasMissed', params: ({ event }) => event.output },
            target: 'sweeping',
            reenter: true,
          },
          { target: 'resting', actions: { type: 'noteFound', params: ({ event }) => event.output } },
        ],
        onError: 'backingOff',
      },
      on: { 'registry.close': 'closed', 'peers.found': { actions: 'noteNews' } },
    },
    resting: {
      entry: 'planRest',
      after: { delayMs: 'sweeping' },
      on: { 'registry.close': 'closed', 'peers.found': { guard: 'isEmpty', target: 'sweeping' } },
    },
    backingOff: {
      entry: 'planRetry',
      after: { delayMs: 'sweeping' },
      on: { 'registry.close': 'closed', 'peers.found': 'sweeping' },
      description: 'The sweep failed, and nobody was confirmed.',
    },
  },
});
