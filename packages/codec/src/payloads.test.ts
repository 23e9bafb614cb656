import { describe, expect, test } from 'vitest';

import { errorOf } from '../test/support/errors.ts';
import {
  completeLlmRequest,
  costOf,
  decodePayload,
  encodePayload,
  openEnvelope,
  payloadTypeOf,
  wantedFeatures,
  type AnswerSegment,
  type ChatMessage,
  type JsonObject,
  type LlmRequest,
  type LlmResponse,
  type Payload,
  type PayloadType,
  type ServiceDescriptor,
} from './index.ts';

const digest = `0x${'ab'.repeat(32)}` as const;
const llmRequest: LlmRequest = {
  model: 'demo-small',
  messages: [{ role: 'user', content: 'Hello' }],
  idempotencyKey: 'key-1',
};
const usage = { inboundTokens: 2, outboundTokens: 3, totalCost: '7', modelUsed: 'demo-small' };
const llmResponse: LlmResponse = { ...usage, content: 'Hi', finishReason: 'stop', requestDigest: digest };
const answerSegment: AnswerSegment = {
  ...usage,
  requestDigest: digest,
  index: 0,
  prefixDigest: digest,
  runningDigest: digest,
  tokens: 3,
};
const serviceDescriptor: ServiceDescriptor = { peerId: 'peer-0', sequence: 1, services: [], addresses: [] };

const envelope = {
  payloadType: 'LlmRequest',
  payloadBytes: encodePayload('LlmRequest', llmRequest),
  signer: `0x${'11'.repeat(20)}`,
  to: `0x${'00'.repeat(20)}`,
  inReplyTo: `0x${'00'.repeat(32)}`,
  timestampMs: 1,
  expiresMs: 2,
  nonce: digest,
  signature: `0x${'22'.repeat(65)}`,
} as const;

const codeOf = (act: () => unknown): string => errorOf(act).code;

describe('payloadTypeOf()', () => {
  const payloads: readonly (readonly [PayloadType, Payload])[] = [
    ['LlmRequest', llmRequest],
    ['LlmResponse', llmResponse],
    ['AnswerSegment', answerSegment],
    ['ServiceDescriptor', serviceDescriptor],
  ];

  test.for(payloads)('knows a %s by its fields, also after its way over the wire', ([type, payload]) => {
    expect(payloadTypeOf(payload)).toBe(type);
    expect(payloadTypeOf(decodePayload(type, encodePayload(type, payload)))).toBe(type);
  });

  test('takes a request that is written short for one', () => {
    expect(payloadTypeOf({ model: 'm', prompt: 'Hello' })).toBe('LlmRequest');
  });

  test.for([{}, null, undefined, 'LlmRequest', [], { content: 'x' }])('refuses %o', (value) => {
    expect(codeOf(() => payloadTypeOf(value as unknown as Payload))).toBe('INVALID_FIELD');
  });
});

describe('openEnvelope()', () => {
  test('gives the envelope back with its payload decoded', () => {
    expect(openEnvelope('LlmRequest', envelope)).toEqual({ ...envelope, payload: llmRequest });
  });

  test('refuses an envelope of another payload, without a look into it', () => {
    expect(codeOf(() => openEnvelope('LlmResponse', envelope))).toBe('INVALID_FIELD');
  });

  test('refuses a payload that is none', () => {
    const broken = { ...envelope, payloadBytes: new Uint8Array([0xff]) };
    expect(codeOf(() => openEnvelope('LlmRequest', broken))).toBe('MALFORMED');
  });

  test.for(['Tomorrow', '__proto__', 'constructor', ''])(
    'does not know a payload called "%s"',
    (payloadType) => {
      const type = payloadType as PayloadType;
      expect(codeOf(() => openEnvelope(type, { ...envelope, payloadType }))).toBe('UNKNOWN_VARIANT');
      expect(codeOf(() => encodePayload(type, llmRequest))).toBe('UNKNOWN_VARIANT');
    },
  );
});

