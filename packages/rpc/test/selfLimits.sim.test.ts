import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { seededRandom } from '@lloom/simkit';
import type { CustomProtocol } from '../src/index.ts';
import { createWorld, errorOf, expectBetween, lingerMs } from './callWorld.ts';
import { createPair, outcomeOf, pause } from './simulation.ts';

const bytes = { encode: (value: Uint8Array) => value, decode: (value: Uint8Array) => value };
const nothing = new Uint8Array(0);
const protocolName = '/test/work/1.0.0';
const minuteMs = 60_000;

/** Something that takes so long. */
function work(serviceMs: () => number): CustomProtocol<Uint8Array, Uint8Array> {
  return {
    protocolName,
    request: bytes,
    response: bytes,
    handleRequest: async () => {
      await pause(serviceMs());
      return nothing;
    },
  };
}

test('a client that keeps to a tenth less than it may ask is never refused, and loses next to nothing by it', async ({
  createNetwork,
}) => {
  const quota = { requests: 30, perMs: 10_000 };
  for (const seed of [1, 2]) {
    const maxAtOnce = 5;
    const { network, asker, executor } = await createPair(createNetwork, {
      seed,
      link: { delayMs: 40, jitterMs: 60 },
      asker: {
        outboundRateLimits: { [protocolName]: { requests: 27, perMs: quota.perMs } },
        maxPendingRequestsPerPeer: maxAtOnce,
      },
      executor: { rateLimits: { [protocolName]: quota }, maxInboundRequestsPerPeer: maxAtOnce },
    });
    const random = seededRandom(`work/${seed}`);
    const protocol = work(() => 500 + 1_000 * random.float());
    await network.run(executor.rpc.addProtocol(protocol));
    const outcomes = new Map<string, number>();
    const endMs = network.clock.elapsed() + 10 * minuteMs;
    // Far more of them than may be under way.
    const worker = async (): Promise<void> => {
      while (network.clock.elapsed() < endMs) {
        const outcome = await outcomeOf(asker.rpc.callProtocol(executor.peerId, protocol, nothing));
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    };
    const workers = Array.from({ length: 100 }, worker);
    await network.runFor(10 * minuteMs);
    await network.run(Promise.all(workers));
    expect([...outcomes.keys()], `seed ${seed}`).toEqual(['answered']);
    expect(outcomes.get('answered')).toBeGreaterThanOrEqual(
      (0.85 * quota.requests * 10 * minuteMs) / quota.perMs,
    );
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
    await network.stop();
  }
});

describe('a client that does not know the quota', () => {
  const ping = { type: 'ping' } as const;
  const rateLimits = { ping: { requests: 4, perMs: 20_000 } };

  test('holds back by itself for as long as it is told', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: { rateLimits } } });
    const { network, asker, id, elapsed } = world;
    const ask = () => asker.rpc.request(id('a'), ping);
    // One of four was used up when it was greeted.
    await network.run(Promise.all([ask(), ask(), ask()]));
    const refused = await network.run(errorOf(ask()));
    expect(refused).toMatchObject({ code: 'RATE_LIMITED' });
    const { retryAfterMs } = refused.data as { readonly retryAfterMs: number };
    const startMs = elapsed();
    await network.run(ask());
    expectBetween(elapsed() - startMs, retryAfterMs, retryAfterMs + 101);
    await world.end();
  });

  test('gets all of its answers when it tries again, whatever it asks at once', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, {
      asker: { retryBurst: 1_000 },
      executors: { a: { rateLimits } },
    });
    const { network, asker, retries, id, elapsed } = world;
    const retry = { maxAttempts: 30, initialDelayMs: 100 };
    const call = { timeoutMs: 5 * minuteMs, retry };
    const asked = Array.from({ length: 12 }, () => outcomeOf(asker.rpc.request(id('a'), ping, call)));
    const outcomes = await network.run(Promise.all(asked), { timeoutMs: 10 * minuteMs });
    expect(new Set(outcomes)).toEqual(new Set(['answered']));
    // Four at once, the others one by one.
    expectBetween(elapsed(), 8 * 5_000, 20 * 5_000);
    expect(new Set(retries.map(({ error }) => error.code))).toEqual(new Set(['RATE_LIMITED']));
    await world.end();
  });

  test('asks other methods and other peers meanwhile', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: { rateLimits }, b: { rateLimits } } });
    const { network, asker, id, elapsed } = world;
    const protocol = work(() => 0);
    await network.run(network.node('a').rpc.addProtocol(protocol));
    const ask = (name: string) => outcomeOf(asker.rpc.request(id(name), ping));
    const four = await network.run(Promise.all([ask('a'), ask('a'), ask('a'), ask('a')]));
    expect(four.toSorted()).toEqual(['RATE_LIMITED', 'answered', 'answered', 'answered']);
    const startMs = elapsed();
    const held = ask('a');
    const others = [ask('b'), outcomeOf(asker.rpc.callProtocol(id('a'), protocol, nothing))];
    expect(await network.run(Promise.all(others))).toEqual(['answered', 'answered']);
    expect(elapsed() - startMs).toBeLessThanOrEqual(102);
    expect(await network.run(held)).toBe('answered');
    await world.end();
  });
});

test('a client has as many requests under way with a peer as it may, and the others wait their turn', async ({
  createNetwork,
}) => {
  let [active, most] = [0, 0];
  const order: number[] = [];
  const protocol: CustomProtocol<Uint8Array, Uint8Array> = {
    protocolName,
    request: bytes,
    response: bytes,
    handleRequest: async (_peerId, [index = 0]) => {
      order.push(index);
      most = Math.max(most, ++active);
      await pause(1_000);
      active--;
      return nothing;
    },
  };
  const world = await createWorld(createNetwork, {
    asker: { maxPendingRequestsPerPeer: 3 },
    executors: { a: {}, b: {} },
  });
  const { network, asker, id, elapsed } = world;
  for (const name of ['a', 'b']) await network.run(network.node(name).rpc.addProtocol(protocol));
  const ask = (index: number, signal?: AbortSignal) =>
    outcomeOf(asker.rpc.callProtocol(id('a'), protocol, new Uint8Array([index]), signal && { signal }));
  const asked = Array.from({ length: 9 }, (_, index) =>
    ask(index, index === 4 ? AbortSignal.timeout(500) : undefined),
  );
  const outcomes = await network.run(Promise.all(asked));
  expect(outcomes).toEqual(Array.from({ length: 9 }, (_, index) => (index === 4 ? 'CANCELLED' : 'answered')));
  expect([most, order]).toEqual([3, [0, 1, 2, 3, 5, 6, 7, 8]]);
  expectBetween(elapsed(), 3 * 1_000, 3 * 1_100 + 3);
  await world.end();
});
