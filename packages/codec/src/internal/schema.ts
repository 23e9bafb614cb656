import { zeroAddress, zeroDigest, type SignedEnvelope } from '@lloom/core';
import { limits } from '../limits.ts';
import type {
  AnswerSegment,
  ChatMessage,
  ExecutorService,
  LlmRequest,
  LlmResponse,
  PricingInfo,
  ServiceDescriptor,
  ValidatorService,
} from '../types.ts';
import {
  bytes,
  describe,
  double,
  FieldProblem,
  hexBytes,
  isObject,
  list,
  mapped,
  optional,
  record,
  seenFrom,
  text,
  uint32,
  uint64,
  under,
  UnknownVariant,
  wei,
  type Field,
  type MessageField,
} from './fields.ts';
import { BoundedJson, json } from './json.ts';

const anyText = text(limits.messageBytes);
export const name = text(limits.nameBytes, 1);
export const optionalName = optional(name, true);
const names = list(name, limits.listEntries);

export const pricingInfo = record<PricingInfo>({ inboundPrice: wei, outboundPrice: wei });

const chatExtra = new BoundedJson(limits.chatExtraValues);
const chatMessage = record<ChatMessage>({ role: name, content: anyText, extra: chatExtra });
const messages = chatExtra.within(list(chatMessage, limits.chatMessages, 1));

export const llmRequest = record<LlmRequest>({
  model: name,
  messages,
  temperature: optional(double),
  maxTokens: optional(uint32),
  topP: optional(double),
  stop: absentWhenEmpty(list(anyText, limits.listEntries)),
  seed: optional(uint64),
  extra: json,
  maxPrice: optional(wei, true),
  idempotencyKey: name,
});

export const llmResponse = record<LlmResponse>({
  content: anyText,
  finishReason: name,
  inboundTokens: uint64,
  outboundTokens: uint64,
  totalCost: wei,
  modelUsed: name,
  requestDigest: hexBytes(32),
  extra: json,
});

const segmentFields = record<AnswerSegment>({
  requestDigest: hexBytes(32),
  index: uint32,
  prefixDigest: hexBytes(32),
  runningDigest: hexBytes(32),
  tokens: uint64,
  inboundTokens: uint64,
  outboundTokens: uint64,
  totalCost: wei,
  modelUsed: name,
  finishReason: optionalName,
  extra: json,
});

/** What an answer has beyond its text is said at its end, once. */
export const answerSegment: Field<AnswerSegment> = mapped(segmentFields, {
  to: checkSegmentExtra,
  from: checkSegmentExtra,
});

function checkSegmentExtra(segment: AnswerSegment): AnswerSegment {
  if (segment?.extra === undefined || segment.finishReason !== undefined) return segment;
  throw new FieldProblem(describe(segment.extra), 'nothing without a finishReason').within('extra');
}

type ModelPrices = Readonly<Record<string, PricingInfo>>;

const modelPricing: Field<ModelPrices | undefined> = mapped(
  list(
    record<{ model: string; pricing: PricingInfo }>({ model: name, pricing: pricingInfo }),
    limits.listEntries,
  ),
  {
    to: (prices) => {
      if (prices === undefined) return [];
      if (!isObject(prices)) throw new FieldProblem(describe(prices), 'an object');
      return Object.entries(prices).map(([model, pricing]) => ({ model, pricing }));
    },
    from: (entries) => {
      if (entries.length === 0) return undefined;
      const prices = emptyRecord<PricingInfo>();
      for (const { model, pricing } of entries) prices[model] = pricing;
      return prices;
    },
  },
);

const executorService = record<Omit<ExecutorService, 'kind'>>({
  models: names,
  capacity: uint32,
  pricing: optional(pricingInfo),
  modelPricing: modelPricing,
  freeSlots: optional(uint32),
  queueDepth: optional(uint32),
  contextLength: optional(uint32),
  features: absentWhenEmpty(names),
  region: optionalName,
});

const validatorService = record<Omit<ValidatorService, 'kind'>>({ stake: wei });

/** An object to look names up in that others chose: without `constructor` and the like, and `__proto__` is a name. */
export function emptyRecord<V>(): Record<string, V> {
  return Object.create(null) as Record<string, V>;
}