describe('a payload that was decoded', () => {
  test('keeps an address in lower case, however it was written', () => {
    const mixed = { ...answerSegment, prefixDigest: digest.replaceAll('ab', 'AB') as `0x${string}` };
    expect(decodePayload('AnswerSegment', encodePayload('AnswerSegment', mixed))).toEqual(answerSegment);
  });

  test('is the same from a Node.js buffer as from plain bytes', () => {
    const bytes = encodePayload('LlmRequest', llmRequest);
    expect(decodePayload('LlmRequest', Buffer.from(bytes))).toStrictEqual(decodePayload('LlmRequest', bytes));
  });
});

describe('completeLlmRequest()', () => {
  test('puts the system prompt first and the prompt last', () => {
    const messages = [
      { role: 'user', content: '1 + 1?' },
      { role: 'assistant', content: '2' },
    ];
    const input = { model: 'm', systemPrompt: 'Be brief.', messages, prompt: 'And 2 + 2?', seed: 7 };
    expect(completeLlmRequest(input, 'key')).toEqual({
      model: 'm',
      messages: [
        { role: 'system', content: 'Be brief.' },
        ...messages,
        { role: 'user', content: 'And 2 + 2?' },
      ],
      seed: 7,
      idempotencyKey: 'key',
    });
    expect(messages).toHaveLength(2);
  });

  test('keeps the key of the caller', () => {
    expect(completeLlmRequest({ ...llmRequest, idempotencyKey: 'mine' }, 'other').idempotencyKey).toBe(
      'mine',
    );
  });
});

describe('wantedFeatures()', () => {
  const chat = (extra?: JsonObject): ChatMessage[] => [
    { role: 'user', content: 'x', ...(extra && { extra }) },
  ];

  test.for<[about: string, request: Parameters<typeof wantedFeatures>[0]]>([
    ['tools', { messages: chat(), extra: { tools: [{ type: 'function' }] } }],
    ['functions, as they were called before', { messages: chat(), extra: { functions: [{ name: 'f' }] } }],
    ['a call of a tool', { messages: chat({ tool_calls: [] }) }],
    ['what a tool said', { messages: chat({ tool_call_id: 'call_1' }) }],
  ])('are tools for %s', ([, request]) => {
    expect(wantedFeatures(request)).toEqual(['tools']);
  });

  test('are none for a chat, whatever else is in it', () => {
    expect(wantedFeatures({ messages: chat() })).toEqual([]);
    const extra = { tools: [], functions: null, top_k: 4 };
    expect(wantedFeatures({ messages: chat({ name: 'Ann' }), extra })).toEqual([]);
  });
});

describe('costOf()', () => {
  const pricing = { inboundPrice: '500000000000000', outboundPrice: '1000000000000000' };

  test('multiplies exactly, beyond what numbers hold', () => {
    expect(costOf(pricing, { inboundTokens: 2, outboundTokens: 3 })).toBe('4000000000000000');
    const most = { inboundPrice: '9'.repeat(78), outboundPrice: '0' };
    const tokens = Number.MAX_SAFE_INTEGER;
    expect(costOf(most, { inboundTokens: tokens, outboundTokens: 0 })).toBe(
      (BigInt('9'.repeat(78)) * BigInt(tokens)).toString(),
    );
  });

  test.for([
    [{ ...pricing, inboundPrice: '0x10' }, 1],
    [{ ...pricing, outboundPrice: '' }, 1],
    [undefined, 1],
    [pricing, -1],
    [pricing, 1.5],
    [pricing, Number.NaN],
  ] as const)('refuses %o with %o tokens', ([price, tokens]) => {
    const act = (): string => costOf(price as never, { inboundTokens: tokens, outboundTokens: 0 });
    expect(codeOf(act)).toBe('INVALID_FIELD');
  });
});
