import { assign, setup } from 'xstate';

/** What an execution starts with. */
export interface ExecutionInput {
  /** Of the request that was first. */
  readonly requestId: string;
  /** Who asked first. */
  readonly peerId: string;
  /** What names the question for good, at the client and at every executor; for whoever looks on. */
  readonly idempotencyKey?: string | undefined;
}

/** What an execution holds. */
export interface ExecutionContext extends ExecutionInput {
  /** How long a client that was lost may take to come back, in ms. */
  readonly rejoinMs: number;
}

/** What happens to an execution. */
export type ExecutionEvent =
  | { readonly type: 'slot.awaited' }
  | { readonly type: 'slot.taken' }
  | { readonly type: 'request.refused' }
  | { readonly type: 'clients.lost'; readonly rejoinMs: number }
  | { readonly type: 'client.joined' }
  | { readonly type: 'answer.ended' }
  | { readonly type: 'answer.failed' }
  | { readonly type: 'deadline.passed' }
  | { readonly type: 'execution.cancel' }
  | { readonly type: 'execution.lose' }
  | { readonly type: 'execution.stop' };

/** How an execution ended: the name of its last state. */
export type ExecutionOutcome =
  | 'answered'
  | 'refused'
  | 'crowdedOut'
  | 'failed'
  | 'omitted'
  | 'cancelled'
  | 'lost'
  | 'stopped'
  | 'interrupted';

/** Every state of an execution. */
export type ExecutionState = 'admitting' | 'queued' | 'running' | 'detached' | ExecutionOutcome;

/**
 * The work on one question, for all requests that ask it: admitted, queued when all slots are taken, run once. It outlives a
 * lost connection for a while. Ends exactly once.
 */
export const executionMachine = setup({
  types: {} as { input: ExecutionInput; context: ExecutionContext; events: ExecutionEvent },
  delays: { rejoinMs: ({ context }) => context.rejoinMs },
  actions: { noteRejoin: assign((_, params: { rejoinMs: number }) => params) },
}).createMachine({
  id: 'execution',
  context: ({ input }) => ({ ...input, rejoinMs: 0 }),
  on: { 'execution.cancel': '.cancelled', 'execution.stop': '.stopped' },
  initial: 'admitting',
  states: {
    admitting: {
      on: {
        'slot.awaited': 'queued',
        'slot.taken': 'running',
        'request.refused': 'refused',
        'deadline.passed': 'omitted',
      },
      description: 'What stands around all requests is asked.',
    },
    queued: {
      on: { 'slot.taken': 'running', 'request.refused': 'refused', 'deadline.passed': 'crowdedOut' },
    },
    running: {
      on: {
        'clients.lost': {
          target: 'detached',
          actions: { type: 'noteRejoin', params: ({ event }) => ({ rejoinMs: event.rejoinMs }) },
        },
        'answer.ended': 'answered',
        'answer.failed': 'failed',
        'deadline.passed': 'omitted',
        'execution.lose': 'lost',
        'execution.stop': 'interrupted',
      },
    },
    detached: {
      after: { rejoinMs: 'lost' },
      on: {
        'client.joined': 'running',
        'answer.ended': 'answered',
        'answer.failed': 'failed',
        'execution.lose': 'lost',
        'execution.stop': 'interrupted',
      },
      description: 'Its client was lost and may come back.',
    },
    answered: { type: 'final', description: 'The whole answer was said.' },
    refused: { type: 'final', description: 'It was not run, and its client is told why.' },
    crowdedOut: { type: 'final', description: 'No slot was free in time: it was not run.' },
    failed: { type: 'final', description: 'The handler failed; its client is told.' },
    omitted: { type: 'final', description: 'Nobody answered in time.' },
    cancelled: { type: 'final', description: 'Its client gave it up.' },
    lost: { type: 'final', description: 'Its client was lost and did not come back.' },
    stopped: { type: 'final', description: 'The node stops; it was not run.' },
    interrupted: { type: 'final', description: 'The node stops while it runs.' },
  },
});

/** Whether a question whose execution ended so must not be run again. */
export function isKnownAfter(state: ExecutionState, hasOutput: boolean): boolean {
  switch (state) {
    case 'answered':
    case 'lost':
    case 'interrupted':
      return true;
    case 'failed':
    case 'omitted':
    case 'cancelled':
      return hasOutput;
    default:
      return false;
  }
}
