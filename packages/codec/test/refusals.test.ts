import { describe, expect, test } from 'vitest';

import { limits } from '../src/index.ts';
import { errorOf } from './support/errors.ts';
import { example, signedRequest } from './support/examples.ts';
import { formats, type FormatName } from './support/formats.ts';
import { carelessBytes, onWire, times, withBytes, type Refusal } from './support/refusals.ts';

const long = 'x'.repeat(limits.nameBytes + 1);
const message = { role: 'user', content: 'hi' };

const of =
  (name: FormatName, title: string) =>
  (path: string, changes: object): Refusal => {
    const value = example(title, changes);
    return { name, path: `${name}.${path}`, value, wire: withBytes(value) };
  };

const request = of('LlmRequest', 'the least');
const response = of('LlmResponse', 'a complete answer');
const segment = of('AnswerSegment', 'the last of an answer');
const descriptor = of('ServiceDescriptor', 'a peer that offers nothing any more');
const metrics = { ...example('networkMetrics') };

const executor = (changes: object): object => ({ models: ['m'], capacity: 1, ...changes });
const service = (path: string, changes: object): Refusal => {
  const value = example('a peer that offers nothing any more', {
    services: [{ kind: 'executor', ...executor(changes) }],
  });
  const wire = { ...value, services: [{ executor: executor(changes) }] };
  return onWire('ServiceDescriptor', wire)(`services[0].executor.${path}`, value);
};

const ping = { stream: false, metadata: {}, request: { type: 'ping' } };
const frame = (path: string, changes: object): Refusal =>
  onWire('RequestFrame', { version: 1, request: { ping: {} }, ...changes })(path, { ...ping, ...changes });

const open = (path: string, changes: object): Refusal =>
  onWire('OpenHead', { version: 1, method: 'm', ...changes })(path, {
    stream: false,
    metadata: {},
    method: 'm',
    ...changes,
  });

const signed = (path: string, changes: object): Refusal => {
  const bare = signedRequest(changes);
  const llmRequest = { ...withBytes(bare), payload: bare.payloadBytes };
  const wire = { version: 1, request: { llmRequest } };
  const value = { ...ping, request: { type: 'llmRequest', request: bare } };
  return onWire('RequestFrame', wire)(`request.llmRequest.${path}`, value);
};

const continued = (path: string, changes: object): Refusal => {
  const bare = signedRequest();
  const prefix = { text: 'Hi', tokens: 1, totalCost: '5', ...changes };
  const llmRequest = { ...withBytes(bare), payload: bare.payloadBytes };
  const wire = { version: 1, request: { llmRequest, prefix } };
  const value = { ...ping, request: { type: 'llmRequest', request: bare, prefix } };
  return onWire('RequestFrame', wire)(`request.prefix.${path}`, value);
};

const offer = (path: string, changes: object): Refusal => {
  const value = example('executorAvailable', changes);
  return onWire('GossipMessage', { timestampMs: 1, sequence: 1, executorAvailable: value })(path, value);
};

