import { draw, retryDelay, type RetryPolicy } from '@lloom/core';
import { assign, emit, fromPromise, setup } from 'xstate';
import { areFew, isMeshWanted, lackOf, type Links } from '../internal/enough.ts';
import type { DegradedReason } from '../types.ts';

/** What a subscription starts with. */
export interface SubscriptionInput {
  readonly topic: string;
  readonly links: Links;
  readonly heartbeatIntervalMs: number;
  readonly degradedAfterMs: number;
  /** Where the series of jitters begins. */
  readonly seed: number;
}

interface SubscriptionContext extends SubscriptionInput {
  /** What was told as the reason last. */
  readonly reason: DegradedReason | null;
  /** Searches since the links have become better or worse. */
  readonly searches: number;
  readonly pauseMs: number;
}

/** What happens to a subscription. */
export type SubscriptionEvent =
  /** Who could hear of the topic has changed. */
  | { readonly type: 'links.changed'; readonly links: Links }
  /** The topic is not wanted any more. */
  | { readonly type: 'subscription.leave' };

/** What a subscription tells the service. */
export type SubscriptionEmitted =
  | { readonly type: 'subscription.degraded'; readonly reason: DegradedReason; readonly links: Links }
  | { readonly type: 'subscription.recovered'; readonly reason: DegradedReason };

/** While messages arrive, peers are looked for ever less often; while they may not, this often at least, in ms. */
const quietPauseMs = 300_000;
const urgentPauseMs = 30_000;
/** The first search comes after so many heartbeats: peers that are connected already need one or two. */
const firstPause = 2;

const seeking = {
  initial: 'resting',
  states: {
    resting: {
      entry: 'planUrgent',
      after: {
        pauseMs: [
          { guard: 'isWanting', target: 'seeking' },
          { target: 'resting', reenter: true },
        ],
      },
      description: 'Waits for the mesh, and for the next search.',
    },
    seeking: {
      invoke: {
        id: 'search',
        src: 'search',
        input: ({ context }: { readonly context: SubscriptionContext }) => ({ topic: context.topic }),
        onDone: 'resting',
        onError: 'resting',
      },
      description: 'Looks for peers of the topic.',
    },
  },
} as const;

/**
 * The subscription of one topic: whether its messages arrive, as far as its links tell. Looks for peers where they are few. The
 * service provides `search`.
 */
export const subscriptionMachine = setup({
  types: {} as {
    input: SubscriptionInput;
    context: SubscriptionContext;
    events: SubscriptionEvent;
    emitted: SubscriptionEmitted;
  },
  actors: {
    search: fromPromise<void, { readonly topic: string }>(() => Promise.reject(new Error('Provide search'))),
  },
  delays: {
    pauseMs: ({ context }) => context.pauseMs,
    degradedAfterMs: ({ context }) => context.degradedAfterMs,
  },
  guards: {
    isEnough: ({ context }) => lackOf(context.links) === undefined,
    isShort: ({ context }) => lackOf(context.links) !== undefined,
    isNarrow: ({ context }) => areFew(context.links),
    isWide: ({ context }) => !areFew(context.links),
    // Where there are enough peers they mend the mesh themselves, mostly before it is told.
    isWanting: ({ context: { links, reason } }) => areFew(links) || (reason !== null && isMeshWanted(links)),
    isShortOtherwise: ({ context }) => (lackOf(context.links) ?? context.reason) !== context.reason,
  },
  actions: {
    noteLinks: assign((_, { links }: { links: Links }) => ({ links })),
    noteReason: assign(({ context }) => ({ reason: lackOf(context.links) ?? null })),
    forgetReason: assign({ reason: null }),
    forgetSearches: assign({ searches: 0 }),
    planUrgent: assign(({ context }) => plan(context, urgentPauseMs)),
    planQuiet: assign(({ context }) => plan(context, quietPauseMs)),
    tellDegraded: emit(({ context }) => ({
      type: 'subscription.degraded' as const,
      reason: context.reason ?? 'NO_PEERS',
      links: context.links,
    })),
    tellRecovered: emit(({ context }) => ({
      type: 'subscription.recovered' as const,
      reason: context.reason ?? 'NO_PEERS',
    })),
  },
}).createMachine({
  id: 'subscription',
  context: ({ input }) => ({ ...input, reason: null, searches: 0, pauseMs: 0 }),
  on: {
    'links.changed': { actions: { type: 'noteLinks', params: ({ event }) => event } },
    'subscription.leave': '.left',
  },
  initial: 'joining',
  states: {
    joining: {
      ...seeking,
      always: { guard: 'isEnough', target: 'healthy' },
      after: { degradedAfterMs: 'degraded' },
      description: 'New: its mesh is not there yet.',
    },
    healthy: {
      entry: 'forgetSearches',
      always: { guard: 'isShort', target: 'thinning' },
      initial: 'narrow',
      states: {
        narrow: {
          entry: 'planQuiet',
          always: { guard: 'isWide', target: 'wide' },
          after: { pauseMs: 'seeking' },
          description:
            'All peers of the topic are in the mesh, and they are few: more are looked for, ever less often.',
        },
        seeking: {
          ...seeking.states.seeking,
          invoke: { ...seeking.states.seeking.invoke, onDone: 'narrow', onError: 'narrow' },
        },
        wide: {
          always: { guard: 'isNarrow', target: 'narrow' },
          description: 'The mesh is as it should be.',
        },
      },
    },
    thinning: {
      ...seeking,
      entry: 'forgetSearches',
      always: { guard: 'isEnough', target: 'healthy' },
      after: { degradedAfterMs: 'degraded' },
      description: 'The mesh has become too small. Mostly it is mended before anybody is told.',
    },
    degraded: {
      ...seeking,
      entry: ['forgetSearches', 'noteReason', 'tellDegraded'],
      always: [
        { guard: 'isEnough', target: 'healthy', actions: ['tellRecovered', 'forgetReason'] },
        { guard: 'isShortOtherwise', actions: ['noteReason', 'tellDegraded'] },
      ],
      description: 'Messages may not arrive, and that was told.',
    },
    left: { type: 'final', description: 'It is not wanted any more.' },
  },
});

/** The pause before the next search: it doubles up to its maximum. */
function plan({ heartbeatIntervalMs, searches, seed }: SubscriptionContext, maxRetryDelayMs: number) {
  const next = draw(seed);
  const retryDelayMs = Math.min(maxRetryDelayMs, firstPause * heartbeatIntervalMs);
  const policy: RetryPolicy = { retryDelayMs, maxRetryDelayMs };
  const pauseMs = retryDelay(policy, searches + 1, next.chance);
  return { seed: next.seed, searches: searches + 1, pauseMs };
}
