import { assign, fromCallback, setup } from 'xstate';

/** What an inbound request starts with. */
export interface InboundInput {
  readonly requestId: string;
  readonly peerId: string;
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
  | { readonly type: 'answer.began' }
  | { readonly type: 'answer.ended' }
  | { readonly type: 'answer.failed' }
  | { readonly type: 'client.gone' }
  | { readonly type: 'inbound.stop' };

/** How an inbound request ended: the name of its last state. */
export type InboundOutcome =
  | 'answered'
  | 'refused'
  | 'slow'
  | 'omitted'
  | 'failed'
  | 'abandoned'
  | 'stopped'
  | 'interrupted';

/**
 * One inbound request: read, verified, handled, answered. Ends exactly once. The service provides `exchange`, which
 * does the work and is stopped with the machine.
 */
export const inboundMachine = setup({
  types: {} as {
    input: InboundInput;
    context: InboundContext;
    events: InboundEvent;
  },
  actors: {
    exchange: fromCallback<InboundEvent, InboundInput>(() => {
      throw new Error('Provide exchange');
    }),
  },
  delays: {
    readTimeoutMs: ({ context }) => context.readTimeoutMs,
    handleTimeoutMs: ({ context }) => context.handleTimeoutMs,
  },
  actions: {
    noteDeadline: assign((_, params: { handleTimeoutMs: number }) => params),
  },
}).createMachine({
  id: 'inbound',
  context: ({ input }) => input,
  invoke: {
    id: 'exchange',
    src: 'exchange',
    input: ({ context }) => context,
    onError: '.failed',
  },
  on: { 'client.gone': '.abandoned', 'inbound.stop': '.stopped', 'answer.failed': '.failed' },
  initial: 'reading',
  states: {
    reading: {
      after: { readTimeoutMs: 'slow' },
      on: {
        'request.read': {
          target: 'verifying',
          actions: {
            type: 'noteDeadline',
            params: ({ event }) => ({ handleTimeoutMs: event.handleTimeoutMs }),
          },
        },
        'request.refused': 'refused',
      },
    },
    verifying: {
      after: { handleTimeoutMs: 'omitted' },
      on: { 'request.verified': 'working', 'request.refused': 'refused' },
    },
    working: {
      after: { handleTimeoutMs: 'omitted' },
      initial: 'handling',
      states: {
        handling: { on: { 'answer.began': 'responding' } },
        responding: {},
      },
      on: { 'answer.ended': 'answered', 'inbound.stop': 'interrupted' },
    },
    answered: { type: 'final' },
    refused: { type: 'final', description: 'Answered with an error before it was handled.' },
    slow: { type: 'final', description: 'The client took too long to send it.' },
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
