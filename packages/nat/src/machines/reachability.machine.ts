import { draw, retryDelay, spread } from '@lloom/core';
import { assign, emit, fromPromise, setup } from 'xstate';

/** What finding out whether a node can be reached starts with. */
export interface ReachabilityInput {
  readonly confidenceThreshold: number;
  readonly throttleIntervalMs: number;
  /** Where the series of jitters begins. */
  readonly seed: number;
}

interface ReachabilityContext extends ReachabilityInput {
  /** How often the status was confirmed, as far as it was not contradicted. */
  readonly confidence: number;
  /** The same before it was contradicted. */
  readonly surest: number;
  /** Where the node was reached; empty unless it was. */
  readonly address: string;
  /** Questions in a row that nobody answered. */
  readonly silences: number;
  /** Whether something has changed since the question under way was asked. */
  readonly isHurried: boolean;
  readonly pauseMs: number;
}

/** What came of one question. */
export interface AskOutcome {
  /**
   * - `over`: every address had its turn
   * - `more`: some are still to be tried
   * - `silent`: who was asked said nothing that counts, or nothing that makes a verdict
   * - `idle`: there is nobody to ask, or nothing to ask for
   */
  readonly result: 'over' | 'more' | 'silent' | 'idle';
  /** How long until somebody may be asked, in ms. */
  readonly readyInMs: number;
}

/** What happens while a node finds out whether it can be reached. */
export type ReachabilityEvent =
  /** An address was reached. */
  | { readonly type: 'verdict.public'; readonly address: string }
  /** Every address was tried, and nobody got through to any. */
  | { readonly type: 'verdict.private' }
  /** The node is reached at another address than was told. */
  | { readonly type: 'address.changed'; readonly address: string }
  /** Whose address it is that was told is not sure any more. */
  | { readonly type: 'address.disputed' }
  /** There is something new to ask for, or somebody new to ask. */
  | { readonly type: 'network.changed' }
  | { readonly type: 'probing.configure'; readonly config: Omit<ReachabilityInput, 'seed'> };

/** What it tells the service. */
export type ReachabilityEmitted = {
  readonly type: 'status.changed';
  readonly status: 'public' | 'private' | 'unknown';
  readonly address: string;
};

/** What was not confirmed for so long is not known any more: as long as libp2p itself keeps a verified address, in ms. */
const expiryMs = 600_000;
/** A status that is sure is looked at again so often: twice before it expires, in ms. */
const quietPauseMs = 300_000;
/** The first pause after a question that nobody answered, in ms. */
const silencePauseMs = 1_000;

/**
 * Whether a node can be reached. One region holds the status: verdicts to the contrary take its confidence away, and turn it
 * when none is left. The other one asks, and asks again. The service provides `ask`, and tells verdicts.
 */
