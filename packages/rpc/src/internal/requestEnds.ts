import type { RequestStage, RpcError } from '../errors.ts';
import type { PendingRequest } from '../types.ts';

/** Which request ended. */
export type EndedRequest = Pick<PendingRequest, 'requestId' | 'peerId' | 'method'>;

/** Told how a request ended, after its outcome was settled. */
export interface OutboundEnd {
  onAnswered(request: EndedRequest, result: unknown): void;
  onFailed(request: EndedRequest, error: RpcError): void;
}

/** Told what becomes of a request that is made more than once. */
export interface CallEnd extends OutboundEnd {
  onRetry(request: PendingRequest, failure: { readonly error: RpcError; readonly delayMs: number }): void;
}

/** Why the work of a request ends when the request does. One for all: a stack for each is dear, and tells nothing. */
export const hasEnded = new Error('the request has ended');

const stages: readonly RequestStage[] = ['dialing', 'sending', 'awaiting', 'receiving', 'verifying'];

/** The last of some stages of a request. */
export function furthest(reached: readonly RequestStage[]): RequestStage {
  return stages[Math.max(0, ...reached.map((stage) => stages.indexOf(stage)))] as RequestStage;
}
