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
  text,
  uint32,
  uint64,
  UnknownVariant,
  wei,
  within,
  type Field,
} from './fields.ts';
import { json } from './json.ts';

const anyText = text(limits.messageBytes);
export const name = text(limits.nameBytes, 1);
export const optionalName = optional(name, true);
const names = list(name, limits.listEntries);

export const pricingInfo = record<PricingInfo>({ inboundPrice: wei, outboundPrice: wei });

export const llmRequest = record<LlmRequest>({
  model: name,
  messages: list(record<ChatMessage>({ role: name, content: anyText }), limits.chatMessages, 1),
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
});

export const answerSegment = record<AnswerSegment>({
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
});

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
  readonly [K in T['type']]: Field<Omit<Extract<T, { readonly type: K }>, 'type'>>;
}): Field<T> {
  const entries = Object.entries<Field<object>>(variants);
  const fields = new Map(entries);
  return {
    toWire: (value) => {
      const field = fields.get(value?.type);
      if (field === undefined) {
        throw new FieldProblem(describe(value?.type), `type ${[...fields.keys()].join(', ')}`);
      }
      return { [value.type]: within(value.type, () => field.toWire(value)) };
    },
    fromWire: (wire) => {
      // Of several kinds on the wire, the decoder keeps the last.
      const found = entries.find(([key]) => isPresent(wire, key));
      if (found === undefined) throw new UnknownVariant();
      const [type, field] = found;
      const value = within(type, () => field.fromWire((wire as Record<string, unknown>)[type]));
      return { type, ...value } as unknown as T;
    },
  };
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
    return known.map(([index, entry]) => within(`[${index}]`, () => serviceType.fromWire(entry)));
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
export const envelope: Field<SignedEnvelope> = mapped(
  record<Omit<SignedEnvelope, 'payloadBytes'> & { payload: Uint8Array }>({
    payload: bytes,
    payloadType: name,
    signer: hexBytes(20),
    to: hexBytes(20, zeroAddress),
    inReplyTo: hexBytes(32, zeroDigest),
    timestampMs: uint64,
    expiresMs: uint64,
    nonce: hexBytes(32),
    signature: hexBytes(65),
  }),
  {
    to: (message) => {
      if (!isObject(message)) throw new FieldProblem(describe(message), 'a signed message');
      const { payloadBytes, ...rest } = message;
      return { ...rest, payload: payloadBytes };
    },
    from: ({ payload, ...rest }) => ({ ...rest, payloadBytes: payload }),
  },
);

function unwrap<V extends { readonly kind: string }>(
  field: Field<Omit<V, 'kind'>>,
  kind: V['kind'],
): Field<{ value: V }> {
  return {
    toWire: ({ value }) => field.toWire(value),
    fromWire: (wire) => ({ value: { kind, ...field.fromWire(wire) } as unknown as V }),
  };
}

function absentWhenEmpty<V>(field: Field<readonly V[]>): Field<readonly V[] | undefined> {
  return mapped(field, {
    to: (value) => value ?? [],
    from: (value) => (value.length === 0 ? undefined : value),
  });
}

function isPresent(wire: unknown, key: string): boolean {
  const value = (wire as Record<string, unknown> | null | undefined)?.[key];
  return value !== null && value !== undefined;
}
