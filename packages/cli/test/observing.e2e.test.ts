import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Identity, LloomBehaviour } from '@lloom/behaviour';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTraces } from '../src/traces.ts';
import { lloom, parseLines, Running, type JsonLine } from './support/lloom.ts';

/** A span as a collector gets it. */
interface SeenSpan {
  readonly name: string;
  readonly traceId: string;
  readonly service: Readonly<Record<string, string>>;
}

interface ExportedTraces {
  readonly resourceSpans: readonly {
    readonly resource: {
      readonly attributes: readonly {
        readonly key: string;
        readonly value: { readonly stringValue: string };
      }[];
    };
    readonly scopeSpans: readonly {
      readonly spans: readonly { readonly name: string; readonly traceId: string }[];
    }[];
  }[];
}

let folder: string;
let validator: LloomBehaviour;
let address: string;
const spans: SeenSpan[] = [];
let collector: Server;
let collectorUrl: string;
let refused = 0;

/** Takes what is exported to it, as far as it is asked for by its own path. */
async function collect(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === '/refuse') {
    refused++;
    response.writeHead(400).end();
    return;
  }
  const { resourceSpans } = JSON.parse(await text(request)) as ExportedTraces;
  for (const { resource, scopeSpans } of resourceSpans) {
    const service = Object.fromEntries(resource.attributes.map(({ key, value }) => [key, value.stringValue]));
    for (const { name, traceId } of scopeSpans.flatMap((scope) => scope.spans))
      spans.push({ name, traceId, service });
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-observing-'));
  collector = createServer((request, response) => void collect(request, response));
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  collectorUrl = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  validator = await LloomBehaviour.create(Identity.generate(), {
    addressPolicy: 'loopback',
    packages: { gossip: { profile: 'bootstrapper' } },
  });
  await validator.advertiseService({ kind: 'validator', stake: '1' });
  address = `${validator.listenedAddresses()[0]}`;
  if (!address.includes('/p2p/')) address = `${address}/p2p/${validator.peerId}`;
});
afterAll(async () => {
  await validator.stop({ drainMs: 0 });
  collector.close();
  collector.closeAllConnections();
  await rm(folder, { recursive: true });
});

