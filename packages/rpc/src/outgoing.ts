import {
  encodeOpenHead,
  encodeRequestMessage,
  type RequestHead,
  type RequestMessage,
  type ResponseMessage,
} from '@lloom/codec';
import { zeroAddress, type Span } from '@lloom/core';
import { shortageOf } from './callRoom.ts';
import { RpcError } from './errors.ts';
import { AnswerProof } from './internal/answerProof.ts';
import {
  PongReader,
  ProtocolReader,
  ResponseReader,
  StreamReader,
  type AnswerReader,
} from './internal/answerReaders.ts';
import { checkPayload, checkType } from './internal/given.ts';
import type { RequestWatch } from './internal/requestWatch.ts';
import type { RpcRuntime } from './runtime.ts';
import type { Answer, CallConfig, CustomProtocol, LlmRequestMessage, RequestId } from './types.ts';

/** A request to send. */
export interface Outgoing<Result> {
  readonly requestId: RequestId;
  readonly peerId: string;
  readonly method: string;
  /** Its message, encoded. */
  readonly body: Uint8Array;
  /** Whether the answer may come in chunks. */
  readonly stream: boolean;
  readonly idempotencyKey?: string;
  readonly call: CallConfig;
  readonly reader: AnswerReader<Result>;
  /** The model that is asked for. @default it is a matter of the peer alone */
  readonly model?: string;
  /** What follows it. @default nothing does */
  readonly span?: Span;
}

/** A request whose answer may come in chunks. */
export interface StreamedOutgoing extends Outgoing<Answer> {
  readonly reader: StreamReader;
}

/** Which request is made, of whom, and how. */
export interface Asked {
  readonly requestId: RequestId;
  readonly peerId: string;
  readonly call: CallConfig;
}

/**
 * A message that is answered in one piece.
 * @throws {RpcError} `TOO_LARGE`, `RELAY_LIMIT`, `MISSING_PORT`, `AUDIENCE_MISMATCH`
 * @throws {CodecError} `INVALID_FIELD`
 */
export function unary(runtime: RpcRuntime, asked: Asked, message: RequestMessage): Outgoing<ResponseMessage> {
  const parts = messageParts(runtime, asked, message);
  const reader: AnswerReader<ResponseMessage> =
    message.type === 'ping'
      ? new PongReader(asked)
      : new ResponseReader(asked, expectAnswer(runtime, asked, message));
  return { ...parts, stream: false, reader };
}

/**
 * A question that may be answered in chunks.
 * @throws {RpcError} `TOO_LARGE`, `MISSING_PORT`, `AUDIENCE_MISMATCH`
 * @throws {CodecError} `INVALID_FIELD`
 */
export function streamed(runtime: RpcRuntime, asked: Asked, message: LlmRequestMessage): StreamedOutgoing {
  const parts = messageParts(runtime, asked, message);
  checkType(message, 'llmRequest');
  const reader = new StreamReader(asked, expectAnswer(runtime, asked, message));
  return { ...parts, stream: true, reader };
}

/**
 * A request of a custom protocol.
 * @throws {RpcError} `TOO_LARGE`
 * @throws what the protocol's codec throws
 */
export function custom<Request, Response>(
  runtime: RpcRuntime,
  asked: Asked,
  { protocol, request }: { readonly protocol: CustomProtocol<Request, Response>; readonly request: Request },
): Outgoing<Response> {
  const body = protocol.request.encode(request);
  if (!(body instanceof Uint8Array))
    throw new TypeError(`The codec of "${protocol.protocolName}" gave no Uint8Array`);
  checkSize(runtime, asked, body);
  return {
    ...asked,
    method: protocol.protocolName,
    body,
    stream: false,
    reader: new ProtocolReader(asked, protocol.response),
  };
}

const noMetadata = Object.freeze({});

/** What travels beside the message of a request that has so much time left, in ms. */
export function headOf(
  { stream, idempotencyKey, call, span }: Outgoing<unknown>,
  leftMs: number,
  watch: Pick<RequestWatch, 'unsampled'>,
): RequestHead {
  const traceparent = span?.traceparent ?? call.traceparent ?? watch.unsampled;
  const { metadata = noMetadata } = call;
  return {
    timeoutMs: Math.max(1, Math.ceil(leftMs)),
    stream,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(traceparent !== undefined && { traceparent }),
    metadata,
  };
}

function messageParts(
  runtime: RpcRuntime,
  asked: Asked,
  message: RequestMessage,
): Omit<Outgoing<never>, 'stream' | 'reader'> {
  const body = encodeRequestMessage(message);
  checkSize(runtime, asked, body);
  if (message.type === 'ping') return { ...asked, method: message.type, body };
  const { idempotencyKey, model } = checkPayload(message.request.payload);
  return { ...asked, method: message.type, body, idempotencyKey, model };
}

function checkSize(runtime: RpcRuntime, { requestId, peerId, call }: Asked, body: Uint8Array): void {
  const { maxRequestSizeBytes: limitBytes } = runtime.config;
  if (body.length > limitBytes) {
    const sizes = { sizeBytes: body.length, limitBytes };
    throw new RpcError('TOO_LARGE', { requestId, peerId, what: 'request', by: 'this node', ...sizes });
  }
  // Where room can be made, that is tried when it is sent.
  if (runtime.relayBudget?.makeRoom === undefined) {
    const shortage = shortageOf(runtime, { requestId, peerId, body });
    if (shortage !== undefined) throw shortage;
  }
  // Told at once, and not when it is sent.
  if (call.metadata !== undefined) encodeOpenHead({ method: 'ping', stream: false, metadata: call.metadata });
}

/** What the answer has to fit. */
function expectAnswer(
  { verifier, config }: RpcRuntime,
  { requestId, peerId }: Asked,
  { request, prefix }: LlmRequestMessage,
): AnswerProof {
  if (verifier === undefined) throw new RpcError('MISSING_PORT', { port: 'verifier' });
  const own = verifier.addressOf(peerId);
  const executor = own ?? request.to;
  if (request.to !== zeroAddress && own !== undefined && request.to.toLowerCase() !== own.toLowerCase()) {
    throw new RpcError('AUDIENCE_MISMATCH', { requestId, peerId, signedFor: request.to, peer: own });
  }
  const verify = config.signatures === 'require';
  return new AnswerProof({ requestId, peerId, request, verifier, executor, verify, prefix });
}
