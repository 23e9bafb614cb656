import { describe, expect, test } from 'vitest';
import { readChatRequest, type ChatRequest } from './chatRequest.ts';
import { GatewayError } from './errors.ts';

const defaults = { policy: 'balanced', timeoutMs: 120_000 } as const;
const messages = [{ role: 'user', content: 'Hello' }];

const read = (
  fields: object | string,
  headers: Record<string, string> = {},
  config: Parameters<typeof readChatRequest>[1] = defaults,
): ChatRequest => {
  const body = typeof fields === 'string' ? fields : JSON.stringify({ model: 'demo', messages, ...fields });
  return readChatRequest({ body: Buffer.from(body), headers }, config);
};

function problemOf(fields: object | string, headers: Record<string, string> = {}): unknown {
  try {
    return read(fields, headers);
  } catch (error) {
    if (GatewayError.is(error, 'INVALID_REQUEST')) return error.data;
    throw error;
  }
}

describe('a request for a chat completion', () => {
  test('needs a model and messages, and nothing else', () => {
    expect(read({})).toEqual({
      input: { model: 'demo', messages },
      features: [],
      ...{ stream: false, includeUsage: false, policy: 'balanced', timeoutMs: 120_000 },
    });
  });

  test('says how to sample, under the names of OpenAI', () => {
    const fields = { temperature: 0.5, top_p: 0.9, stop: 'END', seed: 7, max_tokens: 5, n: 1 };
    const input = { temperature: 0.5, topP: 0.9, stop: ['END'], seed: 7, maxTokens: 5 };
    expect(read(fields).input).toEqual({ model: 'demo', messages, ...input });
    expect(read({ max_tokens: 5, max_completion_tokens: 6, stop: ['a', 'b'] }).input).toMatchObject({
      maxTokens: 6,
      stop: ['a', 'b'],
    });
  });

  test('passes a negative seed on as it is, which servers take as a wish for chance', () => {
    expect(read({ seed: -1 }).input).toEqual({ model: 'demo', messages, extra: { seed: -1 } });
  });

  test('may say null for what it leaves out', () => {
    const names = [
      'temperature',
      'top_p',
      'stop',
      'seed',
      'max_tokens',
      'max_completion_tokens',
      'n',
      'stream',
    ];
    const nothing = Object.fromEntries([...names, 'stream_options'].map((name) => [name, null]));
    expect(read(nothing).input).toEqual({ model: 'demo', messages });
  });

  test('wants a stream, and what was counted at its end', () => {
    expect(read({ stream: true })).toMatchObject({ stream: true, includeUsage: false });
    expect(read({ stream: true, stream_options: { include_usage: true } })).toMatchObject({
      includeUsage: true,
    });
  });

  test('has all fields that Lloom does not know in extra', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
    const unknown = {
      tools,
      tool_choice: 'auto',
      response_format: { type: 'json_object' },
      user: 'u',
      top_k: 4,
    };
    expect(read(unknown)).toMatchObject({
      input: { model: 'demo', messages, extra: unknown },
      features: ['tools'],
    });
    expect(read({ tools: [], functions: null }).features).toEqual([]);
  });

  test('has the fields of messages that Lloom does not know in their extra', () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
    const given = [
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'assistant', tool_calls: [call] },
      { role: 'tool', content: '4', tool_call_id: 'call_1' },
      { role: 'user', content: 'Hello', name: 'Ann' },
    ];
    const { input, features } = read({ messages: given });
    // Also without tools of its own: whoever does not know these fields would answer another question.
    expect(features).toEqual(['tools']);
    expect(input.messages).toEqual([
      { role: 'assistant', content: '', extra: { content: null, tool_calls: [call] } },
      { role: 'assistant', content: '', extra: { tool_calls: [call] } },
      { role: 'tool', content: '4', extra: { tool_call_id: 'call_1' } },
      { role: 'user', content: 'Hello', extra: { name: 'Ann' } },
    ]);
  });

  test('has parts of text as text, and all parts as they are where there is more to them', () => {
    const one = { type: 'text', text: 'one' };
    const two = { type: 'text', text: 'two' };
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } };
    const marked = { ...two, cache_control: { type: 'ephemeral' } };
    const contents = [[one], [one, two], [one, image, two], [one, marked], []];
    const given = contents.map((content) => ({ role: 'user', content }));
    expect(read({ messages: given }).input.messages).toEqual([
      { role: 'user', content: 'one' },
      { role: 'user', content: 'one\ntwo' },
      { role: 'user', content: 'one\ntwo', extra: { content: [one, image, two] } },
      { role: 'user', content: 'one\ntwo', extra: { content: [one, marked] } },
      { role: 'user', content: '' },
    ]);
  });

  test('is told its limits by headers, and the lower of two caps counts', () => {
    const headers = { 'x-lloom-policy': 'price', 'x-lloom-timeout': '30s', 'idempotency-key': 'a key' };
    expect(read({}, headers)).toMatchObject({
      ...{ policy: 'price', timeoutMs: 30_000 },
      input: { idempotencyKey: 'a key' },
    });
    const capped = (asked: string | undefined, maxPrice?: string): string | undefined =>
      read({}, asked === undefined ? {} : { 'x-lloom-max-price': asked }, {
        ...defaults,
        ...(maxPrice !== undefined && { maxPrice }),
      }).input.maxPrice;
    expect([capped('100'), capped('100', '20'), capped('10', '20'), capped(undefined, '20')]).toEqual([
      '100',
      '20',
      '10',
      '20',
    ]);
  });

  test.for<[param: string, got: string, fields: object | string, headers?: Record<string, string>]>([
    ['body', '4 bytes of something else', 'nope'],
    ['body', '0 bytes of something else', ''],
    ['body', 'a list of 0', '[]'],
    ['body', 'null', 'null'],
    ['model', 'nothing', { model: undefined }],
    ['model', '""', { model: '' }],
    ['model', '7', { model: 7 }],
    ['messages', 'nothing', { messages: undefined }],
    ['messages', 'a list of 0', { messages: [] }],
    ['messages', '"Hello"', { messages: 'Hello' }],
    ['messages[0]', '"Hello"', { messages: ['Hello'] }],
    ['messages[1].role', 'nothing', { messages: [...messages, { content: 'x' }] }],
    ['messages[0].content', '7', { messages: [{ role: 'user', content: 7 }] }],
    [
      'messages[0].content[1]',
      '"x"',
      { messages: [{ role: 'user', content: [{ type: 'text', text: '' }, 'x'] }] },
    ],
    ['n', '2', { n: 2 }],
    ['stream', '"yes"', { stream: 'yes' }],
    ['stream_options', 'true', { stream_options: true }],
    ['stream_options.include_usage', '1', { stream_options: { include_usage: 1 } }],
    ['temperature', '"hot"', { temperature: 'hot' }],
    ['temperature', '-1', { temperature: -1 }],
    ['top_p', '"x"', { top_p: 'x' }],
    ['max_tokens', '0', { max_tokens: 0 }],
    ['max_completion_tokens', '1.5', { max_completion_tokens: 1.5 }],
    ['seed', '0.5', { seed: 0.5 }],
    ['stop', 'a list of 2', { stop: ['a', 7] }],
    ['x-lloom-max-price', '"1.5"', {}, { 'x-lloom-max-price': '1.5' }],
    ['x-lloom-timeout', '"soon"', {}, { 'x-lloom-timeout': 'soon' }],
    ['x-lloom-policy', '"best"', {}, { 'x-lloom-policy': 'best' }],
  ])('is refused for its %s: %s', ([param, got, fields, headers]) => {
    expect(problemOf(fields, headers)).toEqual({ param, got, wanted: expect.stringMatching(/./) as string });
  });

  test('shows little of a value that is large', () => {
    const problem = problemOf({ temperature: 'x'.repeat(10_000) }) as { got: string };
    expect(problem.got.length).toBeLessThan(100);
  });
});
