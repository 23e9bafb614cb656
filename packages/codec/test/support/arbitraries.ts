import * as fc from 'fast-check';
import type { Hex, SignedEnvelope } from '@lloom/core';
import { toHex } from '@lloom/core';

import { encodePayload, limits } from '../../src/index.ts';
import type {
  AnswerPrefix,
  AnswerSegment,
  ChatMessage,
  ChunkFrame,
  EndFrame,
  ErrorFrame,
  ExecutorService,
  GossipMessage,
  JsonObject,
  LlmRequest,
  LlmResponse,
  OpenHead,
  Payload,
  PayloadType,
  PricingInfo,
  RegistryExecutor,
  RegistryFilters,
  RegistryModel,
  RegistryQuery,
  RegistryResult,
  RequestFrame,
  RequestMessage,
  ResponseMessage,
  ServiceDescriptor,
  SignedMessage,
  ValidatorService,
} from '../../src/index.ts';

const treacherous = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'length'];

/** Whole characters of every plane, among them those that break careless code. */
const anyText = (maxLength: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength }),
    fc.string({ unit: 'grapheme', maxLength: Math.min(maxLength, 12) }),
  );

const bounded = (maxBytes: number): fc.Arbitrary<string> =>
  anyText(Math.min(maxBytes, 200)).filter((value) => Buffer.byteLength(value) <= maxBytes);

const name = fc.oneof(
  { weight: 9, arbitrary: bounded(limits.nameBytes).filter((value) => value !== '') },
  { weight: 1, arbitrary: fc.constantFrom(...treacherous, 'x'.repeat(limits.nameBytes)) },
);

const text = anyText(300);
const reason = bounded(limits.reasonBytes);
const nonEmpty = reason.filter((value) => value !== '');

const uint32 = fc.oneof(fc.nat(), fc.constantFrom(0, 1, 127, 128, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff));
const uint64 = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const double = fc.double({ noNaN: true, noDefaultInfinity: true });
const wei = fc.bigInt({ min: 0n, max: 10n ** 78n - 1n }).map(String);

const bytes = (length: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map(toHex);

/** An object with these members as its own, whatever they are called. */
const dictionary = <V>(value: fc.Arbitrary<V>, maxLength: number): fc.Arbitrary<Record<string, V>> =>
  fc
    .uniqueArray(fc.tuple(name, value), { maxLength, selector: ([key]) => key })
    .map((entries) => Object.fromEntries(entries));

const json: fc.Arbitrary<JsonObject> = fc
  .dictionary(anyText(20), fc.jsonValue({ stringUnit: 'binary', maxDepth: 5 }), { maxKeys: 6 })
  // JSON has no negative zero.
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);

const pricing: fc.Arbitrary<PricingInfo> = fc.record({ inboundPrice: wei, outboundPrice: wei });

/** A record whose last fields may be absent. */
function partial<R extends object, O extends object>(
  required: { [K in keyof R]: fc.Arbitrary<R[K]> },
  optional: { [K in keyof O]: fc.Arbitrary<O[K]> },
): fc.Arbitrary<R & Partial<O>> {
  const requiredKeys = Object.keys(required) as never[];
  return fc.record({ ...required, ...optional }, { requiredKeys }) as unknown as fc.Arbitrary<R & Partial<O>>;
}

const chatMessage: fc.Arbitrary<ChatMessage> = partial({ role: name, content: text }, { extra: json });

export const llmRequest: fc.Arbitrary<LlmRequest> = partial(
  {
    model: name,
    messages: fc.array(chatMessage, { minLength: 1, maxLength: 8 }),
    idempotencyKey: name,
  },
  {
    temperature: double,
    maxTokens: uint32,
    topP: double,
    stop: fc.array(text, { minLength: 1, maxLength: 4 }),
    seed: uint64,
    extra: json,
    maxPrice: wei,
  },
);

export const llmResponse: fc.Arbitrary<LlmResponse> = partial(
  {
    content: text,
    finishReason: name,
    inboundTokens: uint64,
    outboundTokens: uint64,
    totalCost: wei,
    modelUsed: name,
    requestDigest: bytes(32),
  },
  { extra: json },
);

