import { ConfigError, LloomError } from '@lloom/core';
import { describe, expect, test } from 'vitest';

import {
  CodecError,
  decodeGossipMessage,
  decodeRequestFrame,
  decodeResponseFrame,
  FrameDecoder,
} from './index.ts';
import { lloom } from './generated/lloom.js';

const every = [
  {
    error: new CodecError('TOO_LARGE', { what: 'frame', sizeBytes: 11, limitBytes: 10 }),
    message: 'Cannot take frame: has 11 bytes, limit is 10',
    retryable: false,
  },
  {
    error: new CodecError('TRUNCATED', { gotBytes: 2, wantedBytes: 3 }),
    message: 'Cannot read frame: got 2 bytes, want 3',
    retryable: true,
  },
  {
    error: new CodecError('MALFORMED', { what: 'LlmRequest', reason: 'it has more than 65536 fields' }),
    message: 'Cannot read LlmRequest: it has more than 65536 fields',
    retryable: false,
  },
  {
    error: new CodecError('UNKNOWN_VARIANT', { union: 'RequestFrame.request', fields: [9, 12] }),
    message:
      'Cannot read RequestFrame.request: it is of a kind that this version does not know (field 9, 12)',
    retryable: false,
  },
  {
    error: new CodecError('UNKNOWN_VARIANT', { union: 'Payload', fields: [] }),
    message: 'Cannot read Payload: it is of a kind that this version does not know',
    retryable: false,
  },
  {
    error: new CodecError('INVALID_FIELD', { path: 'LlmRequest.model', got: 'number', wanted: 'a text' }),
    message: 'Cannot use field "LlmRequest.model": got number, want a text',
    retryable: false,
  },
];

test.for(every)('says what happened and what to do: $message', ({ error, message, retryable }) => {
  const { code, data, hint } = error;
  expect(error).toMatchObject({ name: 'CodecError', message, retryable });
  expect(hint).toMatch(/^[A-Z].+\.$/);
  expect(error.toJSON()).toEqual({ name: 'CodecError', code, message, data, retryable, hint });
  expect(LloomError.isLloomError(error)).toBe(true);
});

test('CodecError.is() tells codes apart, and other errors', () => {
  const error: unknown = new CodecError('TRUNCATED', { gotBytes: 0, wantedBytes: 1 });
  expect(CodecError.is(error)).toBe(true);
  expect(CodecError.is(error, 'TRUNCATED')).toBe(true);
  expect(CodecError.is(error, 'MALFORMED')).toBe(false);
  expect(CodecError.is(new ConfigError([]))).toBe(false);
  expect(CodecError.is({ name: 'CodecError', code: 'TRUNCATED' })).toBe(false);
});

describe('no error repeats what a remote said', () => {
  const said = 'remote-words';
  const long = said.repeat(1_000);
  const bytesOf = (type: { encode(wire: never): { finish(): Uint8Array } }, wire: object): Uint8Array =>
    type.encode(wire as never).finish();
  const frame = (changes: object): Uint8Array =>
    bytesOf(lloom.RequestFrame, { version: 1, request: { ping: {} }, ...changes });
  const signed = (changes: object): Uint8Array =>
    frame({ request: { llmRequest: { payload: Buffer.from(said), payloadType: 'LlmRequest', ...changes } } });
  const wrongs: readonly (readonly [title: string, act: () => unknown])[] = [
    ['in a key', () => decodeRequestFrame(frame({ idempotencyKey: long }))],
    ['in a name of metadata', () => decodeRequestFrame(frame({ metadata: { [long]: '' } }))],
    ['in metadata', () => decodeRequestFrame(frame({ metadata: { a: long } }))],
    ['in the type of a payload', () => decodeRequestFrame(signed({ payloadType: said }))],
    ['in an envelope', () => decodeRequestFrame(signed({ signer: Buffer.from(said) }))],
    ['in an error frame', () => decodeResponseFrame(bytesOf(lloom.ResponseFrame, { error: { code: long } }))],
    [
      'in a price',
      () =>
        decodeGossipMessage(
          bytesOf(lloom.GossipMessage, {
            priceUpdate: { peerId: 'p', model: said, newPrice: { inboundPrice: said, outboundPrice: said } },
          }),
        ),
    ],
    ['in bytes that are no message', () => decodeRequestFrame(Buffer.from(long))],
    ['in bytes that are no frame', () => [...new FrameDecoder({ maxFrameBytes: 5 }).push(Buffer.from(long))]],
  ];

  test.for(wrongs)('%s', ([, act]) => {
    let thrown: unknown;
    try {
      act();
    } catch (error) {
      thrown = error;
    }
    expect(CodecError.is(thrown)).toBe(true);
    const { message, data } = thrown as CodecError;
    expect(message + JSON.stringify(data)).not.toContain('remote');
    expect(message.length).toBeLessThan(300);
  });
});
