import type { SignedEnvelope } from '@lloom/core';
import { CodecError } from './errors.ts';
import { lloom } from './generated/lloom.js';
import { checked, decode, encode, type MessageFormat } from './internal/convert.ts';
import { describe, isObject, record, uint64 } from './internal/fields.ts';
import { answerSegment, llmRequest, llmResponse, pricingInfo, serviceDescriptor } from './internal/schema.ts';
import { limits } from './limits.ts';
import type {
  ChatMessage,
  LlmRequest,
  LlmRequestInput,
  Payload,
  PayloadType,
  PayloadTypes,
  PricingInfo,
  SignedMessage,
} from './types.ts';

interface Usage {
  readonly inboundTokens: number;
  readonly outboundTokens: number;
}

const formats: { readonly [K in PayloadType]: MessageFormat<PayloadTypes[K]> } = {
  LlmRequest: { name: 'LlmRequest', wire: lloom.LlmRequest, fields: llmRequest },
  LlmResponse: { name: 'LlmResponse', wire: lloom.LlmResponse, fields: llmResponse },
  AnswerSegment: { name: 'AnswerSegment', wire: lloom.AnswerSegment, fields: answerSegment },
  ServiceDescriptor: {
    name: 'ServiceDescriptor',
    wire: lloom.ServiceDescriptor,
    fields: serviceDescriptor,
    maxBytes: limits.descriptorBytes,
  },
};

const usageOf = record<Usage>({ inboundTokens: uint64, outboundTokens: uint64 });

/**
 * The bytes of a payload: what is signed and sent.
 * @throws {CodecError} `INVALID_FIELD`; `UNKNOWN_VARIANT` when `type` is not known here; `TOO_LARGE` when a
 * `ServiceDescriptor` is beyond 64 KiB
 */
export function encodePayload<K extends PayloadType>(type: K, payload: PayloadTypes[K]): Uint8Array {
  return encode(formatOf(type), payload);
}

/**
 * The payload of some bytes. Fields that a newer version added are ignored: keep the bytes, do not encode it again.
 * @throws {CodecError} `MALFORMED`; `INVALID_FIELD`; `UNKNOWN_VARIANT` when `type` is not known here; `TOO_LARGE`
 * when a `ServiceDescriptor` is beyond 64 KiB
 */
export function decodePayload<K extends PayloadType>(type: K, bytes: Uint8Array): PayloadTypes[K] {
  return decode(formatOf(type), bytes);
}

/**
 * Which payload a value is, told by its fields.
 * @throws {CodecError} `INVALID_FIELD` when it is none
 */
export function payloadTypeOf(payload: Payload | LlmRequestInput): PayloadType {
  if (isObject(payload)) {
    if ('runningDigest' in payload) return 'AnswerSegment';
    if ('services' in payload) return 'ServiceDescriptor';
    if ('modelUsed' in payload) return 'LlmResponse';
    if ('messages' in payload || 'prompt' in payload) return 'LlmRequest';
  }
  const wanted = `one of ${Object.keys(formats).join(', ')}`;
  throw new CodecError('INVALID_FIELD', { path: 'payload', got: describe(payload), wanted });
}

/**
 * An envelope with its payload decoded. Verify it before you believe it.
 * @throws {CodecError} `INVALID_FIELD` when the envelope holds another type; else as {@link decodePayload}
 */
export function openEnvelope<K extends PayloadType>(
  type: K,
  envelope: SignedEnvelope,
): SignedMessage<PayloadTypes[K]> {
  if (envelope.payloadType !== type) {
    const data = { path: 'payloadType', got: 'the name of another payload', wanted: `"${type}"` };
    throw new CodecError('INVALID_FIELD', data);
  }
  return { ...envelope, payloadType: type, payload: decodePayload(type, envelope.payloadBytes) };
}

/**
 * A complete request from one that is written short: `systemPrompt` becomes the first message, `prompt` the last.
 *
 * @example
 * ```ts
 * completeLlmRequest({ model: 'demo-small', prompt: 'Hello' }, 'key-1').messages; // [{ role: 'user', content: 'Hello' }]
 * ```
 */
export function completeLlmRequest(input: LlmRequestInput, idempotencyKey: string): LlmRequest {
  const { prompt, systemPrompt, messages = [], idempotencyKey: ownKey, ...rest } = input;
  const all: ChatMessage[] = [...messages];
  if (systemPrompt !== undefined) all.unshift({ role: 'system', content: systemPrompt });
  if (prompt !== undefined) all.push({ role: 'user', content: prompt });
  return { ...rest, messages: all, idempotencyKey: ownKey ?? idempotencyKey };
}

/** Fields of messages that mean nothing to a model without tools. */
const toolFields = ['tool_calls', 'tool_call_id'];

/**
 * What whoever answers a request must be able to do beyond chat, as executors offer it: `tools` for one with tools, calls of them,
 * or their results. An executor that does not know these fields leaves them out, and answers something else. Programs send
 * empty lists for none.
 *
 * @example
 * ```ts
 * wantedFeatures({ messages: [{ role: 'tool', content: '4', extra: { tool_call_id: 'call_1' } }] }); // ['tools']
 * ```
 */
export function wantedFeatures(request: Pick<LlmRequest, 'messages' | 'extra'>): readonly string[] {
  const { messages, extra } = request;
  const lists = [extra?.['tools'], extra?.['functions']];
  const hasTools =
    lists.some((list) => Array.isArray(list) && list.length > 0) ||
    messages.some((message) => toolFields.some((field) => message.extra?.[field] !== undefined));
  return hasTools ? ['tools'] : [];
}

/**
 * What some tokens cost, in wei, exactly.
 * @throws {CodecError} `INVALID_FIELD` when a price is no decimal text, or a count no whole number
 *
 * @example
 * ```ts
 * costOf({ inboundPrice: '500000000000000', outboundPrice: '1000000000000000' }, { inboundTokens: 2, outboundTokens: 3 });
 * // '4000000000000000'
 * ```
 */
export function costOf(pricing: PricingInfo, usage: Usage): string {
  checked('pricing', () => pricingInfo.toWire(pricing));
  checked('usage', () => usageOf.toWire(usage));
  const inbound = BigInt(pricing.inboundPrice) * BigInt(usage.inboundTokens);
  return (inbound + BigInt(pricing.outboundPrice) * BigInt(usage.outboundTokens)).toString();
}

function formatOf<K extends PayloadType>(type: K): MessageFormat<PayloadTypes[K]> {
  if (Object.hasOwn(formats, type)) return formats[type];
  throw new CodecError('UNKNOWN_VARIANT', { union: 'Payload', fields: [] });
}
