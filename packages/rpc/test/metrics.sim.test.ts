import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { relayTraceProtocol } from '../src/internal/protocolIds.ts';
import { Refusal, type CallConfig, type CustomProtocol, type Handler } from '../src/index.ts';
import { createWorld, failing } from './callWorld.ts';
import { TestMeter } from './onlooking.ts';
import { createPair, outcomeOf, pause, readAll, whole, words } from './simulation.ts';
import { question } from './nodes.ts';

const ping = { type: 'ping' } as const;
const broken = new Error('broken');

test('a call with retries counts once, each time it was made more than once apart, and its answer by its tokens', async ({
  createNetwork,
}) => {
  const [mine, theirs] = [new TestMeter(), new TestMeter()];
  const serve = failing([broken, broken], words(4, 50));
  const world = await createWorld(createNetwork, {
    asker: { meter: mine },
    executors: { a: { serve, meter: theirs } },
  });
  const { network, asker, id } = world;
  const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry: { maxDelayMs: 100 } });
  await network.run(readAll(answer));
  await network.run(asker.rpc.request(id('a'), ping));
  // One ping was made before, by who made the world.
  expect(mine.sums('rpc_requests_total')).toEqual({ 'llmRequest answered': 1, 'ping answered': 2 });
  expect(mine.sums('rpc_retries_total')).toEqual({ 'llmRequest retry': 2 });
  const [seconds] = mine.values.get('rpc_request_seconds llmRequest') ?? [];
  const [first] = mine.values.get('rpc_first_token_seconds llmRequest') ?? [];
  expect(mine.values.get('rpc_first_token_seconds llmRequest')).toHaveLength(1);
  expect(seconds).toBeGreaterThan(first!);
  expect(first).toBeGreaterThan(0.3);
  expect(seconds).toBeLessThan(world.elapsed() / 1_000);
  expect(mine.sum('rpc_tokens_total received')).toBe(4);
  expect(theirs.sum('rpc_tokens_total sent')).toBe(4);
  expect(mine.sums('messages_total')).toEqual({ 'rpc received': 3, 'rpc sent': 5 });
  expect(theirs.sums('messages_total')).toEqual({ 'rpc received': 5, 'rpc sent': 3 });
  expect(theirs.sums('rpc_served_total')).toEqual({
    'llmRequest answered': 1,
    'llmRequest failed': 2,
    'ping answered': 2,
  });
  expect(theirs.values.get('rpc_queue_seconds')).toEqual([0, 0, 0]);
  await world.end();
});

test('who is asked beside the first is counted as a hedge, and what fails for its own reasons as no failure here', async ({
  createNetwork,
}) => {
  const [mine, theirs] = [new TestMeter(), new TestMeter()];
  const slow: Handler = () => pause(500).then(() => whole('done'));
  const world = await createWorld(createNetwork, {
    asker: { meter: mine, maxPendingRequests: 1 },
    executors: {
      a: { meter: theirs, serve: failing([new Refusal('MODEL_UNAVAILABLE', 'no')], slow) },
      b: { serve: slow },
    },
  });
  const { network, asker, id } = world;
  const ask = async (call?: CallConfig) => asker.rpc.request(id('a'), await world.question('a'), call);
  expect(await network.run(outcomeOf(ask()))).toBe('MODEL_UNAVAILABLE');
  expect(await network.run(outcomeOf(ask({ timeoutMs: 200 })))).toBe('TIMEOUT');
  await network.runFor(1_000);
  expect(theirs.sums('rpc_served_total')).toMatchObject({ 'llmRequest refused': 1, 'llmRequest expired': 1 });
  expect(theirs.sum('rpc_served_total llmRequest failed')).toBe(0);
  const hedged = ask({ hedge: { delayMs: 100 } });
  await network.runFor(200);
  await expect(ask()).rejects.toMatchObject({ code: 'PENDING_LIMIT' });
  await network.run(hedged);
  expect(mine.sums('rpc_retries_total')).toEqual({ 'llmRequest hedge': 1 });
  await network.run(asker.stop());
  await expect(ask()).rejects.toMatchObject({ code: 'STOPPED' });
  expect(mine.sums('rpc_requests_total')).toMatchObject({
    'llmRequest PENDING_LIMIT': 1,
    'llmRequest STOPPED': 1,
  });
  await network.stop();
});

test('tokens that are given to several, or once more, count each time, on both ends', async ({
  createNetwork,
}) => {
  const [mine, theirs] = [new TestMeter(), new TestMeter()];
  const world = await createWorld(createNetwork, {
    asker: { meter: mine },
    executors: { a: { serve: words(4, 50), meter: theirs } },
  });
  const { network, asker, id } = world;
  const message = await world.question('a');
  const ask = () => readAll(asker.rpc.stream(id('a'), message));
  const first = ask();
  await network.runFor(250);
  await network.run(Promise.all([first, ask()]));
  await network.run(ask());
  const other = await world.question('a');
  for (let i = 0; i < 2; i++) await network.run(asker.rpc.request(id('a'), other));
  await network.runFor(100);
  expect(theirs.sum('rpc_served_total llmRequest answered')).toBe(5);
  expect(theirs.sum('rpc_tokens_total sent')).toBe(20);
  expect(mine.sum('rpc_tokens_total received')).toBe(20);
  await world.end();
});