const segment = {
  requestDigest: bytes(32),
  index: uint32,
  prefixDigest: bytes(32),
  runningDigest: bytes(32),
  tokens: uint64,
  inboundTokens: uint64,
  outboundTokens: uint64,
  totalCost: wei,
  modelUsed: name,
};

/** One that more follow, or the last. */
export const answerSegment: fc.Arbitrary<AnswerSegment> = fc.oneof(
  fc.record(segment),
  partial({ ...segment, finishReason: name }, { extra: json }),
);

const executor: fc.Arbitrary<ExecutorService> = partial(
  { kind: fc.constant('executor' as const), models: fc.array(name, { maxLength: 6 }), capacity: uint32 },
  {
    pricing,
    modelPricing: dictionary(pricing, 5).filter((prices) => Object.keys(prices).length > 0),
    freeSlots: uint32,
    queueDepth: uint32,
    contextLength: uint32,
    features: fc.array(name, { minLength: 1, maxLength: 4 }),
    region: name,
  },
);

const validator: fc.Arbitrary<ValidatorService> = fc.record({ kind: fc.constant('validator'), stake: wei });

export const serviceDescriptor: fc.Arbitrary<ServiceDescriptor> = partial(
  {
    peerId: name,
    sequence: uint64,
    services: fc.array(fc.oneof(executor, validator), { maxLength: 4 }),
    addresses: fc.array(
      nonEmpty.filter((value) => Buffer.byteLength(value) <= 1_024),
      { maxLength: 4 },
    ),
  },
  { agentVersion: name },
);

/** A payload in an envelope; the signature is none. */
export function signed<T extends Payload>(
  payloadType: PayloadType,
  payload: fc.Arbitrary<T>,
): fc.Arbitrary<SignedMessage<T>> {
  const envelope = fc.record<Omit<SignedEnvelope, 'payloadBytes' | 'payloadType'>>({
    signer: bytes(20),
    to: fc.oneof(bytes(20), fc.constant<Hex>(`0x${'00'.repeat(20)}`)),
    inReplyTo: fc.oneof(bytes(32), fc.constant<Hex>(`0x${'00'.repeat(32)}`)),
    timestampMs: uint64,
    expiresMs: uint64,
    nonce: bytes(32),
    signature: bytes(65),
  });
  return fc.tuple(envelope, payload).map(([fields, value]) => ({
    ...fields,
    payloadType,
    payload: value,
    payloadBytes: encodePayload(payloadType, value),
  }));
}

const head = {
  required: { stream: fc.boolean(), metadata: dictionary(bounded(300), 6) },
  optional: {
    timeoutMs: uint64.filter((value) => value > 0),
    idempotencyKey: name,
    traceparent: name,
  },
};

const answerPrefix: fc.Arbitrary<AnswerPrefix> = fc.record({
  text: text.filter((value) => value !== ''),
  tokens: uint64,
  totalCost: wei,
});

const llmRequestMessage: fc.Arbitrary<RequestMessage> = partial(
  { type: fc.constant('llmRequest' as const), request: signed('LlmRequest', llmRequest) },
  { prefix: answerPrefix },
);
const pingMessage = fc.constant<RequestMessage>({ type: 'ping' });

export const requestMessage = fc.oneof(llmRequestMessage, pingMessage);

const frameOf = (request: fc.Arbitrary<RequestMessage>): fc.Arbitrary<RequestFrame> =>
  partial({ ...head.required, request }, head.optional);

export const llmRequestFrame = frameOf(llmRequestMessage);
export const pingFrame = frameOf(pingMessage);

export const openHead: fc.Arbitrary<OpenHead> = partial(
  { ...head.required, method: name },
  { ...head.optional, sizeBytes: uint64.filter((value) => value > 0) },
);

export const chunkFrame: fc.Arbitrary<ChunkFrame> = partial(
  { type: fc.constant('chunk' as const), sequence: uint64, text, tokens: uint32 },
  { segment: signed('AnswerSegment', answerSegment) },
);

const responseMessage: fc.Arbitrary<ResponseMessage> = fc.oneof(
  fc.record({ type: fc.constant('llmResponse' as const), response: signed('LlmResponse', llmResponse) }),
  fc.constant<ResponseMessage>({ type: 'pong' }),
  fc.record({ type: fc.constant('error' as const), message: reason }),
);

