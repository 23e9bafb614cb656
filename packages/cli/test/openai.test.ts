import type { LlmRequest } from '@lloom/codec';
import { ConfigError } from '@lloom/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isEnd, type BackendChunk, type BackendEnd } from '../src/backends/backend.ts';
import { BackendError } from '../src/backends/errors.ts';
import { openaiBackend, type OpenaiConfig } from '../src/backends/openai.ts';
import {
  event,
  lastChunk,
  ModelServer,
  replyError,
  startStream,
  streamText,
  textChunk,
} from './support/modelServer.ts';

const secret = 'sk-test-5ecret';
const request: LlmRequest = {
  model: 'llama-3',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hello' },
  ],
  idempotencyKey: 'key',
};

let server: ModelServer;
beforeEach(async () => {
  server = await ModelServer.start();
});
afterEach(() => server[Symbol.asyncDispose]());

interface Ask {
  readonly request?: Partial<LlmRequest>;
  readonly config?: Partial<OpenaiConfig>;
  readonly signal?: AbortSignal;
}

function generate(ask: Ask = {}): AsyncIterable<BackendChunk | BackendEnd> {
  const { signal = new AbortController().signal } = ask;
  const config = {
    baseUrl: server.baseUrl,
    models: [{ name: 'llama-3', upstream: 'llama3:8b' }],
    ...ask.config,
  };
  return openaiBackend(config).generate({ ...request, ...ask.request }, { signal });
}

async function answer(ask: Ask = {}): Promise<{ texts: string[]; end: BackendEnd | undefined }> {
  const texts: string[] = [];
  let end: BackendEnd | undefined;
  for await (const piece of generate(ask)) {
    if (isEnd(piece)) end = piece;
    else texts.push(piece.text);
  }
  return { texts, end };
}

