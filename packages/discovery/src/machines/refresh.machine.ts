import { draw, retryDelay, spread, type RetryPolicy } from '@lloom/core';
import { assign, emit, fromPromise, setup } from 'xstate';

/** What refreshing starts with. */
export interface RefreshInput {
  readonly retry: RetryPolicy;
  readonly discoveryIntervalMs: number;
  /** Where the series of jitters begins. */
  readonly seed: number;
}

interface RefreshContext extends RefreshInput {
  /** Failures in a row. */
  readonly attempt: number;
  readonly delayMs: number;
}

/** What one refresh came to. */
export interface RefreshResult {
  /** How many services were looked for. */
  readonly asked: number;
  /** How many of these searches failed. */
  readonly failed: number;
}

/** What happens to refreshing. */
export type RefreshEvent = { readonly type: 'refresh.run' };

/** What refreshing tells the service. */
export type RefreshEmitted = { readonly type: 'refresh.done' } | { readonly type: 'refresh.failed' };

/**
 * Looking again, from time to time, for the services that were looked for. The service provides `query`, which runs the
 * searches.
 */
export const refreshMachine = setup({
  types: {} as {
    input: RefreshInput;
    context: RefreshContext;
    events: RefreshEvent;
    emitted: RefreshEmitted;
  },
  actors: { query: fromPromise<RefreshResult>(() => Promise.reject(new Error('Provide query'))) },
  delays: { delayMs: ({ context }) => context.delayMs },
  guards: { hasFailed: (_, { asked, failed }: RefreshResult) => asked > 0 && failed === asked },
  actions: {
    planRest: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      return { seed, attempt: 0, delayMs: spread(context.discoveryIntervalMs, chance) };
    }),
    planRetry: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      const attempt = context.attempt + 1;
      return { seed, attempt, delayMs: retryDelay(context.retry, attempt, chance) };
    }),
    tellDone: emit({ type: 'refresh.done' }),
    tellFailed: emit({ type: 'refresh.failed' }),
  },
}).createMachine({
  id: 'refresh',
  context: ({ input }) => ({ ...input, attempt: 0, delayMs: 0 }),
  initial: 'resting',
  states: {
    resting: {
      entry: 'planRest',
      after: { delayMs: 'querying' },
      on: { 'refresh.run': 'querying' },
    },
    querying: {
      invoke: {
        id: 'query',
        src: 'query',
        onDone: [
          {
            guard: { type: 'hasFailed', params: ({ event }) => event.output },
            target: 'backingOff',
            actions: 'tellFailed',
          },
          { target: 'resting', actions: 'tellDone' },
        ],
        onError: { target: 'backingOff', actions: 'tellFailed' },
      },
      description: 'Whoever asks for a refresh meanwhile shares this one.',
    },
    backingOff: {
      entry: 'planRetry',
      after: { delayMs: 'querying' },
      on: { 'refresh.run': 'querying' },
      description: 'Not one search worked.',
    },
  },
});