export const endFrame: fc.Arbitrary<EndFrame> = partial(
  { type: fc.constant('end' as const) },
  { response: responseMessage, segment: signed('AnswerSegment', answerSegment) },
);

export const errorFrame: fc.Arbitrary<ErrorFrame> = partial(
  { type: fc.constant('error' as const), code: name, message: reason },
  { reason: name, retryAfterMs: uint64, queueDepth: uint32 },
);

const stamp = { timestampMs: uint64, sequence: uint64 };

export const gossip: Readonly<Record<GossipMessage['type'], fc.Arbitrary<GossipMessage>>> = {
  executorAvailable: fc.record({
    ...stamp,
    type: fc.constant('executorAvailable'),
    peerId: name,
    models: fc.array(name, { maxLength: 6 }),
    capacity: uint32,
    pricing,
  }),
  executorOffline: partial(
    { ...stamp, type: fc.constant('executorOffline' as const), peerId: name },
    { reason: nonEmpty },
  ),
  networkMetrics: fc.record({
    ...stamp,
    type: fc.constant('networkMetrics'),
    totalPeers: uint64,
    activeExecutors: uint64,
    activeRequests: uint64,
    averageLatencyMs: double,
  }),
  priceUpdate: fc.record({
    ...stamp,
    type: fc.constant('priceUpdate'),
    peerId: name,
    model: name,
    newPrice: pricing,
    effectiveAt: uint64,
  }),
};

export const descriptorFrame: fc.Arbitrary<SignedMessage<ServiceDescriptor> | undefined> = fc.option(
  signed('ServiceDescriptor', serviceDescriptor),
  { nil: undefined, freq: 20 },
);

const ratio = fc.double({ min: 0, max: 1, noNaN: true });

/** What may be left out, and is left out when there is nothing in it. */
const filters: fc.Arbitrary<RegistryFilters> = partial(
  {},
  {
    minContextLength: uint32,
    requiredFeatures: fc.array(name, { minLength: 1, maxLength: 4 }),
    maxPrice: wei,
    onlyAvailable: fc.constant(true),
    minSuccessRate: ratio,
  },
);

const page = {
  filters,
  limit: fc.integer({ min: 1, max: limits.registryEntries }),
  offset: uint64.filter((value) => value > 0),
};

const registryModel: fc.Arbitrary<RegistryModel> = partial(
  {
    model: name,
    executorCount: uint32,
    executors: fc.array(name, { maxLength: 4 }),
    features: fc.array(name, { maxLength: 4 }),
  },
  { contextLength: uint32, averagePricing: pricing },
);

const registryExecutor: fc.Arbitrary<RegistryExecutor> = partial(
  {
    descriptor: signed('ServiceDescriptor', serviceDescriptor),
    isConnected: fc.boolean(),
    lastSeenAt: uint64,
  },
  { successRate: ratio },
);

/** Questions to a registry, by kind. */
export const registryQuery: Readonly<Record<RegistryQuery['type'], fc.Arbitrary<RegistryQuery>>> = {
  listAllModels: partial({ type: fc.constant('listAllModels' as const) }, page),
  findModel: partial({ type: fc.constant('findModel' as const), model: name }, page),
  executorInfo: fc.record({ type: fc.constant('executorInfo'), peerId: name }),
  searchByCapabilities: partial({ type: fc.constant('searchByCapabilities' as const) }, page),
  getStatistics: fc.constant({ type: 'getStatistics' }),
};

/** Answers of a registry, by kind. */
export const registryResult: Readonly<Record<RegistryResult['type'], fc.Arbitrary<RegistryResult>>> = {
  modelList: fc.record({
    type: fc.constant('modelList'),
    models: fc.array(registryModel, { maxLength: 4 }),
    totalCount: uint64,
  }),
  executorList: fc.record({
    type: fc.constant('executorList'),
    executors: fc.array(registryExecutor, { maxLength: 3 }),
    totalCount: uint64,
  }),
  executorDetails: partial({ type: fc.constant('executorDetails' as const) }, { executor: registryExecutor }),
  statistics: fc.record({
    type: fc.constant('statistics'),
    totalExecutors: uint64,
    totalModels: uint64,
    connectedExecutors: uint64,
    totalRequests: uint64,
    uptimeMs: uint64,
  }),
  error: fc.record({ type: fc.constant('error'), code: name, message: reason }),
};
