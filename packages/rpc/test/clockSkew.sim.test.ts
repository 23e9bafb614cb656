import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Refusal, type CustomProtocol } from '../src/index.ts';
import { createWorld, errorOf, expectBetween, failing, watched } from './callWorld.ts';
import { outcomeOf, pause, readAll, textOf, whole, words, type SimNodeConfig } from './simulation.ts';

const ping = { type: 'ping' } as const;
const minuteMs = 60_000;
const skews = [-10 * minuteMs, 10 * minuteMs];

/** What a clock that is so far ahead of its peer's says of a fresh signature. */
const reasonOf = (aheadMs: number): string => (aheadMs > 0 ? 'EXPIRED' : 'NOT_YET_VALID');

describe('an executor whose clock is ten minutes off', () => {
  for (const clockSkewMs of skews)
    test(`refuses with ${reasonOf(clockSkewMs)} and by how much, and another one answers`, async ({
      createNetwork,
    }) => {
      const { serve, calls } = watched(words(3, 100));
      const executors = { a: { serve, clockSkewMs }, b: { serve: words(3, 100) } };
      const world = await createWorld(createNetwork, { executors });
      const { network, asker, retries, id } = world;
      const alone = errorOf(asker.rpc.request(id('a'), await world.question('a')));
      expect(await network.run(alone)).toMatchObject({
        code: 'SIGNATURE_REFUSED',
        hint: expect.stringContaining('clock'),
        data: { reason: reasonOf(clockSkewMs), remoteMessage: expect.stringMatching(/[0-9]{6} ms/) },
      });
      const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry: {} });
      expect(await network.run(readAll(answer))).toBe(textOf(3));
      expect(retries).toMatchObject([{ peerId: id('a'), delayMs: 0, error: { code: 'SIGNATURE_REFUSED' } }]);
      expect(calls).toEqual([]);
      await world.end();
    });
});

describe('a client whose clock is ten minutes off', () => {
  for (const clockSkewMs of skews)
    test(`is told so, with ${reasonOf(-clockSkewMs)}, by everybody it asks`, async ({ createNetwork }) => {
      const { serve, calls } = watched(() => whole('late'));
      const world = await createWorld(createNetwork, {
        asker: { clockSkewMs },
        executors: { a: { serve }, b: { serve } },
      });
      const { network, asker, retries, id } = world;
      const failed = errorOf(asker.rpc.request(id('a'), await world.question('a'), { retry: {} }));
      expect(await network.run(failed)).toMatchObject({
        code: 'SIGNATURE_REFUSED',
        data: { reason: reasonOf(-clockSkewMs), remoteMessage: expect.stringMatching(/[0-9]{6} ms/) },
      });
      expect(retries.map(({ error }) => error.code)).toEqual(['SIGNATURE_REFUSED']);
      expect(calls).toEqual([]);
      await world.end();
    });
});

const bytes = { encode: (value: Uint8Array) => value, decode: (value: Uint8Array) => value };
const nothing = new Uint8Array(0);

/** A protocol of which nothing is signed, so that it is about time alone. */
function protocolOf(handleRequest: () => Promise<Uint8Array>): CustomProtocol<Uint8Array, Uint8Array> {
  return { protocolName: '/test/time/1.0.0', request: bytes, response: bytes, handleRequest };
}

/** What was signed before a clock was set back is refused for reasons of its own; these stories are about waits. */
const unproven: SimNodeConfig = { signatures: 'ignore' };

const jumps = [
  ['back', -60 * minuteMs],
  ['forward', 60 * minuteMs],
] as const;