/** One kind out of several: the wire has one of `variants` set. */
export function union<T extends { readonly type: string }>(variants: {
  readonly [K in T['type']]: MessageField<Omit<Extract<T, { readonly type: K }>, 'type'>>;
}): Field<T> {
  const entries = Object.entries<MessageField<object>>(variants);
  const fields = new Map(entries);
  return {
    toWire: (value) => {
      const type = value?.type;
      const field = fields.get(type);
      if (field === undefined)
        throw new FieldProblem(describe(type), `type ${[...fields.keys()].join(', ')}`);
      try {
        return { [type]: field.toWire(value) };
      } catch (error) {
        throw seenFrom(error, type);
      }
    },
    fromWire: (wire) => {
      // Of several kinds on the wire, the decoder keeps the last.
      for (const [type, field] of entries) {
        const found = memberOf(wire, type);
        if (found !== undefined && found !== null) return readTagged<T>(type, field, found);
      }
      throw new UnknownVariant();
    },
  };
}

/** A message with the kind that it is of. */
export function readTagged<T extends { readonly type: string }>(
  type: T['type'],
  field: MessageField<object>,
  wire: unknown,
): T {
  const value: Record<string, unknown> = { type };
  try {
    field.readInto(value, wire);
  } catch (error) {
    throw seenFrom(error, type);
  }
  return value as unknown as T;
}

type Tagged =
  | { readonly type: 'executor'; value: ExecutorService }
  | { readonly type: 'validator'; value: ValidatorService };

const taggedService = union<Tagged>({
  executor: unwrap<ExecutorService>(executorService, 'executor'),
  validator: unwrap<ValidatorService>(validatorService, 'validator'),
});

const serviceType: Field<ExecutorService | ValidatorService> = mapped(taggedService, {
  to: (value) => ({ type: value?.kind, value }) as Tagged,
  from: ({ value }) => value,
});

const maxServices = 16;

/** Services of a kind that is not known here are skipped: a newer peer may offer more than we can use. */
const knownServices: Field<readonly (ExecutorService | ValidatorService)[]> = {
  toWire: (value) => list(serviceType, maxServices).toWire(value),
  fromWire: (wire) => {
    const isKnown = (entry: unknown): boolean =>
      isPresent(entry, 'executor') || isPresent(entry, 'validator');
    const known = [...(wire as unknown[]).entries()].filter(([, entry]) => isKnown(entry));
    if (known.length > maxServices) {
      throw new FieldProblem(describe(known), `a list of 0 to ${maxServices} known services`);
    }
    return known.map(([index, entry]) => under(`[${index}]`, serviceType).fromWire(entry));
  },
};

export const serviceDescriptor = record<ServiceDescriptor>({
  peerId: name,
  sequence: uint64,
  services: knownServices,
  agentVersion: optionalName,
  addresses: list(text(1024, 1), 64),
});

/** The envelope as it lies on the wire: `payload` are the bytes that were signed. */
const envelopeFields = record<Omit<SignedEnvelope, 'payloadBytes'> & { payload: Uint8Array }>(
  {
    payload: bytes,
    payloadType: name,
    signer: hexBytes(20),
    to: hexBytes(20, zeroAddress),
    inReplyTo: hexBytes(32, zeroDigest),
    timestampMs: uint64,
    expiresMs: uint64,
    nonce: hexBytes(32),
    signature: hexBytes(65),
  },
  { payload: 'payloadBytes' },
) as unknown as Field<SignedEnvelope>;

export const envelope: Field<SignedEnvelope> = {
  toWire: (message) => {
    if (!isObject(message)) throw new FieldProblem(describe(message), 'a signed message');
    return envelopeFields.toWire(message);
  },
  fromWire: (wire) => envelopeFields.fromWire(wire),
};

function unwrap<V extends { readonly kind: string }>(
  field: MessageField<Omit<V, 'kind'>>,
  kind: V['kind'],
): MessageField<{ value: V }> {
  const readInto = (target: Record<string, unknown>, wire: unknown): void => {
    const value: Record<string, unknown> = { kind };
    field.readInto(value, wire);
    target['value'] = value;
  };
  return {
    toWire: ({ value }) => field.toWire(value),
    fromWire: (wire) => ({ value: { kind, ...field.fromWire(wire) } as unknown as V }),
    readInto,
  };
}

/** A list of which an empty one says that there is none. */
export function absentWhenEmpty<V>(field: Field<readonly V[]>): Field<readonly V[] | undefined> {
  return mapped(field, {
    to: (value) => value ?? [],
    from: (value) => (value.length === 0 ? undefined : value),
  });
}

function isPresent(wire: unknown, key: string): boolean {
  const value = memberOf(wire, key);
  return value !== null && value !== undefined;
}

function memberOf(wire: unknown, key: string): unknown {
  return (wire as Record<string, unknown> | null | undefined)?.[key];
}
