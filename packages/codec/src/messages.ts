import { CodecError } from './errors.ts';
import { lloom } from './generated/lloom.js';
import { decode, encode, type MessageFormat } from './internal/convert.ts';
import {
  describe,
  double,
  FieldProblem,
  flag,
  isObject,
  list,
  mapped,
  optional,
  record,
  text,
  uint32,
  uint64,
  type Field,
} from './internal/fields.ts';
import { emptyRecord, envelope, name, optionalName, pricingInfo, union } from './internal/schema.ts';
import { limits } from './limits.ts';
import { openEnvelope } from './payloads.ts';
import type {
  ChunkFrame,
  EndFrame,
  ErrorFrame,
  GossipMessage,
  PayloadType,
  PayloadTypes,
  RequestFrame,
  RequestMessage,
  ResponseFrame,
  ResponseMessage,
  ServiceDescriptor,
  SignedMessage,
} from './types.ts';

/** An envelope that must hold one type of payload, decoded. */
function signed<K extends PayloadType>(type: K): Field<SignedMessage<PayloadTypes[K]>> {
  return mapped(envelope, {
    to: (message) => {
      if (message?.payloadType === type) return message;
      throw new FieldProblem('another payload', `"${type}"`).within('payloadType');
    },
    from: (opened) => {
      try {
        return openEnvelope(type, opened);
      } catch (error) {
        if (!CodecError.is(error, 'INVALID_FIELD')) throw error;
        const { path, got, wanted } = error.data;
        throw new FieldProblem(got, wanted).within(path.replace(`${type}.`, 'payload.'));
      }
    },
  });
}

const nothing = record<object>({});
const reason = text(limits.reasonBytes);

const requestMessage = union<RequestMessage>({
  llmRequest: asField('request', signed('LlmRequest')),
  ping: nothing,
});

const responseMessage = union<ResponseMessage>({
  llmResponse: asField('response', signed('LlmResponse')),
  pong: nothing,
  error: record<{ message: string }>({ message: reason }),
});

const metadata: Field<{ readonly [name: string]: string }> = {
  toWire: (value) => checkMetadata(value),
  fromWire: (wire) => checkMetadata(wire),
};

const zeroIsAbsent: Field<number | undefined> = mapped(uint64, {
  to: (value) => value ?? 0,
  from: (value) => (value === 0 ? undefined : value),
});

const requestFrame: MessageFormat<RequestFrame> = {
  name: 'RequestFrame',
  wire: lloom.RequestFrame,
  unions: { request: { path: [7] } },
  fields: versioned(
    record<RequestFrame>({
      timeoutMs: zeroIsAbsent,
      stream: flag,
      idempotencyKey: optionalName,
      traceparent: optionalName,
      metadata,
      request: requestMessage,
    }),
  ),
};

const optionalSegment = optional(signed('AnswerSegment'));

const responseFrame: MessageFormat<ResponseFrame> = {
  name: 'ResponseFrame',
  wire: lloom.ResponseFrame,
  unions: { 'end.response': { path: [2, 1] } },
  fields: union<ResponseFrame>({
    chunk: record<Omit<ChunkFrame, 'type'>>({
      sequence: uint64,
      text: text(limits.messageBytes),
      tokens: uint32,
      segment: optionalSegment,
    }),
    end: record<Omit<EndFrame, 'type'>>({
      response: optional(responseMessage),
      segment: optionalSegment,
    }),
    error: record<Omit<ErrorFrame, 'type'>>({
      code: name,
      message: reason,
      reason: optionalName,
      retryAfterMs: optional(uint64),
      queueDepth: optional(uint32),
    }),
  }),
};

type Stamp = { readonly timestampMs: number; readonly sequence: number };
type WithoutStamp<T> = T extends unknown ? Omit<T, keyof Stamp> : never;

const gossipKinds = union<WithoutStamp<GossipMessage>>({
  executorAvailable: record({
    peerId: name,
    models: list(name, limits.listEntries),
    capacity: uint32,
    pricing: pricingInfo,
  }),
  executorOffline: record<{ peerId: string; reason?: string }>({
    peerId: name,
    reason: optional(reason, true),
  }),
  networkMetrics: record({
    totalPeers: uint64,
    activeExecutors: uint64,
    activeRequests: uint64,
    averageLatencyMs: double,
  }),
  priceUpdate: record({
    peerId: name,
    model: name,
    newPrice: pricingInfo,
    effectiveAt: uint64,
  }),
});

const gossipStamp = record<Stamp>({
  timestampMs: uint64,
  sequence: uint64,
});

const gossipMessage: MessageFormat<GossipMessage> = {
  name: 'GossipMessage',
  wire: lloom.GossipMessage,
  unions: { '': { path: [], beside: [1, 2] } },
  maxBytes: limits.gossipBytes,
  fields: {
    toWire: (value) => ({
      ...(gossipStamp.toWire(value) as object),
      ...(gossipKinds.toWire(value) as object),
    }),
    fromWire: (value) => ({ ...gossipStamp.fromWire(value), ...gossipKinds.fromWire(value) }),
  },
};