export const reachabilityMachine = setup({
  types: {} as {
    input: ReachabilityInput;
    context: ReachabilityContext;
    events: ReachabilityEvent;
    emitted: ReachabilityEmitted;
  },
  actors: {
    ask: fromPromise<AskOutcome>(() => Promise.reject(new Error('Provide ask'))),
  },
  delays: {
    expiryMs,
    pauseMs: ({ context }) => context.pauseMs,
  },
  guards: {
    isLast: ({ context }) => context.confidence <= 1,
    isOtherAddress: ({ context }, { address }: { readonly address: string }) => context.address !== address,
  },
  actions: {
    begin: assign({ confidence: 1, surest: 1 }),
    strengthen: assign(({ context }) => surer(context, context.confidence)),
    // What was proven again is as sure as before anybody contradicted.
    restore: assign(({ context }) => surer(context, context.surest)),
    weaken: assign(({ context }) => ({ confidence: context.confidence - 1 })),
    forget: assign({ confidence: 0, surest: 0, address: '' }),
    noteAddress: assign((_, { address }: { readonly address: string }) => ({ address })),
    forgetAddress: assign({ address: '' }),
    configure: assign(({ context }, { config }: { readonly config: Omit<ReachabilityInput, 'seed'> }) => ({
      ...config,
      confidence: Math.min(context.confidence, config.confidenceThreshold),
      surest: Math.min(context.surest, config.confidenceThreshold),
    })),
    hurry: assign({ isHurried: true }),
    begunAsking: assign({ isHurried: false }),
    planPause: assign(({ context }, { outcome }: { readonly outcome: AskOutcome }) => plan(context, outcome)),
    tellPublic: emit(({ context: { address } }) => told('public', address)),
    tellPrivate: emit(() => told('private')),
    tellUnknown: emit(() => told('unknown')),
  },
}).createMachine({
  id: 'reachability',
  context: ({ input }) => ({
    ...input,
    confidence: 0,
    surest: 0,
    address: '',
    silences: 0,
    isHurried: false,
    pauseMs: 1,
  }),
  type: 'parallel',
  on: {
    'probing.configure': { actions: { type: 'configure', params: ({ event }) => event } },
  },
  states: {
    status: {
      initial: 'unknown',
      states: {
        unknown: {
          on: {
            'verdict.public': {
              target: 'public',
              actions: ['begin', { type: 'noteAddress', params: ({ event }) => event }, 'tellPublic'],
            },
            'verdict.private': { target: 'private', actions: ['begin', 'tellPrivate'] },
          },
          description: 'Nobody has tried, or it is too long ago. The first verdict counts.',
        },
        public: {
          on: {
            'verdict.public': [
              {
                guard: { type: 'isOtherAddress', params: ({ event }) => event },
                target: 'public',
                reenter: true,
                actions: ['restore', { type: 'noteAddress', params: ({ event }) => event }, 'tellPublic'],
              },
              { target: 'public', reenter: true, actions: 'restore' },
            ],
            'verdict.private': [
              { guard: 'isLast', target: 'private', actions: ['begin', 'forgetAddress', 'tellPrivate'] },
              { actions: 'weaken' },
            ],
            'address.changed': {
              guard: { type: 'isOtherAddress', params: ({ event }) => event },
              actions: [{ type: 'noteAddress', params: ({ event }) => event }, 'tellPublic'],
            },
            'address.disputed': { target: 'unknown', actions: ['forget', 'tellUnknown'] },
          },
          after: { expiryMs: { target: 'unknown', actions: ['forget', 'tellUnknown'] } },
          description: 'Somebody got through. Begins anew with each who does.',
        },
        private: {
          on: {
            'verdict.public': [
              {
                guard: 'isLast',
                target: 'public',
                actions: ['begin', { type: 'noteAddress', params: ({ event }) => event }, 'tellPublic'],
              },
              { actions: 'weaken' },
            ],
            'verdict.private': { target: 'private', reenter: true, actions: 'strengthen' },
          },
          after: { expiryMs: { target: 'unknown', actions: ['forget', 'tellUnknown'] } },
          description: 'Nobody got through to any address. Begins anew each time.',
        },
      },
    },
    probing: {
      initial: 'resting',
      states: {
        resting: {
          on: { 'network.changed': 'asking' },
          after: { pauseMs: 'asking' },
          description: 'Waits until it is worth while to ask again.',
        },
        asking: {
          entry: 'begunAsking',
          on: { 'network.changed': { actions: 'hurry' } },
          invoke: {
            id: 'ask',
            src: 'ask',
            onDone: {
              target: 'resting',
              actions: { type: 'planPause', params: ({ event }) => ({ outcome: event.output }) },
            },
            onError: {
              target: 'resting',
              actions: { type: 'planPause', params: { outcome: { result: 'silent', readyInMs: 0 } } },
            },
          },
          description: 'Somebody tries an address.',
        },
      },
    },
  },
});

const told = (status: ReachabilityEmitted['status'], address = ''): ReachabilityEmitted => ({
  type: 'status.changed',
  status,
  address,
});

/** One more than there was, as far as it goes. */
function surer({ confidenceThreshold }: ReachabilityContext, before: number) {
  const confidence = Math.min(before + 1, confidenceThreshold);
  return { confidence, surest: confidence };
}

/** The pause before the next question. */
function plan(context: ReachabilityContext, { result, readyInMs }: AskOutcome) {
  const { chance, seed } = draw(context.seed);
  const { confidence, confidenceThreshold, throttleIntervalMs, isHurried } = context;
  const silences = result === 'silent' ? context.silences + 1 : 0;
  const isSure = result === 'idle' || confidence >= confidenceThreshold;
  const wantedMs = {
    idle: spread(quietPauseMs, chance),
    more: 1,
    over: isSure ? spread(quietPauseMs, chance) : throttleIntervalMs,
    silent: retryDelay(
      { retryDelayMs: silencePauseMs, maxRetryDelayMs: quietPauseMs },
      Math.max(1, silences),
      chance,
    ),
  };
  const pauseMs = Math.max(1, readyInMs, isHurried ? 1 : wantedMs[result]);
  return { seed, silences, pauseMs };
}
