import type { Span } from '@lloom/core';
import type { RequestStage, RpcError } from '../errors.ts';
import type { PendingRequest } from '../types.ts';

/** Which request ended, and what was seen of it. */
export interface EndedRequest extends Pick<PendingRequest, 'requestId' | 'peerId' | 'method'> {
  /** How long it has taken, in ms. */
  readonly elapsedMs: number;
  /** How often it was made. */
  readonly attempts: number;
  /** The idempotency key of a question. @default it is none */
  readonly key?: string | undefined;
  /** What follows it; `undefined`: nothing does. */
  readonly span: Span | undefined;
  /** The relay that it went through. @default none, or it was made more than once */
  readonly relay?: string | undefined;
}

/** Told how a request went: how it ended last, and after its outcome was settled. */
export interface OutboundEnd {
  /** The first text of an answer in chunks has come. */
  onFirstChunk(request: EndedRequest): void;
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