const descriptorRequest: MessageFormat<object> = {
  name: 'DescriptorRequest',
  wire: lloom.DescriptorRequest,
  fields: versioned(nothing),
};

const descriptorFrame: MessageFormat<{ readonly descriptor?: SignedMessage<ServiceDescriptor> }> = {
  name: 'DescriptorFrame',
  wire: lloom.DescriptorFrame,
  maxBytes: limits.descriptorBytes,
  fields: record<{ descriptor?: SignedMessage<ServiceDescriptor> }>({
    descriptor: optional(signed('ServiceDescriptor')),
  }),
};

/**
 * The bytes of a request.
 * @throws {CodecError} `INVALID_FIELD`
 */
export const encodeRequestFrame = (frame: RequestFrame): Uint8Array => encode(requestFrame, frame);

/**
 * The request of some bytes. Its signature is not verified.
 * @throws {CodecError} `MALFORMED`, `INVALID_FIELD`, `UNKNOWN_VARIANT`
 */
export const decodeRequestFrame = (bytes: Uint8Array): RequestFrame => decode(requestFrame, bytes);

/**
 * The bytes of one frame of an answer.
 * @throws {CodecError} `INVALID_FIELD`
 */
export const encodeResponseFrame = (frame: ResponseFrame): Uint8Array => encode(responseFrame, frame);

/**
 * One frame of an answer. Its signatures are not verified.
 * @throws {CodecError} `MALFORMED`, `INVALID_FIELD`, `UNKNOWN_VARIANT`
 */
export const decodeResponseFrame = (bytes: Uint8Array): ResponseFrame => decode(responseFrame, bytes);

/**
 * The bytes of a gossip message.
 * @throws {CodecError} `INVALID_FIELD`, or `TOO_LARGE` beyond 64 KiB
 */
export const encodeGossipMessage = (message: GossipMessage): Uint8Array => encode(gossipMessage, message);

/**
 * The gossip message of some bytes.
 * @throws {CodecError} `TOO_LARGE`, `MALFORMED`, `INVALID_FIELD`, `UNKNOWN_VARIANT`
 */
export const decodeGossipMessage = (bytes: Uint8Array): GossipMessage => decode(gossipMessage, bytes);

/** The bytes that ask a peer for its service descriptor. */
export const encodeDescriptorRequest = (): Uint8Array => encode(descriptorRequest, {});

/**
 * Checks that some bytes ask for a service descriptor.
 * @throws {CodecError} `MALFORMED`, `INVALID_FIELD`
 */
export function decodeDescriptorRequest(bytes: Uint8Array): void {
  decode(descriptorRequest, bytes);
}

/**
 * The bytes that carry a signed service descriptor, or say that there is none.
 * @throws {CodecError} `INVALID_FIELD`, or `TOO_LARGE` beyond 64 KiB
 */
export function encodeDescriptorFrame(descriptor: SignedMessage<ServiceDescriptor> | undefined): Uint8Array {
  return encode(descriptorFrame, descriptor === undefined ? {} : { descriptor });
}

/**
 * The service descriptor of some bytes; `undefined` when the peer offers nothing. Its signature is not verified.
 * @throws {CodecError} `TOO_LARGE`, `MALFORMED`, `INVALID_FIELD`
 */
export function decodeDescriptorFrame(bytes: Uint8Array): SignedMessage<ServiceDescriptor> | undefined {
  return decode(descriptorFrame, bytes).descriptor;
}

function asField<K extends string, V>(key: K, field: Field<V>): Field<Record<K, V>> {
  return {
    toWire: (value) => field.toWire(value[key]),
    fromWire: (value) => ({ [key]: field.fromWire(value) }) as Record<K, V>,
  };
}

/** A message that says which version of the format it is in. */
function versioned<T extends object>(field: Field<T>): Field<T> {
  return {
    toWire: (value) => ({ ...(field.toWire(value) as object), version: 1 }),
    fromWire: (wire) => {
      const { version } = wire as { version: number };
      if (version !== 1) throw new FieldProblem(`version ${version}`, 'version 1').within('version');
      return field.fromWire(wire);
    },
  };
}

const metadataValue = text(limits.metadataBytes);

function checkMetadata(value: unknown): Record<string, string> {
  if (!isObject(value)) throw new FieldProblem(describe(value), 'an object');
  const checked = emptyRecord<string>();
  let size = 0;
  for (const [key, entry] of Object.entries(value)) {
    checked[key] = metadataValue.toWire(entry as string) as string;
    size += Buffer.byteLength(name.toWire(key) as string) + Buffer.byteLength(checked[key]);
  }
  if (size > limits.metadataBytes)
    throw new FieldProblem(`${size} bytes`, `at most ${limits.metadataBytes} bytes`);
  return checked;
}