test('telling a relay of traces is no request of the node, and no failure where it is not served', async ({
  createNetwork,
}) => {
  const [mine, theirs] = [new TestMeter(), new TestMeter()];
  const world = await createWorld(createNetwork, {
    asker: { meter: mine },
    executors: { a: { meter: theirs } },
  });
  const { network, asker, id } = world;
  const told: string[] = [];
  for (const type of ['request:failed', 'response:received'] as const)
    asker.rpc.addEventListener(type, () => void told.push(type));
  const bytes = { encode: (value: Uint8Array) => value, decode: (value: Uint8Array) => value };
  const protocol: CustomProtocol<Uint8Array, Uint8Array> = {
    ...{ protocolName: relayTraceProtocol, request: bytes, response: bytes },
    handleRequest: (_, value) => value,
  };
  const before = [mine.values, theirs.values].map((values) => structuredClone(values));
  const tell = () => outcomeOf(asker.rpc.callProtocol(id('a'), protocol, new Uint8Array(1)));
  expect(await network.run(tell())).toBe('UNSUPPORTED_PROTOCOL');
  await network.run(network.node('a').rpc.addProtocol(protocol));
  expect(await network.run(tell())).toBe('answered');
  await network.runFor(100);
  expect([mine.values, theirs.values]).toEqual(before);
  expect(told).toEqual([]);
  await world.end();
});

test('an executor counts who waits for it, who is refused, and who is turned away unread', async ({
  createNetwork,
}) => {
  const [mine, theirs] = [new TestMeter(), new TestMeter()];
  const { network, asker, executor } = await createPair(createNetwork, {
    asker: { meter: mine },
    executor: {
      meter: theirs,
      serve: async () => {
        await pause(1_000);
        return whole('done');
      },
      ...{
        capacity: 1,
        maxQueuedRequests: 1,
        maxInboundRequests: 3,
        rateLimits: { ping: { requests: 1, perMs: 60_000 } },
      },
    },
  });
  await network.run(asker.rpc.request(executor.peerId, ping));
  const ask = async (): Promise<string> =>
    outcomeOf(asker.rpc.request(executor.peerId, await question(asker.identity, executor.identity)));
  const asked = [ask(), ask()];
  await network.runFor(200);
  expect(mine.gauges).toMatchObject({ rpc_pending_requests: 2 });
  expect(theirs.gauges).toEqual({
    rpc_pending_requests: 0,
    rpc_active_requests: 2,
    rpc_queued_requests: 1,
    rpc_slots: 1,
    rpc_free_slots: 0,
  });
  expect(await network.run(ask())).toBe('BUSY');
  const [third, fourth] = [outcomeOf(asker.rpc.request(executor.peerId, ping)), ask()];
  expect(await network.run(Promise.all([third, fourth]))).toEqual(['RATE_LIMITED', 'BUSY']);
  expect(await network.run(Promise.all(asked))).toEqual(['answered', 'answered']);
  expect(theirs.sums('rpc_served_total')).toMatchObject({
    'llmRequest answered': 2,
    'ping answered': 1,
    'ping refused': 1,
  });
  const [none, waited] = theirs.values.get('rpc_queue_seconds') ?? [];
  expect(none).toBe(0);
  expect(waited).toBeGreaterThan(0.9);
  expect(waited).toBeLessThan(1.1);
  expect(mine.sums('rpc_requests_total')).toEqual({
    'llmRequest BUSY': 2,
    'llmRequest answered': 2,
    'ping RATE_LIMITED': 1,
    'ping answered': 1,
  });
});

test('a custom protocol counts by its name where it is known, and what nobody knows as unknown', async ({
  createNetwork,
}) => {
  const [mine, theirs] = [new TestMeter(), new TestMeter()];
  const world = await createWorld(createNetwork, {
    asker: { meter: mine },
    executors: { a: { meter: theirs, serve: failing([new Refusal('BUSY', 'no')], () => whole('done')) } },
  });
  const { network, asker, id } = world;
  const bytes = { encode: (value: Uint8Array) => value, decode: (value: Uint8Array) => value };
  const echo = (name: string): CustomProtocol<Uint8Array, Uint8Array> => ({
    ...{ protocolName: name, request: bytes, response: bytes },
    handleRequest: (_, value) => value,
  });
  await network.run(network.node('a').rpc.addProtocol(echo('/known/1.0.0')));
  const call = (name: string) => outcomeOf(asker.rpc.callProtocol(id('a'), echo(name), new Uint8Array(1)));
  expect(await network.run(call('/known/1.0.0'))).toBe('answered');
  expect(await network.run(call('/unknown/1.0.0'))).toBe('UNSUPPORTED_PROTOCOL');
  expect(theirs.sums('rpc_served_total')).toMatchObject({ '/known/1.0.0 answered': 1, 'unknown refused': 1 });
  expect(mine.sums('rpc_requests_total')).toMatchObject({
    '/known/1.0.0 answered': 1,
    '/unknown/1.0.0 UNSUPPORTED_PROTOCOL': 1,
  });
  await world.end();
});