const refusals: readonly Refusal[] = [
  request('model', { model: '' }),
  request('model', { model: long }),
  request('model', { model: 'é'.repeat(limits.nameBytes / 2 + 1) }),
  request('messages', { messages: [] }),
  request('messages', { messages: times(limits.chatMessages + 1, message) }),
  request('messages[3].role', { messages: [message, message, message, { role: '', content: 'hi' }] }),
  request('temperature', { temperature: Number.NaN }),
  request('topP', { topP: Number.POSITIVE_INFINITY }),
  request('stop', { stop: times(limits.listEntries + 1, 'x') }),
  request('seed', { seed: 2 ** 53 }),
  request('maxPrice', { maxPrice: '-1' }),
  request('maxPrice', { maxPrice: '01' }),
  request('maxPrice', { maxPrice: '1.5' }),
  request('maxPrice', { maxPrice: '9'.repeat(79) }),
  request('idempotencyKey', { idempotencyKey: '' }),
  response('finishReason', { finishReason: '' }),
  response('inboundTokens', { inboundTokens: 2 ** 53 }),
  segment('tokens', { tokens: 2 ** 60 }),
  descriptor('peerId', { peerId: '' }),
  descriptor('sequence', { sequence: 2 ** 53 }),
  descriptor('addresses', { addresses: times(65, '/ip4/192.0.2.1/tcp/1') }),
  descriptor('addresses[1]', { addresses: ['/ip4/192.0.2.1/tcp/1', ''] }),
  descriptor('addresses[0]', { addresses: ['/'.repeat(1_025)] }),
  onWire('ServiceDescriptor', { peerId: 'p', services: times(17, { validator: { stake: '1' } }) })(
    'services',
    example('a peer that offers nothing any more', {
      services: times(17, { kind: 'validator', stake: '1' }),
    }),
  ),
  service('models', { models: times(limits.listEntries + 1, 'm') }),
  service('models[0]', { models: [''] }),
  service('features[1]', { features: ['tools', long] }),
  service('region', { region: long }),
  service('pricing.inboundPrice', { pricing: { inboundPrice: '', outboundPrice: '1' } }),
  frame('metadata', { metadata: { '': 'no name' } }),
  frame('metadata', { metadata: { [long]: 'long name' } }),
  frame('metadata', { metadata: { a: 'x'.repeat(limits.metadataBytes) } }),
  frame('idempotencyKey', { idempotencyKey: long }),
  frame('traceparent', { traceparent: long }),
  frame('timeoutMs', { timeoutMs: 2 ** 53 }),
  open('method', { method: '' }),
  open('method', { method: long }),
  open('sizeBytes', { sizeBytes: 2 ** 53 }),
  open('timeoutMs', { timeoutMs: 2 ** 53 }),
  open('idempotencyKey', { idempotencyKey: long }),
  open('traceparent', { traceparent: long }),
  open('metadata', { metadata: { '': 'no name' } }),
  open('metadata', { metadata: { a: 'x'.repeat(limits.metadataBytes) } }),
  signed('payloadType', { payloadType: 'LlmResponse' }),
  signed('signer', { signer: '0x00' }),
  signed('to', { to: `0x${'11'.repeat(21)}` }),
  signed('inReplyTo', { inReplyTo: `0x${'11'.repeat(31)}` }),
  signed('timestampMs', { timestampMs: 2 ** 53 }),
  signed('nonce', { nonce: '0x' }),
  signed('signature', { signature: `0x${'11'.repeat(64)}` }),
  signed('payload', { payloadBytes: new Uint8Array(0) }),
  continued('text', { text: '' }),
  continued('tokens', { tokens: 2 ** 53 }),
  continued('totalCost', { totalCost: '' }),
  continued('totalCost', { totalCost: '05' }),
  onWire('RequestFrame', { version: 1, request: { ping: {}, prefix: { text: 'Hi' } } })('request.prefix', {
    ...ping,
    request: { type: 'ping', prefix: { text: 'Hi', tokens: 1, totalCost: '5' } },
  }),
  onWire('ResponseFrame', { error: { code: '', message: '' } })('error.code', {
    type: 'error',
    code: '',
    message: '',
  }),
  onWire('ResponseFrame', { error: { code: 'X', message: 'x'.repeat(limits.reasonBytes + 1) } })(
    'error.message',
    {
      type: 'error',
      code: 'X',
      message: 'x'.repeat(limits.reasonBytes + 1),
    },
  ),
  onWire('ResponseFrame', { end: { response: { error: { message: 'x'.repeat(5_000) } } } })(
    'end.response.error.message',
    { type: 'end', response: { type: 'error', message: 'x'.repeat(5_000) } },
  ),
  onWire('ResponseFrame', { chunk: { sequence: 2 ** 53 } })('chunk.sequence', {
    type: 'chunk',
    sequence: 2 ** 53,
    text: '',
    tokens: 0,
  }),
  offer('executorAvailable.pricing', { pricing: undefined }),
  offer('executorAvailable.pricing.outboundPrice', { pricing: { inboundPrice: '1', outboundPrice: 'free' } }),
  offer('executorAvailable.models[0]', { models: [''] }),
  onWire('GossipMessage', { ...metrics, networkMetrics: { ...metrics, averageLatencyMs: Number.NaN } })(
    'networkMetrics.averageLatencyMs',
    { ...metrics, averageLatencyMs: Number.NaN },
  ),
];

