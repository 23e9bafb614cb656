import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import OpenAI, { APIError, APIUserAbortError, NotFoundError, RateLimitError } from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { splitTokens } from '../src/backends/tokens.ts';
import { Running, type JsonLine } from './support/lloom.ts';
import { event, ModelServer, replyError, startStream, streamText, textChunk } from './support/modelServer.ts';

// One network for all tests: each process costs about a second of computing.
let folder: string;
let keyFile: string;
let server: ModelServer;
let validator: Running;
let paced: Running;
let dear: Running;
let backed: Running;
let gateway: Running;
let url: string;
let apiKey: string;
let client: OpenAI;

const prices = (inbound: number, outbound: number): string[] => [
  ...['--inbound-price', String(inbound), '--outbound-price', String(outbound)],
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-gateway-'));
  keyFile = join(folder, 'key');
  server = await ModelServer.start();
  validator = new Running(['validator', '--json']);
  const [address = ''] = (await validator.event('ready'))['addresses'] as string[];
  const start = (...args: readonly string[]): Running =>
    new Running(['executor', '--bootstrap', address, '--json', ...args]);
  paced = start('--model', 'shared', ...prices(1, 2), '--pace', '20ms');
  dear = start('--model', 'shared', 'plain', ...prices(10, 20), '--pace', '0');
  backed = start('--model', 'tools', ...prices(0, 1), '--backend', 'openai', '--base-url', server.baseUrl);
  await Promise.all([paced, dear, backed].map((executor) => executor.event('advertised')));
  const own = ['--port', '0', '--api-key-file', keyFile, '--policy', 'price', '--attempts', '2', '--json'];
  gateway = new Running([
    'gateway',
    '--bootstrap',
    address,
    ...own,
    '--allowed-origin',
    'https://chat.example',
  ]);
  url = (await gateway.event('ready'))['url'] as string;
  apiKey = (await readFile(keyFile, 'utf8')).trim();
  client = new OpenAI({ baseURL: url, apiKey, maxRetries: 0 });
});
afterAll(async () => {
  for (const one of [gateway, backed, dear, paced, validator, server]) await one[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  server.seen.length = 0;
  server.reply = (response) => streamText(response, ['Hello', ' there']);
});

const messages = [{ role: 'user' as const, content: 'What is a DHT?' }];
const ask = (model: string, about: object = {}): ReturnType<typeof askWhole> =>
  askWhole({ model, messages, ...about });
const askWhole = (body: OpenAI.ChatCompletionCreateParamsNonStreaming, options: OpenAI.RequestOptions = {}) =>
  client.chat.completions.create(body, options).withResponse();

interface Account {
  readonly totalCost: string;
  readonly shares: readonly {
    readonly peerId: string;
    readonly tokens: number;
    readonly unsignedTokens: number;
    readonly totalCost: string;
  }[];
}
const accountOf = (body: object): Account => (body as { lloom: Account }).lloom;

/** What an executor says of the next request that ends. */
async function nextRequest(executor: Running): Promise<JsonLine> {
  const told = (): JsonLine[] => executor.lines().filter((line) => line.event === 'request');
  const before = told().length;
  return executor.until(() => told()[before], 'a request has ended');
}

const failure = async (asked: Promise<unknown>): Promise<APIError> => {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof APIError) return error;
  throw new Error(`it is no error of the API: ${String(error)}`);
};

const run = promisify(execFile);
const curl = async (
  path: string,
  ...args: readonly string[]
): Promise<{ status: number; body: string; head: string }> => {
  const { stdout } = await run('curl', ['-sS', '-i', ...args, new URL(path, url).href]);
  const [head = '', ...rest] = stdout.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, body: rest.join('\r\n\r\n') };
};
const bearer = (): string[] => ['-H', `Authorization: Bearer ${apiKey}`];

