import { draw, retryDelay, spread, type RetryPolicy } from '@lloom/core';
import { assign, emit, fromPromise, setup } from 'xstate';
import type { PublishProblem } from '../errors.ts';
import { fewestTakers, type PublishResult, type PublishTask } from '../internal/publishing.ts';
import { union, without } from '../internal/keys.ts';

/** What an advertisement starts with. */
export interface AdvertisementInput {
  /** The keys of the DHT under which this node is to be found. */
  readonly keys: readonly string[];
  readonly retry: RetryPolicy;
  readonly republishIntervalMs: number;
  /** Where the series of jitters begins. */
  readonly seed: number;
}

interface AdvertisementContext extends AdvertisementInput {
  /** Keys that the DHT has taken since the last renewal. */
  readonly published: readonly string[];
  /** Keys that this node may provide: everything that was ever tried and not retired since. */
  readonly provided: readonly string[];
  /** How many peers have taken the key that the fewest have taken, since the last renewal. */
  readonly takers: number;
  /** Failures in a row. */
  readonly attempt: number;
  readonly delayMs: number;
  /** Why the last publication failed. */
  readonly problem: PublishProblem | undefined;
  /** Whether the service was offered again while it was being withdrawn. */
  readonly offeredAgain: boolean;
}

/** What happens to an advertisement. */
export type AdvertisementEvent =
  | { readonly type: 'advertisement.update'; readonly keys: readonly string[] }
  | { readonly type: 'advertisement.republish' }
  | { readonly type: 'advertisement.withdraw' }
  | { readonly type: 'peers.found' };

/** What an advertisement tells the service. */
export type AdvertisementEmitted =
  | { readonly type: 'advertisement.published' }
  | { readonly type: 'advertisement.retrying'; readonly problem: PublishProblem; readonly delayMs: number }
  | { readonly type: 'advertisement.withdrawn' };

/** Where fewer peers have taken a key it is published again soon: there may be more by then. */
const fewTakers = 8;
const soonMs = 300_000;

/**
 * One advertised service, or one name that is joined: its keys are put into the DHT, again and again, until it is withdrawn. The service provides
 * `publish` and `retire`, which talk to the DHT.
 */
