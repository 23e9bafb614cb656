import { CodecError } from './errors.ts';
import { lloom } from './generated/lloom.js';
import {
  BoundedReader,
  decode,
  encode,
  fieldNumbers,
  malformed,
  plainBytes,
  type MessageFormat,
} from './internal/convert.ts';
import {
  describe,
  FieldProblem,
  record,
  seenFrom,
  under,
  type Field,
  type MessageField,
} from './internal/fields.ts';
import {
  answerChunk,
  answerEnd,
  errorFrame,
  requestHead,
  requestMessage,
  versioned,
} from './internal/frameFields.ts';
import { readPlainChunk, writePlainChunk } from './internal/plainChunk.ts';
import { readTagged } from './internal/schema.ts';
import type {
  ChunkFrame,
  EndFrame,
  ErrorFrame,
  RequestHead,
  RequestMessage,
  ResponseFrame,
} from './types.ts';

// A part is named in errors as it is inside its frame: one field has one path, whichever protocol carried it.

const requestPart: MessageFormat<RequestMessage> = {
  name: 'RequestFrame',
  wire: lloom.RequestMessage,
  unions: { request: { path: [], beside: [3] } },
  fields: under('request', requestMessage),
};

const chunkPart: MessageFormat<ChunkFrame> = {
  name: 'ResponseFrame',
  wire: lloom.AnswerChunk,
  fields: tagged<ChunkFrame>('chunk', answerChunk),
};

const endPart: MessageFormat<EndFrame> = {
  name: 'ResponseFrame',
  wire: lloom.AnswerEnd,
  unions: { 'end.response': { path: [1] } },
  fields: tagged<EndFrame>('end', answerEnd),
};

const errorPart: MessageFormat<ErrorFrame> = {
  name: 'ResponseFrame',
  wire: lloom.ErrorFrame,
  fields: tagged<ErrorFrame>('error', errorFrame),
};

const headPart: MessageFormat<RequestHead> = {
  name: 'RequestFrame',
  wire: lloom.RequestFrame,
  fields: versioned(record<RequestHead>(requestHead)),
};

/**
 * The bytes of a request's message: what stands in a `RequestFrame` as `request`.
 * @throws {CodecError} `INVALID_FIELD`
 */
export const encodeRequestMessage = (message: RequestMessage): Uint8Array => encode(requestPart, message);

/**
 * The request's message of some bytes. Its signature is not verified.
 * @throws {CodecError} `MALFORMED`, `INVALID_FIELD`, `UNKNOWN_VARIANT`
 */
export const decodeRequestMessage = (bytes: Uint8Array): RequestMessage => decode(requestPart, bytes);

/**
 * The bytes of some more text of an answer: what stands in a `ResponseFrame` as `chunk`.
 * @throws {CodecError} `INVALID_FIELD`
 */
export const encodeAnswerChunk = (chunk: ChunkFrame): Uint8Array =>
  writePlainChunk(chunk) ?? encode(chunkPart, chunk);

/**
 * Some more text of an answer. Its signature is not verified.
 * @throws {CodecError} `MALFORMED`, `INVALID_FIELD`
 */
export const decodeAnswerChunk = (bytes: Uint8Array): ChunkFrame =>
  readPlainChunk(bytes) ?? decode(chunkPart, bytes);

/**
 * The bytes of the end of an answer: what stands in a `ResponseFrame` as `end`.
 * @throws {CodecError} `INVALID_FIELD`
 */
export const encodeAnswerEnd = (end: EndFrame): Uint8Array => encode(endPart, end);

/**
 * The end of an answer. Its signatures are not verified.
 * @throws {CodecError} `MALFORMED`, `INVALID_FIELD`, `UNKNOWN_VARIANT`
 */
export const decodeAnswerEnd = (bytes: Uint8Array): EndFrame => decode(endPart, bytes);

/**
 * The bytes of the end of a request that failed: what stands in a `ResponseFrame` as `error`.
 * @throws {CodecError} `INVALID_FIELD`
 */
export const encodeErrorFrame = (error: ErrorFrame): Uint8Array => encode(errorPart, error);

/**
 * The end of a request that failed.
 * @throws {CodecError} `MALFORMED`, `INVALID_FIELD`
 */
export const decodeErrorFrame = (bytes: Uint8Array): ErrorFrame => decode(errorPart, bytes);

const requestField = 7;
/** The kinds of a `ResponseFrame` by their field numbers. */
const responseKinds: readonly (ResponseFrame['type'] | undefined)[] = [undefined, 'chunk', 'end', 'error'];

/**
 * The bytes of a `RequestFrame` whose request is `body`, as it is.
 *
 * @param body what {@link encodeRequestMessage} gives, or whatever both sides agree on
 * @throws {CodecError} `INVALID_FIELD` when the head is none
 */
