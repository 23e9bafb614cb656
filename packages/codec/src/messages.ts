import { lloom } from './generated/lloom.js';
import { decode, encode, type MessageFormat } from './internal/convert.ts';
import { double, list, optional, record, uint32, uint64 } from './internal/fields.ts';
import {
  answerChunk,
  answerEnd,
  errorFrame,
  nothing,
  reason,
  requestHead,
  requestMessage,
  signed,
  versioned,
} from './internal/frameFields.ts';
import { name, pricingInfo, union } from './internal/schema.ts';
import { limits } from './limits.ts';
import type {
  GossipMessage,
  RequestFrame,
  ResponseFrame,
  ServiceDescriptor,
  SignedMessage,
} from './types.ts';

const requestFrame: MessageFormat<RequestFrame> = {
  name: 'RequestFrame',
  wire: lloom.RequestFrame,
  unions: { request: { path: [7], beside: [3] } },
  fields: versioned(record<RequestFrame>({ ...requestHead, request: requestMessage })),
};

const responseFrame: MessageFormat<ResponseFrame> = {
  name: 'ResponseFrame',
  wire: lloom.ResponseFrame,
  unions: { 'end.response': { path: [2, 1] } },
  fields: union<ResponseFrame>({ chunk: answerChunk, end: answerEnd, error: errorFrame }),
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