async function failure(ask: Ask = {}): Promise<BackendError> {
  const error = await answer({ ...ask, config: { apiKey: secret, ...ask.config } }).catch(
    (thrown: unknown) => thrown,
  );
  if (!BackendError.is(error)) throw new Error(`want a BackendError, got ${String(error)}`);
  // Neither what is shown nor what is logged may hold the key.
  expect(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain(secret);
  return error;
}

describe('what the server is asked', () => {
  test('the chat, as a stream with usage, under the upstream name', async () => {
    await answer();
    const { method, url, body } = server.seen[0]!;
    expect([method, url]).toEqual(['POST', '/v1/chat/completions']);
    expect(body).toEqual({
      model: 'llama3:8b',
      messages: request.messages,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test('every setting of the request', async () => {
    const settings = {
      temperature: 0,
      maxTokens: 7,
      topP: 0.5,
      stop: ['END'],
      seed: 3,
      extra: { top_k: 40, logit_bias: { 5: 1 } },
    };
    await answer({ request: settings });
    expect(server.seen[0]!.body).toMatchObject({
      temperature: 0,
      max_tokens: 7,
      top_p: 0.5,
      stop: ['END'],
      seed: 3,
      top_k: 40,
      logit_bias: { 5: 1 },
    });
  });

  test('nothing in extra that would change who answers or what it costs', async () => {
    const extra = {
      model: 'dear',
      messages: [],
      stream: false,
      n: 9,
      best_of: 9,
      max_completion_tokens: 1e9,
      max_tokens: 1e9,
    };
    await answer({ request: { extra, maxTokens: 7 } });
    const { body } = server.seen[0]!;
    expect(body).toMatchObject({
      model: 'llama3:8b',
      messages: request.messages,
      stream: true,
      max_tokens: 7,
    });
    expect(body).not.toHaveProperty('n');
    expect(body).not.toHaveProperty('best_of');
    expect(body).not.toHaveProperty('max_completion_tokens');
  });

  test.each([
    ['none', false, {}],
    ['prefill', true, {}],
    ['vllm', true, { continue_final_message: true, add_generation_prompt: false }],
  ] as const)(
    'what makes it go on behind a beginning, by "%s"',
    async (continuation, canContinue, wanted) => {
      const config = { continuation };
      const models = [{ name: 'llama-3' }];
      expect(openaiBackend({ baseUrl: server.baseUrl, models, ...config }).canContinue).toBe(canContinue);
      await answer({ config });
      const messages = [...request.messages, { role: 'assistant', content: 'Hel' }] as const;
      await answer({ config, request: { messages } });
      const [whole, begun] = server.seen.map(({ body }) => body);
      expect(begun).toEqual({ ...whole, messages, ...wanted });
      expect(whole).not.toHaveProperty('continue_final_message');
    },
  );

  test('the key as bearer token', async () => {
    await answer({ config: { apiKey: secret } });
    expect(server.seen[0]!.headers.authorization).toBe(`Bearer ${secret}`);
  });

  test('no key, and nothing else of the environment, without one', async () => {
    vi.stubEnv('OPENAI_API_KEY', secret);
    vi.stubEnv('OPENAI_ADMIN_KEY', secret);
    vi.stubEnv('OPENAI_ORG_ID', 'org');
    vi.stubEnv('OPENAI_PROJECT_ID', 'project');
    vi.stubEnv('OPENAI_BASE_URL', 'http://127.0.0.1:1/');
    try {
      await answer();
    } finally {
      vi.unstubAllEnvs();
    }
    const { headers } = server.seen[0]!;
    expect(headers).not.toHaveProperty('authorization');
    expect(headers).not.toHaveProperty('openai-organization');
    expect(headers).not.toHaveProperty('openai-project');
  });

  test("the limit under the name that OpenAI's own models take", async () => {
    const bodies: string[] = [];
    vi.stubGlobal('fetch', (_url: string, { body }: { readonly body: string }) => {
      bodies.push(body);
      return Promise.resolve(new Response(lastChunk(), { headers: { 'content-type': 'text/event-stream' } }));
    });
    try {
      await answer({ request: { maxTokens: 7 }, config: { baseUrl: 'https://api.openai.com/v1' } });
    } finally {
      vi.unstubAllGlobals();
    }
    expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ max_completion_tokens: 7 });
    expect(JSON.parse(bodies[0] ?? '')).not.toHaveProperty('max_tokens');
  });

  test('a model under its own name when it has no other', async () => {
    await answer({ config: { models: [{ name: 'llama-3' }] } });
    expect(server.seen[0]!.body['model']).toBe('llama-3');
  });
});

describe('what comes of the answer', () => {
  test('its chunks and the counts of the server', async () => {
    const usage = { prompt_tokens: 11, completion_tokens: 22, total_tokens: 33 };
    server.reply = (response) => streamText(response, ['Hel', 'lo'], { usage });
    expect(await answer()).toEqual({
      texts: ['Hel', 'lo'],
      end: { finishReason: 'stop', inboundTokens: 11, outboundTokens: 22 },
    });
  });

  test('no counts when the server tells none, or nonsense', async () => {
    server.reply = (response) => streamText(response, ['Hel', 'lo']);
    expect((await answer()).end).toEqual({ finishReason: 'stop' });
    server.reply = (response) =>
      streamText(response, ['x'], { usage: { prompt_tokens: -1, completion_tokens: 'many' } });
    expect((await answer()).end).toEqual({ finishReason: 'stop' });
  });

  test.each([
    ['length', 'length'],
    ['content_filter', 'contentFilter'],
    ['constructor', 'constructor'],
    ['tool_calls', 'tool_calls'],
  ])('finish reason %s', async (finishReason, wanted) => {
    server.reply = (response) => streamText(response, ['x'], { finishReason });
    expect((await answer()).end).toEqual({ finishReason: wanted });
  });

  test('chunks with less in them than the format says', async () => {
    server.reply = (response) => {
      startStream(response);
      response.write(`: a comment\n\n${event({})}${event({ choices: [] })}${event({ choices: [{}] })}`);
      response.write(event('null'));
      response.write(event({ choices: [{ delta: { role: 'assistant', content: null } }] }));
      response.write(event({ choices: [{ delta: { content: 'ok' } }], usage: null }));
      response.end(lastChunk());
    };
    expect(await answer()).toEqual({ texts: ['ok'], end: { finishReason: 'stop' } });
  });

  test('an empty answer', async () => {
    server.reply = (response) => streamText(response, []);
    expect(await answer()).toEqual({ texts: [], end: { finishReason: 'stop' } });
  });

  test('text as it arrives', async () => {
    const gate = Promise.withResolvers<void>();
    server.reply = async (response) => {
      startStream(response);
      response.write(textChunk('first'));
      await gate.promise;
      response.end(textChunk('second') + lastChunk());
    };
    const texts: string[] = [];
    for await (const piece of generate()) {
      if (isEnd(piece)) break;
      texts.push(piece.text);
      gate.resolve();
    }
    expect(texts).toEqual(['first', 'second']);
  });
});

describe('what goes wrong', () => {
  test.each([
    [400, 'REJECTED'],
    [401, 'UNAUTHORIZED'],
    [403, 'UNAUTHORIZED'],
    [404, 'MODEL_UNKNOWN'],
    [422, 'REJECTED'],
    [429, 'BUSY'],
    [500, 'SERVER_FAILED'],
    [503, 'SERVER_FAILED'],
  ])('HTTP %i is %s', async (status, code) => {
    server.reply = (response) => replyError(response, status, { message: `wrong key: ${secret}` });
    const error = await failure();
    expect(error.code).toBe(code);
    expect(error.data).toMatchObject({
      server: server.baseUrl,
      status,
      remoteMessage: expect.stringContaining('[key]') as string,
    });
    expect(server.seen).toHaveLength(1);
  });

  test.each([
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': '7', 'retry-after-ms': '250' }, 250],
    [{ 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' }, 0],
    [{ 'retry-after': '999999999' }, 3_600_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('when to come back: %j', async (headers, wanted) => {
    server.reply = (response) => replyError(response, 429, { headers });
    const error = await failure();
    expect((error.data as { retryAfterMs?: number }).retryAfterMs).toBe(wanted);
  });

  test('nobody listens', async () => {
    const gone = await ModelServer.start();
    const { baseUrl } = gone;
    await gone[Symbol.asyncDispose]();
    const error = await failure({ config: { baseUrl } });
    expect(error).toMatchObject({ code: 'UNREACHABLE', data: { reason: 'ECONNREFUSED' } });
  });

  test('a stream that breaks off', async () => {
    server.reply = (response) => {
      startStream(response);
      response.write(textChunk('Hel'), () => response.destroy());
    };
    expect(await failure()).toMatchObject({ code: 'BROKEN_OFF', data: { chunks: 1 } });
  });

  test('a stream that ends without saying so', async () => {
    server.reply = (response) => {
      startStream(response);
      response.end(textChunk('Hel'));
    };
    expect(await failure()).toMatchObject({ code: 'BROKEN_OFF', data: { chunks: 1 } });
  });

  test.each([
    ['broken JSON', event('{"choices":[{')],
    ['nothing in the format', event({ choices: [null] })],
    ['a web page', '<!doctype html><p>Hello</p>'],
    ['a whole answer at once', JSON.stringify({ choices: [{ message: { content: 'Hello' } }] })],
    ['nothing', ''],
  ])('%s instead of a stream', async (_, body) => {
    server.reply = (response) => {
      startStream(response);
      response.end(body);
    };
    expect((await failure()).code).toBe('INVALID_RESPONSE');
  });

  test('an error inside the stream', async () => {
    server.reply = (response) => {
      startStream(response);
      response.end(textChunk('Hel') + event({ error: { message: `overloaded ${secret}` } }));
    };
    const error = await failure();
    expect(error).toMatchObject({
      code: 'SERVER_FAILED',
      data: { remoteMessage: expect.stringContaining('overloaded') as string },
    });
  });

  test('a server that never answers', async () => {
    server.reply = () => undefined;
    const error = await failure({ config: { firstChunkTimeoutMs: 30 } });
    expect(error).toMatchObject({ code: 'TIMEOUT', data: { stage: 'first chunk', limitMs: 30 } });
    await server.seen[0]?.closed;
  });

  test('a server that answers and says nothing', async () => {
    server.reply = (response) => startStream(response);
    expect(await failure({ config: { firstChunkTimeoutMs: 50 } })).toMatchObject({ code: 'TIMEOUT' });
  });

  test('a server that stands still', async () => {
    server.reply = (response) => {
      startStream(response);
      response.write(textChunk('Hel'));
    };
    const error = await failure({ config: { nextChunkTimeoutMs: 30 } });
    expect(error).toMatchObject({ code: 'TIMEOUT', data: { stage: 'next chunk', limitMs: 30 } });
    await server.seen[0]!.closed;
  });
});

describe('when nobody wants the answer any more', () => {
  test('the request to the server ends, before its answer began', async () => {
    const controller = new AbortController();
    server.reply = () => controller.abort(new Error('enough'));
    await expect(answer({ signal: controller.signal })).rejects.toThrow('enough');
    await server.seen[0]!.closed;
  });

  test('the request to the server ends, in the middle of its answer', async () => {
    server.reply = (response) => {
      startStream(response);
      response.write(textChunk('Hel'));
    };
    const controller = new AbortController();
    const reading = (async () => {
      for await (const _ of generate({ signal: controller.signal })) controller.abort(new Error('enough'));
    })();
    await expect(reading).rejects.toThrow('enough');
    await server.seen[0]!.closed;
  });

  test('the request to the server ends when the reader leaves', async () => {
    server.reply = (response) => {
      startStream(response);
      response.write(textChunk('Hel'));
    };
    for await (const _ of generate()) break;
    await server.seen[0]!.closed;
  });

  test('the server is not asked at all when it is too late', async () => {
    await expect(answer({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    expect(server.seen).toEqual([]);
  });
});

describe('a configuration that cannot be used', () => {
  const configError = (config: OpenaiConfig): ConfigError => {
    try {
      openaiBackend(config);
    } catch (error) {
      if (ConfigError.is(error)) return error;
    }
    throw new Error('the configuration was accepted');
  };

  test('is refused with every problem', () => {
    const { data } = configError({
      baseUrl: 'ftp://there',
      models: [],
      continuation: 'magic' as never,
      firstChunkTimeoutMs: 0,
      nextChunkTimeoutMs: 0.5,
    });
    const paths = [
      'openai.baseUrl',
      'openai.models',
      'openai.continuation',
      'openai.firstChunkTimeoutMs',
      'openai.nextChunkTimeoutMs',
    ];
    expect(data.problems.map((problem) => problem.path)).toEqual(paths);
  });

  test('is refused without showing what is secret', () => {
    const error = configError({
      baseUrl: `http://me:${secret}@there/`,
      models: [{ name: 'a' }],
      apiKey: `${secret} `,
    });
    expect(error.data.problems.map((problem) => problem.path)).toEqual(['openai.baseUrl', 'openai.apiKey']);
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain(secret);
  });
});
