import {
  wantedFeatures,
  type AnswerPrefix,
  type LlmRequest,
  type RequestMessage,
  type SignedMessage,
} from '@lloom/codec';
import { zeroAddress } from '@lloom/core';
import { RpcError } from './errors.ts';
import { custom, streamed, unary, type Asked, type Outgoing } from './outgoing.ts';
import type { RpcRuntime } from './runtime.ts';
import type { Answer, CustomProtocol, LlmRequestMessage } from './types.ts';

/** A request that may be made more than once, and of more than one peer. */
export interface CallPlan<Result> {
  /** `ping`, `llmRequest`, or the name of a custom protocol. */
  readonly method: string;
  /** Whether the answer may come in chunks. */
  readonly stream: boolean;
  /**
   * As it is made first, so that wrong input is told at once. `undefined`: it was signed for somebody else, and is signed
   * again before it is made.
   */
  readonly first: Outgoing<Result> | undefined;
  /** What is asked, as a middleware sees it. */
  readonly request: unknown;
  /** The model that is asked for; `undefined` when it is a matter of the peer alone. */
  readonly model: string | undefined;
  /** What another peer must be able to do beyond chat. @default nothing */
  readonly features?: readonly string[];
  /** The idempotency key of a question; `undefined` for all else. */
  readonly key: string | undefined;
  /** Whether a peer that has run it does not run it again. */
  readonly isRepeatable: boolean;
  /** Whether another peer may be asked: it can be signed again here, or is for anybody. */
  readonly canMove: boolean;
  /** Whether another peer may go on with an answer: that takes a new signature. */
  readonly canContinue: boolean;
  /**
   * As it is made another time, signed for whoever is asked.
   * @throws {RpcError} `AUDIENCE_MISMATCH` when it cannot be; what building the first one throws
   */
  again(asked: Asked, prefix: AnswerPrefix | undefined): Promise<Outgoing<Result>>;
}

/** A request whose answer comes in one piece. */
export function planUnary(runtime: RpcRuntime, asked: Asked, message: RequestMessage): CallPlan<unknown> {
  return { ...planUnsigned(runtime, message), first: unary(runtime, asked, message) };
}

/** The same, of a question that was signed for another peer. */
export function planUnsigned(runtime: RpcRuntime, message: RequestMessage): CallPlan<unknown> {
  return {
    stream: false,
    first: undefined,
    ...movesOf(runtime, message),
    again: async (to, prefix) => unary(runtime, to, await messageFor(runtime, to, { message, prefix })),
  };
}

/** A question whose answer may come in chunks. */
export function planStreamed(
  runtime: RpcRuntime,
  asked: Asked,
  message: LlmRequestMessage,
): CallPlan<Answer> {
  return {
    stream: true,
    first: streamed(runtime, asked, message),
    ...movesOf(runtime, message),
    again: async (to, prefix) =>
      streamed(runtime, to, (await messageFor(runtime, to, { message, prefix })) as LlmRequestMessage),
  };
}

/** A request of a custom protocol: it stays with its peer, and nothing keeps that from running it twice. */
export function planCustom<Response>(
  runtime: RpcRuntime,
  asked: Asked,
  what: { readonly protocol: CustomProtocol<unknown, Response>; readonly request: unknown },
): CallPlan<Response> {
  return {
    method: what.protocol.protocolName,
    stream: false,
    first: custom(runtime, asked, what),
    request: what.request,
    model: undefined,
    key: undefined,
    isRepeatable: false,
    canMove: false,
    canContinue: false,
    again: async (to) => custom(runtime, to, what),
  };
}

function movesOf(
  { signer }: RpcRuntime,
  message: RequestMessage,
): Omit<CallPlan<unknown>, 'stream' | 'first' | 'again'> {
  const every = { method: message.type, request: message, isRepeatable: true };
  const still = { canMove: false, canContinue: false };
  if (message.type === 'ping') return { ...every, model: undefined, key: undefined, ...still };
  const { request } = message;
  const canContinue = isSame(signer?.address, request.signer);
  const canMove = canContinue || (request.to === zeroAddress && message.prefix === undefined);
  const { model, idempotencyKey: key } = request.payload;
  const features = wantedFeatures(request.payload);
  return { ...every, model, key, canMove, canContinue, ...(features.length > 0 && { features }) };
}

const utf8 = new TextEncoder();

/** The same question, signed for one peer, and for going on behind the prefix. */
async function messageFor(
  runtime: RpcRuntime,
  { requestId, peerId }: Asked,
  { message, prefix }: { readonly message: RequestMessage; readonly prefix: AnswerPrefix | undefined },
): Promise<RequestMessage> {
  if (message.type === 'ping') return message;
  const { signer, verifier } = runtime;
  const { request } = message;
  const begun = joined(message.prefix, prefix);
  const to = verifier?.addressOf(peerId);
  if (signer === undefined || verifier === undefined || !isSame(signer.address, request.signer)) {
    const isForPeer = request.to === zeroAddress || isSame(to, request.to);
    // What another key has signed can be sent again as it is, and only so.
    if (isForPeer && prefix === undefined) return message;
    throw new RpcError('AUDIENCE_MISMATCH', { requestId, peerId, signedFor: request.to, peer: to ?? peerId });
  }
  const { payloadType, payloadBytes, timestampMs, expiresMs } = request;
  const envelope = await signer.sign({
    payloadType,
    payloadBytes,
    to: to ?? zeroAddress,
    ttlMs: expiresMs - timestampMs,
    ...(begun !== undefined && { inReplyTo: verifier.digest(utf8.encode(begun.text)) }),
  });
  const signed = { ...envelope, payload: request.payload } as SignedMessage<LlmRequest>;
  return { type: 'llmRequest', request: signed, ...(begun !== undefined && { prefix: begun }) };
}

/** What the caller has given, and what was produced behind it. */
function joined(
  given: AnswerPrefix | undefined,
  produced: AnswerPrefix | undefined,
): AnswerPrefix | undefined {
  if (given === undefined || produced === undefined) return given ?? produced;
  const totalCost = (BigInt(given.totalCost) + BigInt(produced.totalCost)).toString();
  return { text: given.text + produced.text, tokens: given.tokens + produced.tokens, totalCost };
}

function isSame(a: string | undefined, b: string): boolean {
  return a?.toLowerCase() === b.toLowerCase();
}
