import { assign, raise, setup } from 'xstate';
import { neverMs } from './transitionTable.ts';

/** What an inbound request starts with. */
export interface InboundInput {
  readonly requestId: string;
  readonly peerId: string;
  /** How long the client may take to send it, in ms; 0 when it is there already, which spares a timer. */
  readonly readTimeoutMs: number;
  /** Until the request says how long its client waits. */
  readonly handleTimeoutMs: number;
}

/** What an inbound request holds. */
export type InboundContext = InboundInput;

/** What happens to an inbound request. */
export type InboundEvent =
  | { readonly type: 'request.read'; readonly handleTimeoutMs: number }
  | { readonly type: 'request.verified' }
  | { readonly type: 'request.refused' }
  | { readonly type: 'slot.awaited' }
  | { readonly type: 'slot.taken' }
  | { readonly type: 'answer.began' }
  | { readonly type: 'answer.ended' }
  | { readonly type: 'answer.failed' }
  | { readonly type: 'client.gone' }
  | { readonly type: 'inbound.stop' };

/** What the machine tells itself. */
interface DeadlinePassed {
  readonly type: 'deadline.passed';
}

/** How an inbound request ended: the name of its last state. */
export type InboundOutcome =
  | 'answered'
  | 'refused'
  | 'slow'
  | 'crowdedOut'
  | 'omitted'
  | 'failed'
  | 'abandoned'
  | 'stopped'
  | 'interrupted';

/** Every state of an inbound request. */
export type InboundState = 'reading' | 'verifying' | 'queued' | 'handling' | 'responding' | InboundOutcome;

/**
 * One inbound request: read, verified, queued when all slots are taken, handled, answered. Ends exactly once. The client's deadline is one for all that
 * comes after reading: it waits no longer because a step took long. The service does the work beside it, and ends the
 * work when the machine has ended.
 */
export const inboundMachine = setup({
  types: {} as { input: InboundInput; context: InboundContext; events: InboundEvent | DeadlinePassed },
  delays: {
    readTimeoutMs: ({ context }) => context.readTimeoutMs || neverMs,
    handleTimeoutMs: ({ context }) => context.handleTimeoutMs,
  },
  actions: {
    noteDeadline: assign((_, params: { handleTimeoutMs: number }) => params),
    // A delay of a state ends with its state; this one runs through four of them.
    startDeadline: raise({ type: 'deadline.passed' }, { id: 'deadline', delay: 'handleTimeoutMs' }),
  },
}).createMachine({
  id: 'inbound',
  context: ({ input }) => input,
  on: { 'client.gone': '.abandoned', 'inbound.stop': '.stopped', 'answer.failed': '.failed' },
  initial: 'reading',
  states: {
    reading: {
      after: { readTimeoutMs: 'slow' },
      on: {
        'request.read': {
          target: 'verifying',
          actions: [
            {
              type: 'noteDeadline',
              params: ({ event }) => ({ handleTimeoutMs: event.handleTimeoutMs }),
            },
            'startDeadline',
          ],
        },
        'request.refused': 'refused',
      },
    },
    verifying: {
      on: {
        'request.verified': 'handling',
        'slot.awaited': 'queued',
        'request.refused': 'refused',
        'deadline.passed': 'omitted',
      },
    },
    queued: {
      on: { 'slot.taken': 'handling', 'request.refused': 'refused', 'deadline.passed': 'crowdedOut' },
    },
    handling: {
      on: {
        'answer.began': 'responding',
        'answer.ended': 'answered',
        'deadline.passed': 'omitted',
        'inbound.stop': 'interrupted',
      },
    },
    responding: {
      on: { 'answer.ended': 'answered', 'deadline.passed': 'omitted', 'inbound.stop': 'interrupted' },
    },
    answered: { type: 'final', description: 'The answer was written.' },
    refused: { type: 'final', description: 'Answered with an error before it was handled.' },
    slow: { type: 'final', description: 'The client took too long to send it.' },
    crowdedOut: { type: 'final', description: 'No slot was free in time: the request was not handled.' },
    omitted: { type: 'final', description: 'Nobody answered in time.' },
    failed: { type: 'final', description: 'The handler failed; the client is told.' },
    abandoned: { type: 'final', description: 'The client is gone.' },
    stopped: { type: 'final', description: 'The node stops; the request was not handled.' },
    interrupted: {
      type: 'final',
      description: 'The node stops while the request is handled: it may have run.',
    },
  },
});