describe('the client of OpenAI', () => {
  test('finds the models, and one by its name', async () => {
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual(['plain', 'shared', 'tools']);
    expect(models.data[1]).toMatchObject({
      owned_by: 'lloom',
      lloom: { providers: 2, lowest: { outboundPrice: '2' }, highest: { outboundPrice: '20' } },
    });
    expect(await client.models.retrieve('plain')).toMatchObject({ id: 'plain', object: 'model' });
    expect(await failure(client.models.retrieve('nope'))).toBeInstanceOf(NotFoundError);
  });

  test('gets a whole answer, with usage, price and who signed for it', async () => {
    const { peerId } = await dear.event('ready');
    const { data, response, request_id: requestId } = await ask('plain', { max_tokens: 8 });
    expect(data.choices[0]).toMatchObject({
      finish_reason: 'length',
      message: { role: 'assistant', content: expect.stringMatching(/^Offline backend:/) as string },
    });
    expect(data.usage).toEqual({ prompt_tokens: 4, completion_tokens: 8, total_tokens: 12 });
    expect(accountOf(data)).toMatchObject({ requestId, totalCost: '200', shares: [{ peerId, tokens: 8 }] });
    expect(response.headers.get('x-lloom-peer-id')).toBe(peerId);
  });

  test('gets a stream whose texts are the same answer', async () => {
    const [whole, stream] = await Promise.all([
      ask('plain', { max_tokens: 20 }),
      client.chat.completions.create({
        ...{ model: 'plain', messages, max_tokens: 20, stream: true as const },
        stream_options: { include_usage: true },
      }),
    ]);
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(whole.data.choices[0]?.message.content);
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant');
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('length');
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.data.usage });
  });

  test('leaves, and the executor stops', async () => {
    const stream = await client.chat.completions.create({ model: 'shared', messages, stream: true });
    const ended = nextRequest(paced);
    for await (const { choices } of stream) if (choices[0]?.delta.content !== '') break;
    expect(await ended).toMatchObject({ outcome: 'cancelled' });

    const controller = new AbortController();
    const arrived = new Promise<void>((resolve) => (server.reply = () => resolve()));
    const cancelled = nextRequest(backed);
    const asked = askWhole({ model: 'tools', messages }, { signal: controller.signal });
    await arrived;
    controller.abort();
    expect(await failure(asked)).toBeInstanceOf(APIUserAbortError);
    expect(await cancelled).toMatchObject({ outcome: 'cancelled' });
  });

  test('passes tools on, and gets calls of them, in one piece and as a stream', async () => {
    const call = { id: 'call_1', type: 'function' as const, function: { name: 'add', arguments: '{"a":1}' } };
    server.reply = (response) => {
      startStream(response);
      const [begin, rest] = ['{"a"', ':1}'];
      const delta = (piece: object): string =>
        event({ choices: [{ index: 0, delta: { tool_calls: [{ index: 0, ...piece }] } }] });
      response.write(delta({ ...call, function: { name: 'add', arguments: begin } }));
      response.write(delta({ function: { arguments: rest } }));
      response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] }));
      response.end(event('[DONE]'));
    };
    const tools = [{ type: 'function' as const, function: { name: 'add', parameters: { type: 'object' } } }];
    const chat = [
      ...messages,
      { role: 'assistant' as const, content: null, tool_calls: [{ ...call, id: 'call_0' }] },
      { role: 'tool' as const, tool_call_id: 'call_0', content: '3' },
    ];
    const body = { model: 'tools', messages: chat, tools, tool_choice: 'auto' as const };
    const { data } = await askWhole(body);
    expect(data.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: null, tool_calls: [call] },
    });
    expect(server.seen[0]?.body).toMatchObject({ tools, tool_choice: 'auto', messages: chat });

    const stream = client.chat.completions.stream(body);
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { tool_calls: [call] } });
    // The other executors say nothing of tools.
    const refused = await failure(ask('plain', { tools }));
    expect({ status: refused.status, code: refused.code }).toEqual({ status: 400, code: 'feature_missing' });
  });

  test('comes back by itself when a provider has no room', async () => {
    const headers = { 'retry-after-ms': '20' };
    server.reply = (response) => {
      // Both attempts of the gateway meet it.
      if (server.seen.length <= 2) replyError(response, 429, { headers });
      else streamText(response, ['Hello']);
    };
    const busy = new OpenAI({ baseURL: url, apiKey, maxRetries: 1 });
    const answer = await busy.chat.completions.create({ model: 'tools', messages });
    expect(answer.choices[0]?.message.content).toBe('Hello');
    expect(server.seen).toHaveLength(3);

    server.reply = (response) => replyError(response, 429, { headers: { 'retry-after': '30' } });
    const error = await failure(ask('tools'));
    expect(error).toBeInstanceOf(RateLimitError);
    expect(Number(error.headers?.get('retry-after'))).toBe(30);
    expect(server.seen).toHaveLength(4);
  });

  test('is told of failures by status, code and message', async () => {
    const told = async (asked: Promise<unknown>): Promise<unknown> => {
      const { status, code, param } = await failure(asked);
      return { status, code, param };
    };
    expect(await told(ask('nope'))).toEqual({ status: 404, code: 'model_not_found', param: 'model' });
    expect(await told(ask('plain', { n: 2 }))).toEqual({ status: 400, code: 'invalid_request', param: 'n' });
    const large = { metadata: { padding: 'x'.repeat(70_000) } };
    expect(await told(ask('plain', large))).toMatchObject({ status: 400, param: 'metadata' });
    const other = new OpenAI({ baseURL: url, apiKey: 'another-key-than-it-is', maxRetries: 0 });
    expect(await told(other.models.list())).toMatchObject({ status: 401, code: 'invalid_api_key' });
    const headers = { 'x-lloom-timeout': '50ms' };
    server.reply = () => undefined;
    expect(await told(askWhole({ model: 'tools', messages }, { headers }))).toMatchObject({
      status: 504,
      code: 'deadline',
    });
    server.reply = (response) => replyError(response, 500);
    expect(await told(ask('tools'))).toMatchObject({ status: 502, code: 'remote' });
  });

  test('is told inside a stream when it breaks off', async () => {
    server.reply = (response) => {
      startStream(response);
      response.write(textChunk('Hel'), () => response.destroy());
    };
    const stream = await client.chat.completions.create({ model: 'tools', messages, stream: true });
    const texts: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { choices } of stream) texts.push(choices[0]?.delta.content ?? '');
    };
    expect((await failure(read())).code).toBe('partial_answer');
    expect(texts.join('')).toBe('Hel');
  });

  test('pays no more than it says, and is told what is too dear', async () => {
    const capped = { headers: { 'x-lloom-max-price': '100' } };
    const { data } = await askWhole({ model: 'plain', messages }, capped);
    expect(data.choices[0]?.finish_reason).toBe('length');
    expect(accountOf(data)).toMatchObject({ totalCost: '100', finishReason: 'price' });
    for (const cap of ['10', '59']) {
      const error = await failure(
        askWhole({ model: 'plain', messages }, { headers: { 'x-lloom-max-price': cap } }),
      );
      expect([cap, error.status, error.code]).toEqual([cap, 402, 'price_exceeded']);
    }
  });

  test('is answered, and billed, once for a key', async () => {
    const options = { headers: { 'Idempotency-Key': 'only-once' } };
    const body = { model: 'plain', messages, max_tokens: 5 };
    const [first, second] = [await askWhole(body, options), await askWhole(body, options)];
    expect(second.data.choices).toEqual(first.data.choices);
    const answered = dear.lines().filter((line) => line.event === 'request' && line['outboundTokens'] === 5);
    expect(answered).toHaveLength(1);
    const conflict = await failure(askWhole({ ...body, max_tokens: 4 }, options));
    expect({ status: conflict.status, code: conflict.code }).toEqual({
      status: 409,
      code: 'idempotency_conflict',
    });
    expect(conflict.headers?.get('x-should-retry')).toBe('false');
  });
});

