import { setup } from 'xstate';
import { neverMs } from './transitionTable.ts';

/** What a request starts with. */
export interface RequestInput {
  readonly requestId: string;
  readonly peerId: string;
  /** What names the question for good, at the client and at every executor; for whoever looks on. */
  readonly idempotencyKey?: string | undefined;
  /** How long a session with the peer may take, in ms; 0 for as long as the whole, or when there is one already. */
  readonly dialTimeoutMs: number;
  /** How long the peer may take to begin its answer, in ms from the last byte sent; 0 for as long as the whole. */
  readonly firstByteTimeoutMs: number;
  /** How long the whole may take, in ms. */
  readonly timeoutMs: number;
}

/** What a request holds. */
export type RequestContext = RequestInput;

/** What a request tells the machine. */
export type RequestEvent =
  | { readonly type: 'session.opened' }
  | { readonly type: 'request.sent' }
  | { readonly type: 'answer.began' }
  | { readonly type: 'answer.stalled' }
  | { readonly type: 'answer.ended' }
  | { readonly type: 'answer.verified' }
  | { readonly type: 'exchange.failed' }
  | { readonly type: 'request.cancel' }
  | { readonly type: 'request.stop' };

/** Each of them, once for all requests. */
export const requestEvents = {
  opened: { type: 'session.opened' },
  sent: { type: 'request.sent' },
  began: { type: 'answer.began' },
  ended: { type: 'answer.ended' },
  stalled: { type: 'answer.stalled' },
  verified: { type: 'answer.verified' },
  failed: { type: 'exchange.failed' },
  cancel: { type: 'request.cancel' },
  stop: { type: 'request.stop' },
} as const satisfies Record<string, RequestEvent>;

/** How a request ended: the name of its last state. */
export type RequestOutcome =
  | 'succeeded'
  | 'unreached'
  | 'silent'
  | 'stalled'
  | 'timedOut'
  | 'failed'
  | 'cancelled'
  | 'stopped';

/** Every state of a request. */
export type RequestState = 'dialing' | 'sending' | 'awaiting' | 'receiving' | 'verifying' | RequestOutcome;

/**
 * One outbound request: a session is opened, the request is sent, the answer is awaited, received and verified. Ends
 * exactly once. The service does the work beside it, and ends the work when the machine has ended.
 */
export const requestMachine = setup({
  types: {} as { input: RequestInput; context: RequestContext; events: RequestEvent },
  delays: {
    dialTimeoutMs: ({ context }) => context.dialTimeoutMs || neverMs,
    firstByteTimeoutMs: ({ context }) => context.firstByteTimeoutMs || neverMs,
    timeoutMs: ({ context }) => context.timeoutMs,
  },
}).createMachine({
  id: 'request',
  context: ({ input }) => input,
  after: { timeoutMs: '.timedOut' },
  on: { 'request.cancel': '.cancelled', 'request.stop': '.stopped', 'exchange.failed': '.failed' },
  initial: 'dialing',
  states: {
    dialing: { after: { dialTimeoutMs: 'unreached' }, on: { 'session.opened': 'sending' } },
    sending: {
      on: { 'request.sent': 'awaiting', 'answer.began': 'receiving', 'answer.ended': 'verifying' },
      description: 'The peer may refuse before everything is sent.',
    },
    awaiting: {
      after: { firstByteTimeoutMs: 'silent' },
      on: { 'answer.began': 'receiving', 'answer.ended': 'verifying' },
    },
    receiving: { on: { 'answer.ended': 'verifying', 'answer.stalled': 'stalled' } },
    verifying: { on: { 'answer.verified': 'succeeded' } },
    succeeded: { type: 'final', description: 'The answer is proven.' },
    unreached: { type: 'final', description: 'No session with the peer in time: nothing was sent.' },
    silent: { type: 'final', description: 'The peer has the request and began no answer in time.' },
    stalled: { type: 'final', description: 'The answer began, and then nothing more came.' },
    timedOut: { type: 'final', description: 'The whole took too long.' },
    failed: { type: 'final', description: 'The exchange failed; its error says why.' },
    cancelled: { type: 'final', description: 'The caller gave it up.' },
    stopped: { type: 'final', description: 'The node stops.' },
  },
});