describe('one table of values that are refused', () => {
  test.for(refusals)('in both directions: $path', ({ name, path, value, wire }) => {
    const bytes = carelessBytes(name, wire);
    expect(errorOf(() => formats[name].encode(value))).toMatchObject({
      code: 'INVALID_FIELD',
      data: { path },
    });
    expect(errorOf(() => formats[name].decode(bytes))).toMatchObject({
      code: 'INVALID_FIELD',
      data: { path },
    });
  });
});

describe('values that only code without types can make are refused, too', () => {
  const wrongs: readonly (readonly [title: FormatName, path: string, value: unknown])[] = [
    ['LlmRequest', 'LlmRequest', undefined],
    ['LlmRequest', 'LlmRequest', 'text'],
    ['LlmRequest', 'LlmRequest', []],
    ['LlmRequest', 'LlmRequest.model', example('the least', { model: 5 })],
    ['LlmRequest', 'LlmRequest.model', example('the least', { model: 'half \ud83d' })],
    ['LlmRequest', 'LlmRequest.messages', example('the least', { messages: { length: 1 } })],
    ['LlmRequest', 'LlmRequest.messages[0]', example('the least', { messages: [null] })],
    ['LlmRequest', 'LlmRequest.messages[0]', example('the least', { messages: Array(1) })],
    ['LlmRequest', 'LlmRequest.stop[0]', example('the least', { stop: Array(2) })],
    ['LlmRequest', 'LlmRequest.messages[0].content', example('the least', { messages: [{ role: 'user' }] })],
    ['LlmRequest', 'LlmRequest.maxTokens', example('the least', { maxTokens: -1 })],
    ['LlmRequest', 'LlmRequest.maxTokens', example('the least', { maxTokens: 2 ** 32 })],
    ['LlmRequest', 'LlmRequest.seed', example('the least', { seed: 5n })],
    ['LlmRequest', 'LlmRequest.seed', example('the least', { seed: 0.5 })],
    ['LlmRequest', 'LlmRequest.temperature', example('the least', { temperature: null })],
    ['LlmResponse', 'LlmResponse.totalCost', example('a complete answer', { totalCost: 7n })],
    [
      'LlmResponse',
      'LlmResponse.requestDigest',
      example('a complete answer', { requestDigest: `0x${'zz'.repeat(32)}` }),
    ],
    [
      'ServiceDescriptor',
      'ServiceDescriptor.services[0]',
      example('a peer that offers nothing any more', { services: [{ kind: 'miner' }] }),
    ],
    [
      'ServiceDescriptor',
      'ServiceDescriptor.services[0]',
      example('a peer that offers nothing any more', { services: [null] }),
    ],
    [
      'ServiceDescriptor',
      'ServiceDescriptor.services[0].executor.modelPricing',
      example('a peer that offers nothing any more', {
        services: [{ kind: 'executor', ...executor({ modelPricing: 'free' }) }],
      }),
    ],
    ['RequestFrame', 'RequestFrame', null],
    ['RequestFrame', 'RequestFrame.stream', { ...ping, stream: 'yes' }],
    ['RequestFrame', 'RequestFrame.metadata', { ...ping, metadata: undefined }],
    ['RequestFrame', 'RequestFrame.metadata', { ...ping, metadata: { name: undefined } }],
    ['RequestFrame', 'RequestFrame.metadata', { ...ping, metadata: { name: 5 } }],
    ['RequestFrame', 'RequestFrame.metadata', { ...ping, metadata: { name: '\udfff' } }],
    ['RequestFrame', 'RequestFrame.request', { ...ping, request: undefined }],
    ['RequestFrame', 'RequestFrame.request', { ...ping, request: { type: '__proto__' } }],
    [
      'RequestFrame',
      'RequestFrame.request.llmRequest.payloadType',
      { ...ping, request: { type: 'llmRequest' } },
    ],
    [
      'RequestFrame',
      'RequestFrame.request.llmRequest.payload',
      { ...ping, request: { type: 'llmRequest', request: signedRequest({ payloadBytes: [1, 2] }) } },
    ],
    [
      'RequestFrame',
      'RequestFrame.request.prefix',
      { ...ping, request: { type: 'llmRequest', request: signedRequest(), prefix: null } },
    ],
    [
      'RequestFrame',
      'RequestFrame.request.prefix.text',
      { ...ping, request: { type: 'llmRequest', request: signedRequest(), prefix: {} } },
    ],
    ['ResponseFrame', 'ResponseFrame', { type: 'middle' }],
    ['ResponseFrame', 'ResponseFrame', undefined],
    ['ResponseFrame', 'ResponseFrame.end.segment.payloadType', { type: 'end', segment: null }],
    ['GossipMessage', 'GossipMessage', undefined],
    ['GossipMessage', 'GossipMessage.timestampMs', { ...metrics, timestampMs: -1 }],
    ['DescriptorFrame', 'DescriptorFrame.descriptor.payloadType', signedRequest()],
  ];

  test.for(wrongs)('%s: %s', ([name, path, value]) => {
    expect(errorOf(() => formats[name].encode(value))).toMatchObject({
      code: 'INVALID_FIELD',
      data: { path },
    });
  });
});

