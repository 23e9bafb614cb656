import { assign, setup } from 'xstate';
import { retryDelayMs, type AttemptFailure } from '../internal/backoff.ts';
import type { RetryStrategy } from '../types.ts';

/** What a request that may be retried starts with. */
export interface RetryInput {
  readonly requestId: string;
  /** Who is asked first. */
  readonly peerId: string;
  /** What names the question for good, at the client and at every executor; for whoever looks on. */
  readonly idempotencyKey?: string | undefined;
  /** `ping`, `llmRequest`, or the name of a custom protocol. */
  readonly method: string;
  /** How long all attempts may take together, in ms, with the waits between them. */
  readonly timeoutMs: number;
  readonly strategy: Required<RetryStrategy>;
}

/** What such a request holds. */
export interface RetryContext extends RetryInput {
  /** Which attempt is being made or waited for; 1 for the first. */
  readonly attempt: number;
  /** How long the last wait was, or is, in ms. */
  readonly delayMs: number;
}

/** What happens to such a request. */
export type RetryEvent =
  | { readonly type: 'attempt.began' }
  | ({ readonly type: 'attempt.failed' } & AttemptFailure)
  | { readonly type: 'answer.verified' }
  | { readonly type: 'request.exhausted' }
  | { readonly type: 'request.partial' }
  | { readonly type: 'request.cancel' }
  | { readonly type: 'request.stop' };

/** How it ended: the name of its last state. */
export type RetryOutcome = 'succeeded' | 'failed' | 'partial' | 'timedOut' | 'cancelled' | 'stopped';

/** Every state of it. */
export type RetryState = 'preparing' | 'attempting' | 'backingOff' | RetryOutcome;

/**
 * One request over all its attempts. Each is a run of the request machine; this one says what comes between them, and how the
 * whole has ended, exactly once. Whether another attempt is worth it is for the service to say. A proven answer ends it in any
 * state: whoever is asked beside the first may answer while the next attempt is prepared.
 */
export const retryMachine = setup({
  types: {} as { input: RetryInput; context: RetryContext; events: RetryEvent },
  delays: {
    timeoutMs: ({ context }) => context.timeoutMs,
    delayMs: ({ context }) => context.delayMs,
  },
  actions: {
    countAttempt: assign(({ context }, failure: AttemptFailure) => ({
      attempt: context.attempt + 1,
      delayMs: retryDelayMs(context.strategy, context.attempt, failure),
    })),
  },
}).createMachine({
  id: 'retry',
  context: ({ input }) => ({ ...input, attempt: 1, delayMs: 0 }),
  after: { timeoutMs: '.timedOut' },
  on: {
    'attempt.failed': {
      target: '.backingOff',
      actions: { type: 'countAttempt', params: ({ event }) => event },
    },
    'answer.verified': '.succeeded',
    'request.exhausted': '.failed',
    'request.partial': '.partial',
    'request.cancel': '.cancelled',
    'request.stop': '.stopped',
  },
  initial: 'preparing',
  states: {
    preparing: {
      on: { 'attempt.began': 'attempting' },
      description: 'A place with the peer is waited for, and the request is signed.',
    },
    attempting: { description: 'It is with the peer.' },
    backingOff: {
      after: { delayMs: 'preparing' },
      on: { 'attempt.failed': {} },
      description: 'The attempt has failed; the next one waits. What fails meanwhile is no attempt.',
    },
    succeeded: { type: 'final', description: 'The answer is proven.' },
    failed: { type: 'final', description: 'The last attempt failed, and there is no other.' },
    partial: { type: 'final', description: 'The same, and a part of the answer was shown.' },
    timedOut: { type: 'final', description: 'All attempts together took too long.' },
    cancelled: { type: 'final', description: 'The caller gave it up.' },
    stopped: { type: 'final', description: 'The node stops.' },
  },
});
