import { assign, fromCallback, setup } from 'xstate';

/** What a request starts with. */
export interface RequestInput {
  readonly requestId: string;
  readonly peerId: string;
  readonly timeoutMs: number;
}

/** Why a request ended without an answer, as far as the machine decides it. */
export type RequestFailure = 'timeout' | 'cancelled' | 'exchange';

/** What a request holds. */
export interface RequestContext extends RequestInput {
  /** The stage in which it failed. */
  readonly stage: string;
  readonly failure: RequestFailure | undefined;
}

/** What a request tells the machine. */
export type RequestEvent =
  | { readonly type: 'stream.opened' }
  | { readonly type: 'request.sent' }
  | { readonly type: 'answer.began' }
  | { readonly type: 'answer.ended' }
  | { readonly type: 'answer.verified' }
  | { readonly type: 'exchange.failed' }
  | { readonly type: 'request.cancel' };

/** How a request ended. */
export interface RequestOutput {
  readonly failure: RequestFailure | undefined;
  readonly stage: string;
}

/**
 * One outbound request: a stream is opened, the request is sent, the answer is awaited, received and verified.
 * The service provides `exchange`, which does the work and is stopped with the machine.
 */
export const requestMachine = setup({
  types: {} as { input: RequestInput; context: RequestContext; output: RequestOutput; events: RequestEvent },
  actors: {
    exchange: fromCallback<RequestEvent, RequestInput>(() => {
      throw new Error('Provide exchange');
    }),
  },
  delays: { timeoutMs: ({ context }) => context.timeoutMs },
  actions: {
    enterStage: assign((_, params: { stage: string }) => params),
    noteFailure: assign((_, params: { failure: RequestFailure }) => params),
  },
}).createMachine({
  id: 'request',
  context: ({ input }) => ({ ...input, stage: 'dialing', failure: undefined }),
  output: ({ context }) => ({ failure: context.failure, stage: context.stage }),
  invoke: {
    id: 'exchange',
    src: 'exchange',
    input: ({ context: { requestId, peerId, timeoutMs } }) => ({ requestId, peerId, timeoutMs }),
    onError: { target: '.failed', actions: { type: 'noteFailure', params: { failure: 'exchange' } } },
  },
  after: {
    timeoutMs: { target: '.failed', actions: { type: 'noteFailure', params: { failure: 'timeout' } } },
  },
  on: {
    'request.cancel': {
      target: '.failed',
      actions: { type: 'noteFailure', params: { failure: 'cancelled' } },
    },
    'exchange.failed': {
      target: '.failed',
      actions: { type: 'noteFailure', params: { failure: 'exchange' } },
    },
  },
  initial: 'dialing',
  states: {
    dialing: { on: { 'stream.opened': 'sending' } },
    sending: {
      entry: { type: 'enterStage', params: { stage: 'sending' } },
      on: { 'request.sent': 'awaiting', 'answer.began': 'receiving', 'answer.ended': 'verifying' },
      description: 'The peer may refuse before everything is sent.',
    },
    awaiting: {
      entry: { type: 'enterStage', params: { stage: 'awaiting' } },
      on: { 'answer.began': 'receiving', 'answer.ended': 'verifying' },
    },
    receiving: {
      entry: { type: 'enterStage', params: { stage: 'receiving' } },
      on: { 'answer.ended': 'verifying' },
    },
    verifying: {
      entry: { type: 'enterStage', params: { stage: 'verifying' } },
      on: { 'answer.verified': 'succeeded' },
    },
    succeeded: { type: 'final' },
    failed: { type: 'final' },
  },
});