describe('the extra fields of requests, messages and answers', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  const shared = Array.from({ length: 40 }).reduce<unknown>((inner) => [inner, inner], 'x');
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  const wrongs: readonly (readonly [title: string, extra: unknown])[] = [
    ['a list', []],
    ['a text', 'text'],
    ['null', null],
    ['a cycle', cycle],
    ['one value seen in 2^40 places', { shared }],
    ['65 levels', { a: nested(64) }],
    ['more than 64 KiB', { a: 'x'.repeat(limits.extraBytes) }],
    ['infinity', { a: Number.NEGATIVE_INFINITY }],
    ['a bigint', { a: 1n }],
    ['a function', { a: () => 1 }],
    ['a symbol', { a: Symbol('s') }],
    ['nothing inside a list', { a: [undefined] }],
    ['a hole in a list', { a: Array(3) }],
    ['a date', { a: new Date(0) }],
    ['a map', { a: new Map() }],
    ['half a character', { a: '\ud800' }],
    ['half a character in a name', { '\udc00': 1 }],
  ];

  test.for(wrongs)('cannot hold %s', ([, extra]) => {
    expect(errorOf(() => formats.LlmRequest.encode(example('the least', { extra })))).toMatchObject({
      code: 'INVALID_FIELD',
      data: { path: 'LlmRequest.extra' },
    });
  });

  const user = { role: 'user', content: 'hi' };
  const places: readonly (readonly [path: string, encode: (extra: unknown) => Uint8Array])[] = [
    [
      'LlmRequest.messages[1].extra',
      (extra) => formats.LlmRequest.encode(example('the least', { messages: [user, { ...user, extra }] })),
    ],
    ['LlmResponse.extra', (extra) => formats.LlmResponse.encode(example('a complete answer', { extra }))],
    [
      'AnswerSegment.extra',
      (extra) => formats.AnswerSegment.encode(example('the last of an answer', { extra })),
    ],
  ];

  test.for(places)('are bounded alike in %s', ([path, encode]) => {
    const least = '{"a":""}'.length;
    expect(() => encode({ a: 'x'.repeat(limits.extraBytes - least) })).not.toThrow();
    for (const extra of [[], 'text', { a: nested(64) }, { a: 'x'.repeat(limits.extraBytes - least + 1) }])
      expect(errorOf(() => encode(extra))).toMatchObject({ code: 'INVALID_FIELD', data: { path } });
  });

  test('of all messages together have at most 65,536 values, in both directions', () => {
    // The object, the list, and what is in it.
    const extra = { a: times(limits.chatExtraValues / 4 - 2, 1) };
    const full = times(4, { ...user, extra });
    const most = example('the least', { messages: full });
    for (const _ of times(2, 'a request does not count what the one before had'))
      expect(formats.LlmRequest.decode(formats.LlmRequest.encode(most))).toEqual(most);
    const messages = [...full, { ...user, extra: {} }];
    const refused = { code: 'INVALID_FIELD', data: { path: 'LlmRequest.messages[4].extra' } };
    expect(errorOf(() => formats.LlmRequest.encode(example('the least', { messages })))).toMatchObject(
      refused,
    );
    const onTheWire = messages.map((entry) => ({ ...entry, extra: JSON.stringify(entry.extra) }));
    const bytes = carelessBytes('LlmRequest', example('the least', { messages: onTheWire }));
    expect(errorOf(() => formats.LlmRequest.decode(bytes))).toMatchObject(refused);
  });

  test('stand on the last segment of an answer, and on no other', () => {
    const early = example('one that more follow', { extra: {} });
    const refused = { code: 'INVALID_FIELD', data: { path: 'AnswerSegment.extra' } };
    expect(errorOf(() => formats.AnswerSegment.encode(early))).toMatchObject(refused);
    const bytes = carelessBytes('AnswerSegment', withBytes({ ...early, extra: '{}' }));
    expect(errorOf(() => formats.AnswerSegment.decode(bytes))).toMatchObject(refused);
  });

  test('may have 64 levels, and members that are absent', () => {
    const extra = { a: nested(63), absent: undefined };
    const back = formats.LlmRequest.decode(formats.LlmRequest.encode(example('the least', { extra })));
    expect(back).toEqual(example('the least', { extra: { a: nested(63) } }));
  });

  test('keep a member called __proto__ as a member, and pollute nothing', () => {
    const extra: unknown = JSON.parse(
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":1}}}',
    );
    const back = formats.LlmRequest.decode(formats.LlmRequest.encode(example('the least', { extra })));
    expect(JSON.stringify((back as { extra: unknown }).extra)).toBe(JSON.stringify(extra));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

test('what is absent and what is empty are the same where the format has one word for both', () => {
  const empty = example('the least', { stop: [] });
  expect(formats.LlmRequest.decode(formats.LlmRequest.encode(empty))).toEqual(example('the least'));
  const free = example('the least', { maxPrice: '0', temperature: 0, seed: 0, maxTokens: 0, extra: {} });
  expect(formats.LlmRequest.decode(formats.LlmRequest.encode(free))).toEqual(free);
});

test('looking up a name that nobody sent finds nothing, whatever it is called', () => {
  const bytes = formats.RequestFrame.encode(ping);
  const { metadata } = formats.RequestFrame.decode(bytes) as { metadata: Record<string, string> };
  for (const name of ['constructor', 'toString', '__proto__']) expect(metadata[name]).toBeUndefined();
});

test('a service descriptor of more than 64 KiB is refused unread, in both directions', () => {
  const addresses = times(64, `/dns4/${'x'.repeat(1_000)}/tcp/1`);
  const models = times(limits.listEntries, 'm'.repeat(10));
  const services = [{ kind: 'executor', models, capacity: 1 }];
  const large = example('a peer that offers nothing any more', { addresses, services });
  const error = {
    code: 'TOO_LARGE',
    data: { what: 'ServiceDescriptor', limitBytes: limits.descriptorBytes },
  };
  expect(errorOf(() => formats.ServiceDescriptor.encode(large))).toMatchObject(error);
  expect(errorOf(() => formats.ServiceDescriptor.decode(new Uint8Array(65_537)))).toMatchObject(error);
});

test('the head of a request of more than 8 KiB is refused unread, in both directions', () => {
  const names = Array.from({ length: 1_300 }, (_, index) => [index.toString(36).padStart(3, '0'), '']);
  const head = { stream: false, metadata: Object.fromEntries(names) as object, method: 'm' };
  const data = { what: 'OpenHead', limitBytes: limits.openHeadBytes };
  expect(errorOf(() => formats.OpenHead.encode(head))).toMatchObject({ code: 'TOO_LARGE', data });
  expect(errorOf(() => formats.OpenHead.decode(new Uint8Array(8_193)))).toMatchObject({
    code: 'TOO_LARGE',
    data,
  });
});

test('a gossip message and a descriptor frame of more than 64 KiB are refused unread', () => {
  for (const what of ['GossipMessage', 'DescriptorFrame'] as const) {
    const data = { what, sizeBytes: 65_537, limitBytes: 65_536 };
    expect(errorOf(() => formats[what].decode(new Uint8Array(65_537)))).toEqual({ code: 'TOO_LARGE', data });
  }
});

test('what is no bytes is refused as such', () => {
  for (const nothing of ['', {}, [1], { length: 0 }]) {
    const act = (): unknown => formats.DescriptorFrame.decode(nothing as Uint8Array);
    expect(errorOf(act)).toMatchObject({ code: 'MALFORMED', data: { reason: 'it is no Uint8Array' } });
  }
});