for (const [direction, jumpMs] of jumps)
  describe(`a wall clock that jumps ${direction} an hour`, () => {
    /** A client and an executor whose clocks jump when they are told to: both, or one of them. */
    async function jumping(
      createNetwork: Parameters<typeof createWorld>[0],
      given: { asker?: SimNodeConfig; a?: SimNodeConfig } = {},
    ) {
      const ahead = { asker: 0, a: 0 };
      const world = await createWorld(createNetwork, {
        asker: { clockSkewMs: () => ahead.asker, ...given.asker },
        executors: { a: { clockSkewMs: () => ahead.a, ...given.a } },
      });
      const jump = (...names: readonly ('asker' | 'a')[]): void => {
        for (const name of names) ahead[name] += jumpMs;
      };
      return { ...world, jump };
    }

    for (const who of ['asker', 'a'] as const)
      test(`at the ${who === 'a' ? 'executor' : 'client'} while a request is under way ends it neither early nor late`, async ({
        createNetwork,
      }) => {
        const world = await jumping(createNetwork);
        const { network, asker, jump, id, elapsed } = world;
        const protocol = protocolOf(async () => {
          await pause(5_000);
          return nothing;
        });
        await network.run(network.node('a').rpc.addProtocol(protocol));
        const answered = asker.rpc.callProtocol(id('a'), protocol, nothing, { timeoutMs: 10_000 });
        const late = errorOf(asker.rpc.callProtocol(id('a'), protocol, nothing, { timeoutMs: 4_000 }));
        const tracked = asker.rpc.sendRequest(id('a'), ping, { timeoutMs: 10_000 });
        network.hold('asker', 'a');
        const deadlineAt = network.clock.now() + 3_000;
        asker.rpc.trackRequest(tracked, { peerId: id('a'), deadlineAt, retryCount: 0 });
        const ended = errorOf(world.outcome(tracked));
        await network.runFor(1_000);
        jump(who);
        expect(await network.run(ended)).toMatchObject({ code: 'TIMEOUT', data: { waitedMs: 3_000 } });
        expect(elapsed()).toBe(3_000);
        network.release('asker', 'a');
        expect(await network.run(late)).toMatchObject({ code: 'TIMEOUT', data: { waitedMs: 4_000 } });
        expect(elapsed()).toBe(4_000);
        expect(await network.run(answered)).toEqual(nothing);
        await world.end();
      });

    test('everywhere while an answer is on its way changes nothing', async ({ createNetwork }) => {
      const world = await jumping(createNetwork, { a: { serve: words(10, 500) } });
      const { network, asker, jump, id } = world;
      const answer = asker.rpc.stream(id('a'), await world.question('a'));
      const read = readAll(answer);
      await network.runFor(2_600);
      jump('asker', 'a');
      expect(await network.run(read)).toBe(textOf(10));
      await world.end();
    });

    test('while a request waits for its next attempt makes that neither early nor late', async ({
      createNetwork,
    }) => {
      const world = await jumping(createNetwork);
      const { network, asker, jump, retries, id } = world;
      const calls: number[] = [];
      const protocol = protocolOf(async () => {
        calls.push(network.clock.elapsed());
        if (calls.length === 1) throw new Refusal('BUSY', 'not now', { retryAfterMs: 8_000 });
        return nothing;
      });
      await network.run(network.node('a').rpc.addProtocol(protocol));
      const answered = asker.rpc.callProtocol(id('a'), protocol, nothing, { retry: {} });
      await network.runFor(2_000);
      jump('asker');
      await network.run(answered);
      const [{ delayMs } = { delayMs: 0 }] = retries;
      expectBetween(delayMs, 8_000, 10_000);
      expectBetween(calls[1]! - calls[0]!, delayMs, delayMs + 101);
      await world.end();
    });

    test('while a peer is left alone makes that neither shorter nor longer', async ({ createNetwork }) => {
      const asker = { avoidAfterFailures: 1, avoidMs: 15_000, firstByteTimeoutMs: 1_000 };
      const world = await jumping(createNetwork, { asker });
      const { network, jump, id } = world;
      let isSilent = true;
      const protocol = protocolOf(() =>
        isSilent ? new Promise<never>(() => undefined) : Promise.resolve(nothing),
      );
      await network.run(network.node('a').rpc.addProtocol(protocol));
      const ask = () => world.asker.rpc.callProtocol(id('a'), protocol, nothing);
      expect(await network.run(errorOf(ask()))).toMatchObject({ code: 'FIRST_BYTE_TIMEOUT' });
      isSilent = false;
      jump('asker');
      await network.runFor(14_999);
      expect(await network.run(errorOf(ask()))).toMatchObject({
        code: 'PEER_AVOIDED',
        data: { retryAfterMs: 1 },
      });
      await network.runFor(1);
      expect(await network.run(ask())).toEqual(nothing);
      await world.end();
    });

    test('while a quota is used up makes it come back neither earlier nor later', async ({
      createNetwork,
    }) => {
      const rateLimits = { ping: { requests: 2, perMs: 40_000 } };
      const world = await jumping(createNetwork, { a: { rateLimits } });
      const { network, asker, jump, id, elapsed } = world;
      const ask = () => outcomeOf(asker.rpc.request(id('a'), ping));
      // One of two was used up when it was greeted.
      expect([await network.run(ask()), await network.run(ask())]).toEqual(['answered', 'RATE_LIMITED']);
      jump('asker');
      const held = ask();
      await network.runFor(1_000);
      jump('a');
      expect(await network.run(held)).toBe('answered');
      expectBetween(elapsed(), 19_800, 20_200);
      await world.end();
    });

    test('while an answer is kept leaves it known for as long as it should be', async ({ createNetwork }) => {
      const { serve, calls } = watched(() => whole('once'));
      const world = await jumping(createNetwork, { asker: unproven, a: { ...unproven, serve } });
      const { network, asker, jump, id } = world;
      const message = await world.question('a');
      const ask = () => outcomeOf(asker.rpc.request(id('a'), message));
      expect(await network.run(ask())).toBe('answered');
      await network.runFor(2 * minuteMs);
      jump('asker', 'a');
      await network.runFor(3 * minuteMs - 2_000);
      expect([await network.run(ask()), calls.length]).toEqual(['answered', 1]);
      await network.runFor(2_000);
      expect([await network.run(ask()), calls.length]).toEqual(['answered', 2]);
      await world.end();
    });

    test('while a failed request is kept leaves it there for five minutes', async ({ createNetwork }) => {
      const broken = new Error('broken');
      const serve = failing([broken, broken], () => whole('done'));
      const world = await jumping(createNetwork, { asker: unproven, a: { ...unproven, serve } });
      const { network, asker, jump, id } = world;
      const fail = async () => {
        const requestId = asker.rpc.sendRequest(id('a'), await world.question('a'));
        await network.run(errorOf(world.outcome(requestId)));
        return requestId;
      };
      const ids = [await fail(), await fail()] as const;
      jump('asker', 'a');
      await network.runFor(5 * minuteMs - 1_000);
      await network.run(world.outcome(asker.rpc.retryRequest(ids[0])));
      await network.runFor(1_000);
      const unknown = expect.objectContaining({ code: 'UNKNOWN_REQUEST' });
      expect(() => asker.rpc.retryRequest(ids[1])).toThrow(unknown);
      await world.end();
    });
  });