describe('a doctor', () => {
  const statuses = (lines: readonly JsonLine[]): Record<string, unknown> =>
    Object.fromEntries(
      lines
        .filter(({ event }) => event === 'check')
        .map(({ check, subject, status }) => [subject ?? check, status]),
    );

  test('finds nothing wrong with a network that works', async () => {
    const data = join(folder, 'data');
    const { code, stdout } = await lloom(['doctor', '--bootstrap', address, '--data', data, '--json']);
    const lines = parseLines(stdout);
    expect(statuses(lines)).toMatchObject({
      node: 'ok',
      identity: 'skip',
      data: 'ok',
      listen: 'ok',
      [address]: 'ok',
      clock: 'ok',
      dht: 'ok',
      'lloom/service-descriptors': 'ok',
      'lloom/network-status': 'skip',
      reachability: 'skip',
      relay: 'skip',
      announce: 'skip',
    });
    expect(lines.at(-1)).toMatchObject({ event: 'summary', warn: 0, fail: 0 });
    expect(code).toBe(0);
    // It kept nothing.
    await expect(readFile(data)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('says why a network cannot be joined, and what to do', async () => {
    const gone = address.replace(/tcp\/\d+/, 'tcp/1');
    const key = join(folder, 'none.json');
    const { port } = collector.address() as AddressInfo;
    const web = `/ip4/127.0.0.1/tcp/${port}/p2p/${Identity.generate().peerId}`;
    const joined = ['--bootstrap', gone, '--bootstrap', web];
    const { code, stdout } = await lloom(['doctor', ...joined, '--identity', key]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^fail {2}identity .*\n +-> .*lloom identity new/m);
    expect(stdout).toMatch(/^fail {2}bootstrap .*ECONNREFUSED.*\n +-> Nothing listens there/m);
    // How far a web server lets a handshake come depends on who is faster.
    expect(stdout.split(web)[1]).toMatch(/^: cannot be dialled: .*\n +-> .*something else than a node/i);
    expect(stdout).toMatch(/^skip {2}dht /m);
    expect(stdout).toMatch(/\nSomething is wrong\. /);
  });
});

describe('an executor that is observed', () => {
  let executor: Running;
  let tokenFile: string;
  beforeAll(async () => {
    tokenFile = join(folder, 'token');
    const offer = ['--model', 'seen', '--inbound-price', '0', '--outbound-price', '0', '--pace', '0'];
    const observed = [
      '--metrics',
      '0',
      '--metrics-token-file',
      tokenFile,
      '--log-level',
      'debug',
      '--log-json',
    ];
    const traced = ['--traces', collectorUrl, '--trace-ratio', '0'];
    executor = new Running([
      'executor',
      '--bootstrap',
      address,
      '--json',
      '--quiet',
      ...offer,
      ...observed,
      ...traced,
    ]);
    await executor.event('advertised');
  });
  afterAll(() => executor[Symbol.asyncDispose]());

  test('gives figures to whoever has the token, which nothing else names', async () => {
    const { url } = await executor.event('metrics');
    const token = (await readFile(tokenFile, 'utf8')).trim();
    expect((await fetch(String(url))).status).toBe(401);
    const given = await fetch(String(url), { headers: { authorization: `Bearer ${token}` } });
    const figures = await given.text();
    expect(figures).toContain('lloom_node_info');
    expect(figures).toContain('process_cpu_seconds_total');
    expect(`${executor.stdout}${executor.stderr}`).not.toContain(token);
  });

  test('logs lines of JSON on stderr', () => {
    const records = parseLines(executor.stderr.slice(0, executor.stderr.lastIndexOf('\n') + 1));
    expect(records.length).toBeGreaterThan(0);
    for (const record of records)
      expect(record).toMatchObject({
        level: expect.any(String) as string,
        component: expect.any(String) as string,
      });
  });

  test('takes part in the trace of a request, which its client names', async () => {
    const ask = ['client', 'ask', 'Hello', '--model', 'seen', '--max-tokens', '2', '--bootstrap', address];
    const asked = await lloom([...ask, '--traces', collectorUrl, '--json']);
    expect(asked.code).toBe(0);
    const traceId = parseLines(asked.stdout).find(({ event }) => event === 'trace')?.['traceId'];
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    // What is left is sent before it ends.
    await executor.stop();
    const trace = spans.filter((span) => span.traceId === traceId);
    const { peerId } = await executor.event('ready');
    expect(trace).toContainEqual(expect.objectContaining({ name: 'lloom.request' }));
    expect(trace).toContainEqual({
      name: 'lloom.serve',
      traceId,
      service: expect.objectContaining({ 'service.name': 'lloom', 'service.instance.id': peerId }) as object,
    });
  });
});

describe('a collector', () => {
  const trace = async (url: string): Promise<unknown[]> => {
    const failures: unknown[] = [];
    const onFailure = (error: unknown): unknown => failures.push(error);
    const traces = openTraces({ url, ratio: 1, peerId: 'a', onFailure, flushMs: 500 });
    for (let i = 0; i < 600; i++) traces.tracer.startSpan('lloom.request', { kind: 'client' })?.end();
    expect(traces.requestTraceId).toMatch(/^[0-9a-f]{32}$/);
    await traces.close();
    return failures;
  };

  test('that refuses is noted once, however often it does', async () => {
    expect(await trace(`${collectorUrl}/refuse`)).toHaveLength(1);
    expect(refused).toBeGreaterThan(1);
  });

  test('that is gone is noted once, and holds nobody up', async () => {
    expect(await trace('http://127.0.0.1:1/v1/traces')).toHaveLength(1);
  });
});
