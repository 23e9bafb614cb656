import { draw, retryDelay, type RetryPolicy } from '@lloom/core';
import { assign, fromPromise, raise, setup } from 'xstate';

/** What a pool starts with. */
export interface PoolInput {
  /** Where the series of jitters begins. */
  readonly seed: number;
}

/** What a pool remembers. */
export interface PoolContext extends PoolInput {
  /** When to look again, when nothing happens before. */
  readonly lookDelayMs: number;
  /** Fillings in a row that found nobody. */
  readonly attempt: number;
  /** How long filling rests. */
  readonly restMs: number;
}

/** What happens to a pool: wishes in the imperative, facts in the past. */
export type PoolEvent =
  /** Connections have come or gone. */
  | { readonly type: 'pool.wake' }
  /** The pool or the limits are others now. */
  | { readonly type: 'pool.changed' }
  /** A look has found that peers are missing. */
  | { readonly type: 'pool.short' }
  /** Nothing is to be dialled any more. */
  | { readonly type: 'pool.drain' };

/** What a look came to. */
export interface TrimResult {
  readonly nextLookMs: number;
  /** Whether peers are missing, and there is room for them. */
  readonly isShort: boolean;
}

/** What filling came to. */
export interface FillResult {
  /** How many peers were connected. */
  readonly opened: number;
}

/** Events come in bursts: so long are they gathered. */
const settleMs = 100;
/** After a look that broke. */
const brokenLookMs = 10_000;
/** Filling ends itself long before. */
const fillLimitMs = 60_000;
/** Peers that come and go at once must not keep a node dialling. */
const restAfterFillMs = 1_000;
const backOff: RetryPolicy = { retryDelayMs: 1_000, maxRetryDelayMs: 300_000 };

/**
 * The pool of connections: what is too much is closed whenever something has changed, and beside that, what is missing is
 * dialled. The service provides `trim`, which makes a plan and closes, and `fill`, which dials and searches.
 */
export const poolMachine = setup({
  types: {} as { input: PoolInput; context: PoolContext; events: PoolEvent },
  actors: {
    trim: fromPromise<TrimResult>(() => Promise.reject(new Error('Provide trim'))),
    fill: fromPromise<FillResult>(() => Promise.reject(new Error('Provide fill'))),
  },
  delays: {
    settleMs,
    fillLimitMs,
    lookDelayMs: ({ context }) => context.lookDelayMs,
    restMs: ({ context }) => context.restMs,
  },
  guards: {
    isShort: (_, { isShort }: Pick<TrimResult, 'isShort'>) => isShort,
    hasOpened: (_, { opened }: FillResult) => opened > 0,
  },
  actions: {
    noteLook: assign((_, { nextLookMs }: Pick<TrimResult, 'nextLookMs'>) => ({ lookDelayMs: nextLookMs })),
    noteBrokenLook: assign({ lookDelayMs: brokenLookMs }),
    planRest: assign({ attempt: 0, restMs: restAfterFillMs }),
    planBackOff: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      const attempt = context.attempt + 1;
      return { seed, attempt, restMs: retryDelay(backOff, attempt, chance) };
    }),
    forgetFailures: assign({ attempt: 0 }),
    lookAgain: raise({ type: 'pool.wake' }),
    tellShort: raise({ type: 'pool.short' }),
  },
}).createMachine({
  id: 'pool',
  context: ({ input }) => ({ ...input, lookDelayMs: brokenLookMs, attempt: 0, restMs: 0 }),
  type: 'parallel',
  states: {
    surplus: {
      initial: 'trimming',
      states: {
        steady: {
          after: { lookDelayMs: 'trimming' },
          on: { 'pool.wake': 'settling', 'pool.changed': 'trimming' },
        },
        settling: {
          description: 'More may change within the same moment.',
          after: { settleMs: 'trimming' },
          on: { 'pool.changed': 'trimming' },
        },
        trimming: {
          invoke: {
            id: 'trim',
            src: 'trim',
            onDone: [
              {
                guard: { type: 'isShort', params: ({ event }) => event.output },
                target: 'steady',
                actions: [{ type: 'noteLook', params: ({ event }) => event.output }, 'tellShort'],
              },
              {
                target: 'steady',
                actions: { type: 'noteLook', params: ({ event }) => event.output },
              },
            ],
            onError: { target: 'steady', actions: 'noteBrokenLook' },
          },
          on: { 'pool.wake': 'settling', 'pool.changed': { target: 'trimming', reenter: true } },
        },
      },
    },
    shortage: {
      initial: 'none',
      on: { 'pool.drain': '.drained' },
      states: {
        none: { on: { 'pool.short': 'filling', 'pool.changed': { actions: 'forgetFailures' } } },
        filling: {
          invoke: {
            id: 'fill',
            src: 'fill',
            onDone: [
              {
                guard: { type: 'hasOpened', params: ({ event }) => event.output },
                target: 'resting',
                actions: 'planRest',
              },
              { target: 'resting', actions: 'planBackOff' },
            ],
            onError: { target: 'resting', actions: 'planBackOff' },
          },
          after: { fillLimitMs: { target: 'resting', actions: 'planBackOff' } },
          on: { 'pool.changed': { target: 'none', actions: 'forgetFailures' } },
        },
        resting: {
          description: 'Peers stay missing for a while: nobody is dialled more often than that.',
          after: { restMs: { target: 'none', actions: 'lookAgain' } },
          on: { 'pool.changed': { target: 'none', actions: 'forgetFailures' } },
        },
        drained: { type: 'final', description: 'The node is about to stop.' },
      },
    },
  },
});
