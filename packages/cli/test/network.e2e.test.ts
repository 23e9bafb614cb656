import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Identity, LloomBehaviour } from '@lloom/behaviour';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lloom, parseLines, Running, type Ending, type JsonLine, type RunConfig } from './support/lloom.ts';
import { ModelServer, replyError, streamText } from './support/modelServer.ts';

let folder: string;
let validator: Running;
let address: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-network-'));
  validator = new Running(['validator', '--stake', '5', '--json']);
  [address = ''] = (await validator.event('ready'))['addresses'] as string[];
});
afterAll(async () => {
  await validator[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const prices = (inbound: number, outbound: number): string[] => [
  '--inbound-price',
  String(inbound),
  '--outbound-price',
  String(outbound),
];

/** An executor that the network knows. */
async function startExecutor(args: readonly string[], config: RunConfig = {}): Promise<Running> {
  const executor = new Running(['executor', '--bootstrap', address, '--json', ...args], config);
  await executor.event('advertised');
  return executor;
}

const askArgs = (model: string, ...args: readonly string[]): string[] => [
  ...['client', 'ask', 'What is a DHT?', '--model', model, '--bootstrap', address],
  ...args,
];
const ask = (model: string, ...args: readonly string[]): Promise<Ending> => lloom(askArgs(model, ...args));

const find = (lines: readonly JsonLine[], event: string): JsonLine | undefined =>
  lines.find((line) => line.event === event);

describe('a validator', () => {
  test('tells where to join, in JSON and for people', async () => {
    const ready = await validator.event('ready');
    expect(ready).toMatchObject({
      role: 'validator',
      stake: '5',
      evmAddress: expect.stringMatching(/^0x/) as string,
    });
    expect(address).toMatch(new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/\\d+/p2p/${String(ready['peerId'])}$`));
    await using other = new Running(['validator', '--bootstrap', address]);
    await other.until(
      () => (/ready[^]*--bootstrap \/ip4\/127/.test(other.stdout) ? true : undefined),
      'it is ready',
    );
    await other.until(() => (other.stderr.includes('Joined through') ? true : undefined), 'it has joined');
    const { code, stderr } = await other.stop();
    expect(code).toBe(0);
    expect(stderr).toMatch(/^Using a throw-away key/);
  });

  test('has the peer id of its identity file', async () => {
    const file = join(folder, 'validator.json');
    const env = { LLOOM_PASSPHRASE: 'correct horse' };
    const [created] = parseLines(
      (await lloom(['identity', 'new', '--encrypt', '--file', file, '--json'], { env })).stdout,
    );
    await using other = new Running(['validator', '--identity', file, '--json', '--quiet'], { env });
    expect((await other.event('ready'))['peerId']).toBe(created?.['peerId']);
    expect(await other.stop()).toMatchObject({ code: 0, stderr: '' });
  });

  test('says that its port is in use', async () => {
    const taken = /^\/ip4\/127\.0\.0\.1\/tcp\/\d+/.exec(address)?.[0] ?? '';
    const people = await lloom(['validator', '--listen', taken]);
    expect(people).toMatchObject({ code: 1, stdout: '' });
    expect(people.stderr).toMatch(/error LISTEN_FAILED: .*\nhint: .*--listen/);
  });

  test('does not listen beyond the network that it is meant for', async () => {
    const ending = await lloom(['validator', '--listen', '/ip4/0.0.0.0/tcp/0', '--json']);
    expect(ending.code).toBe(2);
    expect(parseLines(ending.stdout)).toMatchObject([
      { error: { code: 'USAGE', hint: 'Add --network lan or --network public.' } },
    ]);
  });

  test('goes on trying when it cannot join', async () => {
    const gone = address.replace(/tcp\/\d+/, 'tcp/1');
    await using other = new Running(['validator', '--bootstrap', gone]);
    await other.until(() => (other.stderr.includes('Trying again in') ? true : undefined), 'it tries again');
    expect(other.stdout).toContain('is ready');
    expect((await other.stop()).code).toBe(0);
  });
});

describe('a model in the network', () => {
  let cheap: Running;
  let dear: Running;
  beforeAll(async () => {
    [cheap, dear] = await Promise.all([
      startExecutor(['--model', 'demo', 'other', 'lone', ...prices(1, 2), '--pace', '10ms']),
      startExecutor(['--model', 'demo', ...prices(10, 20), '--pace', '0']),
    ]);
  });
  afterAll(() => Promise.all([cheap[Symbol.asyncDispose](), dear[Symbol.asyncDispose]()]));

  test('is asked where it is cheapest, knowing one address of the network', async () => {
    const { code, stdout, stderr } = await ask('demo', '--json', '--max-tokens', '12');
    expect(code).toBe(0);
    const lines = parseLines(stdout);
    const { peerId } = await cheap.event('ready');
    const providers = find(lines, 'providers')?.['providers'] as JsonLine[];
    expect(providers.map((provider) => provider['outboundPrice'])).toEqual(['2', '20']);
    expect(find(lines, 'asking')).toMatchObject({ peerId });
    const chunks = lines.filter((line) => line.event === 'chunk');
    expect(chunks).toHaveLength(12);
    const answer = find(lines, 'answer');
    expect(answer).toMatchObject({
      peerId,
      content: chunks.map((chunk) => chunk['text']).join(''),
      finishReason: 'length',
      inboundTokens: 4,
      outboundTokens: 12,
      totalCost: '28',
      modelUsed: 'demo',
    });
    expect(answer?.['content']).toMatch(/^Offline backend: no language model runs here\./);
    expect(stderr).toMatch(/^Using a throw-away key/);
  });

  test('answers people on stdout and nothing else there', async () => {
    // One executor has it: what it costs does not hang on who is found in time.
    const { code, stdout, stderr } = await ask('lone', '--max-tokens', '5');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Offline backend: no language model\n' });
    expect(stderr).toMatch(
      /served by {2}16Uiu[^]*signed by {2}0x.*verified\ntokens {5}4 in, 5 out \(length\)\nprice {6}14 wei\ntime/,
    );
  });

  test('answers a question from stdin, quietly', async () => {
    const args = [
      'client',
      'ask',
      '-',
      '--model',
      'demo',
      '--bootstrap',
      address,
      '--quiet',
      '--max-tokens',
      '2',
    ];
    expect(await lloom(args, { input: 'one two three' })).toMatchObject({
      code: 0,
      stdout: 'Offline backend:\n',
      stderr: '',
    });
    expect(await lloom(args, { input: '' })).toMatchObject({ code: 2, stdout: '' });
    expect(await lloom(args)).toMatchObject({ code: 2, stdout: '' });
  });

  test('is told who asked, what it cost and what was refused', async () => {
    await ask('other', '--max-tokens', '3', '--system', 'Be brief.');
    const refused = await ask('other', '--max-price', '5');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/error PRICE_EXCEEDED: .*\nit said: .* cost 6 wei\nhint: /);
    const requests = cheap.lines().filter((line) => line.event === 'request' && line['model'] === 'other');
    expect(requests).toMatchObject([
      { outcome: 'answered', inboundTokens: 6, outboundTokens: 3, totalCost: '12' },
      { outcome: 'refused', error: { code: 'PRICE_EXCEEDED' } },
    ]);
  });

  test('is asked elsewhere when the cheapest has no room', async () => {
    await using full = await startExecutor([
      '--model',
      'demo',
      ...prices(0, 1),
      '--capacity',
      '1',
      '--queue',
      '0',
      '--pace',
      '1s',
    ]);
    await using first = new Running(askArgs('demo', '--json'));
    await first.event('chunk');
    const second = await ask('demo', '--json', '--max-tokens', '2');
    expect(second.code).toBe(0);
    const lines = parseLines(second.stdout);
    const { peerId } = await full.event('ready');
    expect(find(lines, 'asking')).toMatchObject({ peerId, outboundPrice: '1' });
    expect(find(lines, 'retrying')).toMatchObject({ error: { code: 'BUSY', data: { peerId } } });
    expect(second.stderr).toContain('no room now');
    expect(find(lines, 'answer')?.['peerId']).not.toBe(peerId);
    expect(full.lines().filter((line) => line.event === 'request')).toEqual([]);
  });

  test('waits for its turn when the one that is asked has a place in its queue', async () => {
    const pace = ['--pace', '10ms', '--capacity', '1', '--queue', '2'];
    await using _one = await startExecutor(['--model', 'queued', ...prices(0, 1), ...pace]);
    await using first = new Running(askArgs('queued', '--json'));
    await first.event('chunk');
    const second = await ask('queued', '--json', '--max-tokens', '1', '--attempts', '1');
    expect(second.code).toBe(0);
    expect((await first.ended).code).toBe(0);
  });

  test('is asked by one peer as often as the executor allows', async () => {
    const identity = join(folder, 'frequent.json');
    await lloom(['identity', 'new', '--file', identity]);
    await using _one = await startExecutor(['--model', 'limited', ...prices(0, 1), '--rate-limit', '1/1h']);
    const args = ['--json', '--max-tokens', '1', '--attempts', '1', '--identity', identity];
    expect((await ask('limited', ...args)).code).toBe(0);
    const refused = await ask('limited', ...args);
    expect(refused.code).toBe(1);
    expect(parseLines(refused.stdout).at(-1)).toMatchObject({ error: { code: 'RATE_LIMITED' } });
  });

  test('stops working when the client is interrupted', async () => {
    await using client = new Running(askArgs('other', '--json'));
    await client.event('chunk');
    const { code, stdout } = await client.stop('SIGINT');
    expect(code).toBe(130);
    expect(parseLines(stdout).at(-1)).toMatchObject({
      error: { code: 'INTERRUPTED', data: { signal: 'SIGINT' } },
    });
    await cheap.until(
      () => cheap.lines().find((line) => line['outcome'] === 'cancelled'),
      'the request was cancelled',
    );
  });

  test('stops working when nobody reads the answer any more', async () => {
    const cancelled = (): number => cheap.lines().filter((line) => line['outcome'] === 'cancelled').length;
    const before = cancelled();
    await using client = new Running(askArgs('other', '--quiet'));
    await client.until(() => (client.stdout === '' ? undefined : true), 'the answer begins');
    client.process.stdout?.destroy();
    expect(await client.ended).toMatchObject({ code: 0, stderr: '' });
    await cheap.until(() => (cancelled() > before ? true : undefined), 'the request was cancelled');
  });

  test('that nobody serves is an error within seconds', async () => {
    const startedAt = performance.now();
    const ending = await ask('gigantic', '--json');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(ending.code).toBe(1);
    expect(parseLines(ending.stdout)).toMatchObject([
      { error: { name: 'DiscoveryError', code: 'NO_PROVIDERS', data: { model: 'gigantic' } } },
    ]);
  });
});

test('a client says when an executor asks for more than it offered', async () => {
  const pricing = { inboundPrice: '1', outboundPrice: '2' };
  const config = { addressPolicy: 'loopback', bootstrapPeers: [address] } as const;
  const node = await LloomBehaviour.create(Identity.generate(), config);
  try {
    node.serve(async function* () {
      yield 'one';
      yield { inboundTokens: 4, totalCost: '999' };
    });
    await node.bootstrap();
    const advertised = new Promise((resolve) => node.addEventListener('service:advertised', resolve));
    await node.advertiseService({ kind: 'executor', models: ['greedy'], capacity: 1, pricing });
    await advertised;
    const people = await ask('greedy');
    expect(people).toMatchObject({ code: 0, stdout: 'one\n' });
    expect(people.stderr).toContain('999 wei, more than its offer comes to: 6 wei');
    const capped = await ask('greedy', '--max-price', '998');
    // It is nobody else's to go on with, and nothing is owed for what is not signed within the cap.
    expect(capped.stderr).toMatch(
      /signed nothing\n[^]*price {6}0 wei\nerror PARTIAL_ANSWER: .*INVALID_RESPONSE/,
    );
  } finally {
    await node.stop();
  }
});

test('a client that cannot join says so', async () => {
  const args = [
    'client',
    'ask',
    'Hello',
    '--model',
    'demo',
    '--bootstrap',
    address.replace(/tcp\/\d+/, 'tcp/1'),
  ];
  const { code, stdout, stderr } = await lloom(args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/error BOOTSTRAP_FAILED: .*\nhint: .*--bootstrap/);
});

describe('an executor that is told to stop', () => {
  test('finishes what it has begun, then ends well', async () => {
    await using executor = await startExecutor(['--model', 'drained', ...prices(0, 0), '--pace', '15ms']);
    await using client = new Running(askArgs('drained', '--json'));
    await client.event('chunk');
    const [stopped, asked] = await Promise.all([executor.stop('SIGTERM'), client.ended]);
    expect(asked.code).toBe(0);
    expect(find(parseLines(asked.stdout), 'answer')).toMatchObject({ finishReason: 'stop' });
    expect(stopped).toMatchObject({ code: 0, signal: null });
    expect(parseLines(stopped.stdout).at(-1)).toEqual({ event: 'stopped', reason: 'SIGTERM' });
    // Its offer is withdrawn at once: nobody is sent to it any more.
    expect(parseLines((await ask('drained', '--json')).stdout)).toMatchObject([
      { error: { code: 'NO_PROVIDERS' } },
    ]);
  });

  test('ends at once when it is told twice', async () => {
    await using server = await ModelServer.start();
    const asked = Promise.withResolvers<void>();
    server.reply = () => asked.resolve();
    const backend = ['--backend', 'openai', '--base-url', server.baseUrl];
    await using executor = await startExecutor(['--model', 'stuck', ...prices(0, 0), ...backend]);
    await using _client = new Running(askArgs('stuck'));
    await asked.promise;
    executor.process.kill('SIGTERM');
    await executor.until(() => (executor.stderr.includes('Stopping') ? true : undefined), 'it stops');
    expect(await executor.stop('SIGTERM')).toMatchObject({ code: 143 });
  });

  test('by Ctrl-C ends with 130', async () => {
    await using executor = await startExecutor(['--model', 'interrupted', ...prices(0, 0)]);
    expect(await executor.stop('SIGINT')).toMatchObject({ code: 130 });
  });
});

describe('an executor with the backend "openai"', () => {
  const secret = 'sk-test-5ecret';

  let server: ModelServer;
  let executor: Running;
  beforeAll(async () => {
    server = await ModelServer.start();
    const backend = ['--backend', 'openai', '--base-url', server.baseUrl, '--upstream-model', 'llama3:8b'];
    const env = { OPENAI_API_KEY: secret };
    executor = await startExecutor(['--model', 'llama-3', ...prices(1, 2), ...backend], { env });
  });
  afterAll(async () => {
    await executor[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test('passes on what the server says, and charges what it counts', async () => {
    const usage = { prompt_tokens: 30, completion_tokens: 20 };
    server.reply = (response) => streamText(response, ['Hello', ' there'], { usage });
    const tuned = ['--temperature', '0.5', '--seed', '7', '--stop', 'END'];
    const { code, stdout } = await ask('llama-3', '--json', ...tuned);
    expect(code).toBe(0);
    expect(find(parseLines(stdout), 'answer')).toMatchObject({
      content: 'Hello there',
      totalCost: '70',
      outboundTokens: 20,
    });
    expect(server.seen[0]).toMatchObject({
      headers: { authorization: `Bearer ${secret}` },
      body: { model: 'llama3:8b', temperature: 0.5, seed: 7, stop: ['END'] },
    });
  });

  test('tells its operator what is wrong, the client less, and nobody the key', async () => {
    server.reply = (response) =>
      replyError(response, 401, { message: `Incorrect API key provided: ${secret}` });
    const asked = await ask('llama-3', '--json');
    expect(asked.code).toBe(1);
    const [error] = parseLines(asked.stdout).flatMap((line) => line.error ?? []);
    expect(error).toMatchObject({
      name: 'RpcError',
      code: 'REMOTE',
      data: { remoteMessage: 'the backend failed' },
    });
    const request = await executor.until(
      () => executor.lines().find((line) => line['outcome'] === 'failed'),
      'the request failed',
    );
    expect(request).toMatchObject({ outcome: 'failed', error: { code: 'UNAUTHORIZED' } });
    const stopped = await executor.stop();
    expect(`${stopped.stdout}${stopped.stderr}${asked.stdout}${asked.stderr}`).not.toContain(secret);
  });
});

test('a server ends with the program that started it', async () => {
  await using server = new Running(['validator', '--json'], { channel: true });
  await server.event('ready');
  server.process.disconnect();
  expect(await server.ended).toMatchObject({ code: 0 });
});