export const advertisementMachine = setup({
  types: {} as {
    input: AdvertisementInput;
    context: AdvertisementContext;
    events: AdvertisementEvent;
    emitted: AdvertisementEmitted;
  },
  actors: {
    publish: fromPromise<PublishResult, PublishTask>(() => Promise.reject(new Error('Provide publish'))),
    retire: fromPromise<unknown, { readonly keys: readonly string[] }>(() =>
      Promise.reject(new Error('Provide retire')),
    ),
  },
  delays: { delayMs: ({ context }) => context.delayMs },
  guards: {
    isComplete: ({ context }, { published }: { published: readonly string[] }) =>
      without(context.keys, [...context.published, ...published]).length === 0,
    hasNewKeys: ({ context }, { keys }: { keys: readonly string[] }) =>
      without(keys, context.keys).length + without(context.keys, keys).length > 0,
    lacksPeers: ({ context }) => context.problem === 'NO_PEERS',
    isOfferedAgain: ({ context }) => context.offeredAgain,
  },
  actions: {
    noteProvided: assign(({ context }) => ({ provided: union(context.provided, context.keys) })),
    noteResult: assign(
      (
        { context },
        { published, retired, takers }: Pick<PublishResult, 'published' | 'retired' | 'takers'>,
      ) => ({
        takers: fewestTakers(context, { published, takers }),
        published: union(context.published, published),
        provided: without(context.provided, retired),
      }),
    ),
    noteOffer: assign((_, params: { offeredAgain: boolean }) => params),
    takeKeys: assign(({ context }, { keys }: { keys: readonly string[] }) => ({
      keys,
      published: without(context.published, without(context.published, keys)),
      attempt: 0,
    })),
    forgetPublished: assign({ published: [] }),
    forgetProvided: assign({ published: [], provided: [], offeredAgain: false }),
    forgetFailures: assign({ attempt: 0 }),
    planRenewal: assign(({ context }) => {
      const { chance, seed } = draw(context.seed);
      const { takers, republishIntervalMs } = context;
      const intervalMs = takers < fewTakers ? Math.min(soonMs, republishIntervalMs) : republishIntervalMs;
      return { seed, attempt: 0, delayMs: spread(intervalMs, chance) };
    }),
    planRetry: assign(({ context }, { problem }: { problem: PublishProblem | undefined }) => {
      const { chance, seed } = draw(context.seed);
      const attempt = context.attempt + 1;
      return { seed, attempt, problem, delayMs: retryDelay(context.retry, attempt, chance) };
    }),
    tellPublished: emit({ type: 'advertisement.published' }),
    tellRetrying: emit(({ context }) => ({
      type: 'advertisement.retrying' as const,
      problem: context.problem ?? 'FAILED',
      delayMs: context.delayMs,
    })),
    tellWithdrawn: emit({ type: 'advertisement.withdrawn' }),
  },
}).createMachine({
  id: 'advertisement',
  context: ({ input }) => ({
    ...input,
    published: [],
    provided: [],
    takers: 0,
    attempt: 0,
    delayMs: 0,
    problem: undefined,
    offeredAgain: false,
  }),
  on: {
    'advertisement.update': {
      target: '.publishing',
      actions: { type: 'takeKeys', params: ({ event }) => ({ keys: event.keys }) },
    },
    'advertisement.republish': { target: '.publishing', actions: ['forgetPublished', 'forgetFailures'] },
    'advertisement.withdraw': '.withdrawing',
  },
  initial: 'publishing',
  states: {
    publishing: {
      entry: 'noteProvided',
      invoke: {
        id: 'publish',
        src: 'publish',
        input: ({ context }) => ({
          keys: without(context.keys, context.published),
          retired: without(context.provided, context.keys),
        }),
        onDone: [
          {
            guard: { type: 'isComplete', params: ({ event }) => event.output },
            target: 'published',
            actions: [{ type: 'noteResult', params: ({ event }) => event.output }, 'tellPublished'],
          },
          {
            target: 'backingOff',
            actions: [
              { type: 'noteResult', params: ({ event }) => event.output },
              { type: 'planRetry', params: ({ event }) => event.output },
              'tellRetrying',
            ],
          },
        ],
        onError: {
          target: 'backingOff',
          actions: [{ type: 'planRetry', params: { problem: 'FAILED' } }, 'tellRetrying'],
        },
      },
    },
    published: {
      entry: 'planRenewal',
      description: 'In the DHT; renewed before others forget it.',
      after: { delayMs: { target: 'publishing', actions: 'forgetPublished' } },
      on: {
        'advertisement.update': [
          {
            guard: { type: 'hasNewKeys', params: ({ event }) => ({ keys: event.keys }) },
            target: 'publishing',
            actions: { type: 'takeKeys', params: ({ event }) => ({ keys: event.keys }) },
          },
          { actions: 'tellPublished' },
        ],
      },
    },
    backingOff: {
      after: { delayMs: 'publishing' },
      on: { 'peers.found': { guard: 'lacksPeers', target: 'publishing', actions: 'forgetFailures' } },
    },
    withdrawing: {
      invoke: {
        id: 'retire',
        src: 'retire',
        input: ({ context }) => ({ keys: context.provided }),
        onDone: 'retired',
        onError: 'retired',
      },
      description: 'What is under way ends first, so that a new offer is not taken back with the old one.',
      on: {
        'advertisement.update': {
          actions: [
            { type: 'takeKeys', params: ({ event }) => ({ keys: event.keys }) },
            { type: 'noteOffer', params: { offeredAgain: true } },
          ],
        },
        'advertisement.withdraw': { actions: { type: 'noteOffer', params: { offeredAgain: false } } },
        'advertisement.republish': {},
      },
    },
    retired: {
      entry: 'tellWithdrawn',
      always: [
        { guard: 'isOfferedAgain', target: 'publishing', actions: 'forgetProvided' },
        { target: 'withdrawn' },
      ],
      description: 'Taken back; decides whether that was all.',
    },
    withdrawn: { type: 'final' },
  },
});
