import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Refusal, type Handler } from '../src/index.ts';
import { createWorld, errorOf, failing, silent, watched } from './callWorld.ts';
import type { Misbehaviour } from './misbehaviour.ts';
import { identified, outcomeOf, whole, type SimNodeConfig } from './simulation.ts';

const ping = { type: 'ping' } as const;
const done: Handler = () => whole('done');
const roundTripMs = 100;
const careful: SimNodeConfig = {
  avoidAfterFailures: 3,
  avoidMs: 15_000,
  maxAvoidMs: 40_000,
  firstByteTimeoutMs: 1_000,
};

/** Listens, and says nothing. */
const mute: Misbehaviour = (stream) => stream.addEventListener('message', () => undefined);

describe('a peer that keeps its connection and never answers', () => {
  for (const carrier of ['sessions', 'streams'] as const)
    test(`is left alone after some failures in a row, over ${carrier}`, async ({ createNetwork }) => {
      const executor =
        carrier === 'sessions' ? { misbehaveInSession: mute } : { misbehave: mute, sessions: false };
      const world = await createWorld(createNetwork, { asker: careful, executors: { a: executor } });
      const { network, asker, id } = world;
      if (carrier === 'streams') await identified({ network, asker, executor: network.node('a') });
      const outcomes: string[] = [];
      const tookMs: number[] = [];
      for (let count = 0; count < 5; count++) {
        const startMs = network.clock.elapsed();
        outcomes.push(await network.run(outcomeOf(asker.rpc.request(id('a'), ping))));
        tookMs.push(network.clock.elapsed() - startMs);
      }
      const silences = Array.from({ length: 3 }, () => 'FIRST_BYTE_TIMEOUT');
      expect(outcomes).toEqual([...silences, 'PEER_AVOIDED', 'PEER_AVOIDED']);
      expect(tookMs.slice(3)).toEqual([0, 0]);
      const refused = errorOf(asker.rpc.request(id('a'), ping));
      expect(await network.run(refused)).toMatchObject({ data: { peerId: id('a'), retryAfterMs: 15_000 } });
      // Its timer runs for as long as it is left alone.
      await network.runFor(15_000);
      await world.end();
    });

  test('is tried by one request when its time is over, and left alone for longer each time', async ({
    createNetwork,
  }) => {
    const { serve, calls } = watched(silent);
    const world = await createWorld(createNetwork, { asker: careful, executors: { a: { serve } } });
    const { network, asker, id } = world;
    const ask = async (): Promise<string> => outcomeOf(asker.rpc.request(id('a'), await world.question('a')));
    expect(await network.run(Promise.all([ask(), ask(), ask()]))).toHaveLength(3);
    for (const avoidMs of [15_000, 30_000, 40_000, 40_000]) {
      const before = calls.length;
      expect(await network.run(ask())).toBe('PEER_AVOIDED');
      await network.runFor(avoidMs - 1);
      expect(await network.run(ask())).toBe('PEER_AVOIDED');
      await network.runFor(1);
      const outcomes = await network.run(Promise.all([ask(), ask(), ask()]));
      expect(outcomes).toEqual(['FIRST_BYTE_TIMEOUT', 'PEER_AVOIDED', 'PEER_AVOIDED']);
      expect(calls.length - before).toBe(1);
    }
    await network.runFor(40_000);
    await world.end();
  });

  test('is asked by everybody again when it answers', async ({ createNetwork }) => {
    let isSilent = true;
    const serve: Handler = (request, context) => (isSilent ? silent(request, context) : whole('done'));
    const world = await createWorld(createNetwork, { asker: careful, executors: { a: { serve } } });
    const { network, asker, id } = world;
    const ask = async (): Promise<string> => outcomeOf(asker.rpc.request(id('a'), await world.question('a')));
    await network.run(Promise.all([ask(), ask(), ask()]));
    isSilent = false;
    await network.runFor(15_000);
    expect(await network.run(ask())).toBe('answered');
    expect(await network.run(Promise.all([ask(), ask(), ask()]))).toEqual([
      'answered',
      'answered',
      'answered',
    ]);
    isSilent = true;
    expect(await network.run(Promise.all([ask(), ask()]))).toEqual([
      'FIRST_BYTE_TIMEOUT',
      'FIRST_BYTE_TIMEOUT',
    ]);
    isSilent = false;
    expect(await network.run(ask())).toBe('answered');
    await world.end();
  });

  test('is tried by another request when the first one is given up', async ({ createNetwork }) => {
    const { serve, calls } = watched(silent);
    const world = await createWorld(createNetwork, { asker: careful, executors: { a: { serve } } });
    const { network, asker, id } = world;
    const ask = async (signal?: AbortSignal): Promise<string> => {
      const call = { firstByteTimeoutMs: 9_000, ...(signal && { signal }) };
      return outcomeOf(asker.rpc.request(id('a'), await world.question('a'), call));
    };
    await network.run(Promise.all([ask(), ask(), ask()]));
    await network.runFor(15_000);
    expect(await network.run(ask(AbortSignal.timeout(500)))).toBe('CANCELLED');
    expect(calls).toHaveLength(4);
    const second = ask();
    await network.runFor(roundTripMs);
    expect(calls).toHaveLength(5);
    expect(await network.run(ask())).toBe('PEER_AVOIDED');
    expect(await network.run(second)).toBe('FIRST_BYTE_TIMEOUT');
    await network.runFor(30_000);
    await world.end();
  });

  test('is waited for by a request that is retried and has nobody else', async ({ createNetwork }) => {
    let isSilent = true;
    const serve: Handler = (request, context) => (isSilent ? silent(request, context) : whole('done'));
    const world = await createWorld(createNetwork, { asker: careful, executors: { a: { serve } } });
    const { network, asker, retries, id, elapsed } = world;
    const ask = async (): Promise<string> => outcomeOf(asker.rpc.request(id('a'), await world.question('a')));
    await network.run(Promise.all([ask(), ask(), ask()]));
    isSilent = false;
    const startMs = elapsed();
    await network.run(asker.rpc.request(id('a'), await world.question('a'), { retry: {} }));
    expect(retries.map(({ error }) => error.code)).toEqual(['PEER_AVOIDED']);
    expect(elapsed() - startMs).toBeGreaterThanOrEqual(15_000);
    await world.end();
  });
});