export function joinRequestFrame(head: RequestHead, body: Uint8Array): Uint8Array {
  return withField(encode(headPart, head), requestField, body);
}

/**
 * The head of a `RequestFrame`, and the bytes of its request: a view, not decoded. A request that comes in several
 * fields is joined, as protobuf joins messages.
 * @throws {CodecError} `MALFORMED`; `INVALID_FIELD` when a field of the head is wrong; `UNKNOWN_VARIANT` when there is
 * no request
 */
export function splitRequestFrame(bytes: Uint8Array): { head: RequestHead; body: Uint8Array } {
  const head: Uint8Array[] = [];
  const body: Uint8Array[] = [];
  let copied = 0;
  const upTo = (end: number): void => {
    if (end > copied) head.push(new Uint8Array(bytes.buffer, bytes.byteOffset + copied, end - copied));
  };
  forEachPart('RequestFrame', bytes, (field, content, start) => {
    if (field !== requestField) return;
    body.push(content);
    upTo(start);
    copied = content.byteOffset - bytes.byteOffset + content.length;
  });
  upTo(bytes.byteLength);
  const decoded = decode(headPart, joined(head));
  if (body.length > 0) return { head: decoded, body: joined(body) };
  throw new CodecError('UNKNOWN_VARIANT', { union: 'RequestFrame.request', fields: [] });
}

/**
 * The bytes of a `ResponseFrame` of that kind with `bytes` in it, as they are.
 *
 * @param bytes what {@link encodeAnswerChunk}, {@link encodeAnswerEnd} or {@link encodeErrorFrame} gives, or whatever
 * both sides agree on
 * @throws {CodecError} `INVALID_FIELD` when it is no kind
 */
export function joinResponseFrame(kind: ResponseFrame['type'], bytes: Uint8Array): Uint8Array {
  const field = responseKinds.indexOf(kind);
  if (field > 0) return withField(new Uint8Array(0), field, bytes);
  const wanted = 'one of chunk, end, error';
  throw new CodecError('INVALID_FIELD', { path: 'kind', got: describe(kind), wanted });
}

/**
 * The kind of a `ResponseFrame`, and the bytes of what is in it: a view, not decoded. Of several kinds the last
 * counts; one that comes in several fields is joined, as protobuf joins messages.
 * @throws {CodecError} `MALFORMED`; `UNKNOWN_VARIANT` when it is of no kind that is known here
 */
export function splitResponseFrame(bytes: Uint8Array): { kind: ResponseFrame['type']; bytes: Uint8Array } {
  let kind: ResponseFrame['type'] | undefined;
  let parts: Uint8Array[] = [];
  forEachPart('ResponseFrame', bytes, (field, content) => {
    const found = responseKinds[field];
    if (found === undefined) return;
    if (found !== kind) parts = [];
    kind = found;
    parts.push(content);
  });
  if (kind !== undefined) return { kind, bytes: joined(parts) };
  const fields = fieldNumbers(bytes, { path: [] });
  throw new CodecError('UNKNOWN_VARIANT', { union: 'ResponseFrame', fields });
}

/** One kind of a frame by itself: with its `type` as a value, without it on the wire. */
function tagged<T extends ResponseFrame>(type: T['type'], field: MessageField<Omit<T, 'type'>>): Field<T> {
  return {
    toWire: (value) => {
      const given: unknown = value?.type;
      if (given !== type) throw new FieldProblem(describe(given), `type ${type}`);
      try {
        return field.toWire(value);
      } catch (error) {
        throw seenFrom(error, type);
      }
    },
    fromWire: (wire) => readTagged<T>(type, field, wire),
  };
}

type Visit = (field: number, content: Uint8Array, start: number) => void;

/**
 * Calls `visit` for each field of the message `what` that has bytes for its content, with the place where it starts;
 * not for those of its parts. The content is a view.
 */
function forEachPart(what: string, bytes: Uint8Array, visit: Visit): void {
  try {
    const reader = new BoundedReader(plainBytes(bytes));
    while (reader.pos < reader.len) {
      const start = reader.pos;
      const tag = reader.tag();
      const field = tag >>> 3;
      if ((tag & 7) === 2 && field > 0) visit(field, reader.bytes(), start);
      else reader.skipType(tag & 7, 0, field);
    }
  } catch (error) {
    throw malformed(what, error);
  }
}

/** Parts one behind the other: a view of the only one, or a copy. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A message with one more field of bytes behind it. */
function withField(message: Uint8Array, field: number, content: Uint8Array): Uint8Array {
  const prefix = [(field << 3) | 2];
  let rest = content.length;
  for (; rest >= 0x80; rest >>>= 7) prefix.push((rest & 0x7f) | 0x80);
  prefix.push(rest);
  const whole = new Uint8Array(message.length + prefix.length + content.length);
  whole.set(message);
  whole.set(prefix, message.length);
  whole.set(content, message.length + prefix.length);
  return whole;
}