describe('curl', () => {
  const body = ['-d', JSON.stringify({ model: 'plain', messages, max_tokens: 2 })];

  test('gets an answer, and a stream that ends with [DONE]', async () => {
    const whole = await curl('/v1/chat/completions', ...bearer(), ...body);
    expect(whole.status).toBe(200);
    expect(whole.head).toMatch(/^x-request-id: \S+$/m);
    expect(JSON.parse(whole.body)).toMatchObject({ choices: [{ message: { content: 'Offline backend:' } }] });
    const stream = ['-d', JSON.stringify({ model: 'plain', messages, max_tokens: 2, stream: true })];
    const streamed = await curl('/v1/chat/completions', '-N', ...bearer(), ...stream);
    expect(streamed.body).toMatch(/^data: \{[^]*"lloom":[^]*\n\ndata: \[DONE\]\n\n$/);
  });

  test('is answered by /health without a key, and by nothing else', async () => {
    expect(await curl('/health')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    expect(await curl('/v1/models')).toMatchObject({ status: 401 });
    expect(await curl('/v1/chat/completions', ...body)).toMatchObject({ status: 401 });
    expect(process.platform === 'win32' || ((await stat(keyFile)).mode & 0o077) === 0).toBe(true);
  });

  test('is refused under a name that others pointed here, and for pages of elsewhere', async () => {
    for (const path of ['/health', '/v1/models'])
      expect(await curl(path, ...bearer(), '-H', 'Host: evil.example')).toMatchObject({ status: 403 });
    const page = ['-H', 'Origin: https://evil.example'];
    expect(await curl('/v1/chat/completions', ...bearer(), ...page, ...body)).toMatchObject({ status: 403 });
    const allowed = await curl('/v1/models', ...bearer(), '-H', 'Origin: https://chat.example');
    expect(allowed).toMatchObject({ status: 200 });
    expect(allowed.head).toMatch(/^Access-Control-Allow-Origin: https:\/\/chat\.example\r?$/m);
  });
});

const nameless = (text: string): string => text.replace(/Executor …\w+/, 'Executor');

describe('an executor that is killed in the midst of its answer', () => {
  test('is replaced behind the back of the caller, whose text is whole and paid once', async () => {
    const [{ peerId: first }, { peerId: second }] = [await paced.event('ready'), await dear.event('ready')];
    const stream = await client.chat.completions.create({
      ...{ model: 'shared', messages, stream: true as const },
      stream_options: { include_usage: true },
    });
    let text = '';
    let last: OpenAI.ChatCompletionChunk | undefined;
    for await (const chunk of stream) {
      last = chunk;
      text += chunk.choices[0]?.delta.content ?? '';
      // Some of it is signed by now.
      if (splitTokens(text).length === 40) paced.process.kill('SIGKILL');
    }
    // What both of them say is the same, but for the name in it. Who is gone does not keep anybody from an answer.
    const { data } = await ask('shared');
    const tokens = splitTokens(text);
    const { shares, totalCost } = accountOf(last!);
    expect(shares.map(({ peerId }) => peerId)).toEqual([first, second]);
    expect(nameless(text)).toBe(nameless(data.choices[0]?.message.content ?? ''));
    const [killed, whole] = shares as [Account['shares'][0], Account['shares'][0]];
    // What is not signed is shown, and neither counted nor paid.
    expect(killed.tokens).toBeGreaterThan(0);
    expect(last?.usage?.completion_tokens).toBe(tokens.length - killed.unsignedTokens);
    // One has asked for what it signed, the other for reading all of that and writing the rest.
    expect(killed.totalCost).toBe(String(4 + 2 * killed.tokens));
    expect(whole.totalCost).toBe(String(10 * (4 + tokens.length - whole.tokens) + 20 * whole.tokens));
    expect(totalCost).toBe(String(Number(killed.totalCost) + Number(whole.totalCost)));
  });
});

describe('lloom gateway', () => {
  test('tells each request once, and stops in peace', async () => {
    const told = gateway.lines().filter((line) => line.event === 'request');
    expect(new Set(told.map((line) => line['requestId'])).size).toBe(told.length);
    expect(told.filter((line) => line['outcome'] === 'cancelled')).toHaveLength(2);
    expect(await gateway.stop()).toMatchObject({ code: 0 });
    expect(gateway.lines().at(-1)).toMatchObject({ event: 'stopped', reason: 'SIGTERM' });
    expect(gateway.stdout + gateway.stderr).not.toContain(apiKey);
  });
});