describe('what is no breakdown', () => {
  test('does not count: no room, no model, no price', async ({ createNetwork }) => {
    for (const code of ['BUSY', 'RATE_LIMITED', 'MODEL_UNAVAILABLE', 'PRICE_EXCEEDED'] as const) {
      const serve = failing(
        Array.from({ length: 10 }, () => new Refusal(code, 'no')),
        done,
      );
      const world = await createWorld(createNetwork, { asker: careful, executors: { a: { serve } } });
      const { network, asker, id } = world;
      const outcomes: string[] = [];
      for (let count = 0; count < 11; count++)
        outcomes.push(await network.run(outcomeOf(asker.rpc.request(id('a'), await world.question('a')))));
      expect(outcomes).toEqual([...Array.from({ length: 10 }, () => code), 'answered']);
      await world.end();
    }
  });

  test('does not count: requests that are cancelled', async ({ createNetwork }) => {
    const serve: Handler = failing([], silent);
    const world = await createWorld(createNetwork, { asker: careful, executors: { a: { serve } } });
    const { network, asker, id } = world;
    for (let count = 0; count < 6; count++) {
      const call = { signal: AbortSignal.timeout(300) };
      const request = asker.rpc.request(id('a'), await world.question('a'), call);
      expect(await network.run(outcomeOf(request))).toBe('CANCELLED');
    }
    await world.end();
  });

  test('does not count: a success now and then', async ({ createNetwork }) => {
    const broken = new Error('broken');
    let calls = 0;
    const serve: Handler = () => {
      if (calls++ % 3 !== 2) throw broken;
      return whole('done');
    };
    const world = await createWorld(createNetwork, { asker: careful, executors: { a: { serve } } });
    const { network, asker, id } = world;
    for (let count = 0; count < 12; count++) {
      const request = asker.rpc.request(id('a'), await world.question('a'));
      expect(await network.run(outcomeOf(request))).toBe(count % 3 === 2 ? 'answered' : 'REMOTE');
    }
    await world.end();
  });
});

test('a request goes past peers that are left alone, at once', async ({ createNetwork }) => {
  const c = watched(done);
  const world = await createWorld(createNetwork, {
    asker: careful,
    executors: { a: { serve: silent }, b: { serve: silent }, c: { serve: c.serve } },
  });
  const { network, asker, id, elapsed } = world;
  const ask = async (name: string): Promise<string> =>
    outcomeOf(asker.rpc.request(id(name), await world.question(name)));
  await network.run(Promise.all(['a', 'b'].flatMap((name) => [ask(name), ask(name), ask(name)])));
  expect(asker.rpc.findAlternativePeer(id('a'))).toBe(id('c'));
  const startMs = elapsed();
  await network.run(asker.rpc.request(id('a'), await world.question('a'), { retry: {} }));
  expect(elapsed() - startMs).toBeLessThanOrEqual(roundTripMs + 1);
  expect(c.calls).toHaveLength(1);
  await network.runFor(15_000);
  await world.end();
});
