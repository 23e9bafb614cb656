import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { CallConfig, RelayBudget, RpcError } from '../src/index.ts';
import { ask, counted, createByHand } from './byHand.ts';
import { question } from './nodes.ts';
import { createPair, pause, readAll, ways, whole } from './simulation.ts';

type MakeRoom = NonNullable<RelayBudget['makeRoom']>;

/** A relay that lets so little through until room is made. */
function narrow(makeRoom: MakeRoom, bytesLeft?: () => number | undefined) {
  let isMade = false;
  const asked: [bytes: number, signal: AbortSignal][] = [];
  const budget: RelayBudget = {
    bytesLeft: () => (isMade ? undefined : bytesLeft === undefined ? 10_000 : bytesLeft()),
    makeRoom: async (peerId, bytes, config) => {
      asked.push([bytes, config.signal]);
      return (isMade = await makeRoom(peerId, bytes, config));
    },
  };
  return { budget, asked };
}

const large = { prompt: 'x'.repeat(20_000) };
const never = new Promise<never>(() => undefined);

describe.each(ways)('over $fidelity links by $carrier', (way) => {
  test('a request that does not fit waits for room, and is sent then', async ({ createNetwork }) => {
    const relay = narrow(async () => {
      await pause(2_000);
      return true;
    });
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      asker: { relayBudget: relay.budget },
      executor: { serve: () => whole('read') },
    });
    const message = await question(asker.identity, executor.identity, large);
    const { response } = await network.run(asker.rpc.request(executor.peerId, message));
    expect(response.payload.content).toBe('read');
    expect(relay.asked.map(([bytes]) => bytes > large.prompt.length)).toEqual([true]);
    await network.runFor(5_000);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('tokens that were shown are signed when the relay is about to end the connection for its age', async ({
    createNetwork,
  }) => {
    let bytesLeft = 1_000_000;
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: {
        relayBudget: { bytesLeft: () => bytesLeft },
        serve: async function* () {
          for (let count = 0; count < 100; count++) {
            await pause(10);
            if (count === 20) bytesLeft = 0;
            yield 'token ';
          }
        },
      },
    });
    const message = await network.run(question(asker.identity, executor.identity));
    const answer = asker.rpc.stream(executor.peerId, message, { retry: {} });
    const error = await network.run(readAll(answer).catch((thrown: unknown) => thrown as RpcError));
    expect(error).toMatchObject({
      code: 'PARTIAL_ANSWER',
      data: { failure: 'RELAY_LIMIT', tokens: 20, signedTokens: 20 },
    });
  });
});

describe('a connection that is nearly used up', () => {
  const small = { prompt: 'Hello' };

  for (const left of [0, 10_000, 20_000])
    test(`is left for another one before a small request is sent, without a retry: ${left} bytes`, async ({
      createNetwork,
    }) => {
      const relay = narrow(
        () => Promise.resolve(true),
        () => left,
      );
      const { network, asker, executor } = await createPair(createNetwork, {
        asker: { relayBudget: relay.budget },
        executor: { serve: () => whole('read') },
      });
      const message = await question(asker.identity, executor.identity, small);
      const { response } = await network.run(asker.rpc.request(executor.peerId, message));
      expect(response.payload.content).toBe('read');
      expect(relay.asked.map(([bytes]) => bytes > left)).toEqual([true]);
    });

  test('is used all the same for what fits, when there is no other one within five seconds', async ({
    createNetwork,
  }) => {
    const relay = narrow(
      () => never,
      () => 20_000,
    );
    const { network, asker, executor } = await createPair(createNetwork, {
      asker: { relayBudget: relay.budget },
      executor: { serve: () => whole('read') },
    });
    const message = await question(asker.identity, executor.identity, small);
    const answer = asker.rpc.request(executor.peerId, message);
    await network.runFor(4_900);
    expect(relay.asked.map(([, signal]) => signal.aborted)).toEqual([false]);
    const { response } = await network.run(answer);
    expect(response.payload.content).toBe('read');
    expect(relay.asked.map(([, signal]) => signal.aborted)).toEqual([true]);
    await network.runFor(5_000);
    asker.expectNothingLeft();
  });

  for (const [bytesLeft, asked, what] of [
    [40_000, 1, 'is left'],
    [100_000, 0, 'is kept when it is not'],
  ] as const)
    test(`${what} when the peer has refused an answer on it`, async ({ createNetwork }) => {
      const relay = narrow(
        () => Promise.resolve(true),
        () => bytesLeft,
      );
      const answers = ['x'.repeat(200_000), 'read'];
      const { network, asker, executor } = await createPair(createNetwork, {
        asker: { relayBudget: relay.budget },
        executor: { relayBudget: { bytesLeft: () => 20_000 }, serve: () => whole(answers.shift()!) },
      });
      const request = async (config?: CallConfig) =>
        asker.rpc.request(executor.peerId, await question(asker.identity, executor.identity, small), config);
      const once = { retry: { maxAttempts: 1 } };
      expect(await network.run(request(once).catch((error: unknown) => error))).toMatchObject({
        code: 'RELAY_LIMIT',
      });
      expect(relay.asked).toHaveLength(0);
      const { response } = await network.run(request());
      expect(response.payload.content).toBe('read');
      expect(relay.asked).toHaveLength(asked);
    });
});

describe('an answer that a relay would have cut, without a retry', () => {
  const inPieces = async function* () {
    for (let count = 0; count < 6; count++) yield `${count}`.repeat(10_000);
  };
  const text = ['0', '1', '2', '3', '4', '5'].map((piece) => piece.repeat(10_000)).join('');

  for (const [what, serve] of [
    ['in one piece', () => whole(text)],
    ['in pieces', inPieces],
  ] as const)
    for (const afterMs of [0, 8_000])
      test(`comes whole when room is made within ${afterMs} ms, and is run once: ${what}`, async ({
        createNetwork,
      }) => {
        let bytesLeft: number | undefined = 50_000;
        const { calls, serve: handler } = counted(serve);
        const relay = narrow(
          async () => {
            await pause(afterMs);
            bytesLeft = undefined;
            return true;
          },
          () => 50_000,
        );
        const { network, asker, executor } = await createPair(createNetwork, {
          asker: { relayBudget: relay.budget },
          executor: {
            relayBudget: { bytesLeft: () => bytesLeft },
            rejoinTimeoutMs: 5_000,
            serve: handler,
          },
        });
        const message = await question(asker.identity, executor.identity);
        const answer = asker.rpc.stream(executor.peerId, message);
        expect(await network.run(readAll(answer))).toBe(text);
        expect([calls.count, relay.asked.length]).toEqual([1, 1]);
        await network.runFor(5_000);
        asker.expectNothingLeft();
        executor.expectNothingLeft();
      });

  test('comes by a plain request as well, and is run once', async ({ createNetwork }) => {
    let bytesLeft: number | undefined = 50_000;
    const { calls, serve } = counted(() => whole(text));
    const relay = narrow(
      async () => {
        bytesLeft = undefined;
        return true;
      },
      () => 50_000,
    );
    const { network, asker, executor } = await createPair(createNetwork, {
      asker: { relayBudget: relay.budget },
      executor: { relayBudget: { bytesLeft: () => bytesLeft }, rejoinTimeoutMs: 5_000, serve },
    });
    const message = await question(asker.identity, executor.identity);
    const { response } = await network.run(asker.rpc.request(executor.peerId, message));
    expect([response.payload.content, calls.count]).toEqual([text, 1]);
    // Another way than the one that was refused, and a better one.
    expect(relay.asked.map(([bytes]) => bytes > 50_000 + 10_000)).toEqual([true]);
  });

  for (const isMade of [false, true])
    test(`ends with that when ${isMade ? 'it is too little once more' : 'there is no room'}`, async ({
      createNetwork,
    }) => {
      const relay = narrow(
        () => Promise.resolve(isMade),
        () => 50_000,
      );
      const { network, asker, executor } = await createPair(createNetwork, {
        asker: { relayBudget: relay.budget },
        executor: { relayBudget: { bytesLeft: () => 50_000 }, serve: () => whole(text) },
      });
      const message = await question(asker.identity, executor.identity);
      const failing = asker.rpc.request(executor.peerId, message).catch((error: unknown) => error);
      expect(await network.run(failing)).toMatchObject({ code: 'RELAY_LIMIT', data: { by: 'the peer' } });
      expect(relay.asked).toHaveLength(1);
    });
});

describe('an answer that its client does not come back for', () => {
  test('is run anew by a later request with its key, when nothing was said of it', async ({
    createNetwork,
  }) => {
    let bytesLeft = 20_000;
    const { calls, serve } = counted(() => whole('x'.repeat(30_000)));
    const relayBudget = { bytesLeft: () => bytesLeft };
    const { network, executor, asker, hand, connect } = await createByHand(createNetwork, {
      serve,
      relayBudget,
    });
    const first = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(13_000);
    expect(hand.told(first)).toEqual(['RELAY_LIMIT']);
    executor.expectNothingLeft();
    bytesLeft = 100_000;
    const back = await connect();
    const again = back.ask(await ask(asker.identity, executor.identity));
    await network.runFor(1_000);
    expect(back.told(again).join('')).toContain('x'.repeat(30_000 - 16_384));
    expect(calls.count).toBe(2);
  });

  test('is told as far as it was said, and as lost from there', async ({ createNetwork }) => {
    let bytesLeft = 20_000;
    const { calls, serve } = counted(async function* () {
      yield 'first ';
      yield 'x'.repeat(30_000);
    });
    const relayBudget = { bytesLeft: () => bytesLeft };
    const { network, executor, asker, hand } = await createByHand(createNetwork, { serve, relayBudget });
    const first = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(13_000);
    expect(hand.told(first)).toEqual(['first ', 'RELAY_LIMIT']);
    bytesLeft = 100_000;
    const again = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(1_000);
    expect(hand.told(again)).toEqual(['first ', 'REQUEST_LOST']);
    expect(calls.count).toBe(1);
  });
});

for (const [why, timeoutMs, afterMs, makeRoom] of [
  ['there is none', 120_000, 0, () => Promise.resolve(false)],
  ['making it fails', 120_000, 0, () => Promise.reject(new Error('the relay is gone'))],
  ['nobody says so within ten seconds', 120_000, 10_000, () => never],
  ['nobody says so within a third of its time', 15_000, 5_000, () => never],
] as const satisfies [string, number, number, MakeRoom][])
  test(`a request that does not fit is refused when ${why}`, async ({ createNetwork }) => {
    const relay = narrow(makeRoom);
    const { network, asker, executor } = await createPair(createNetwork, {
      asker: { relayBudget: relay.budget },
    });
    await network.run(asker.rpc.request(executor.peerId, { type: 'ping' }));
    const message = await question(asker.identity, executor.identity, large);
    const startedAt = network.clock.elapsed();
    const error = await network.run(
      asker.rpc.request(executor.peerId, message, { timeoutMs }).catch((thrown: unknown) => thrown),
    );
    expect(error).toMatchObject({ code: 'RELAY_LIMIT', data: { by: 'this node' } });
    expect(network.clock.elapsed() - startedAt).toBeCloseTo(afterMs, -1);
    expect(relay.asked.map(([, signal]) => signal.aborted)).toEqual([afterMs > 0]);
    await network.runFor(20_000);
    asker.expectNothingLeft();
  });

test('room is not waited for any longer when the request is cancelled', async ({ createNetwork }) => {
  const relay = narrow(() => never);
  const { network, asker, executor } = await createPair(createNetwork, {
    asker: { relayBudget: relay.budget },
  });
  const message = await question(asker.identity, executor.identity, large);
  const controller = new AbortController();
  const asking = asker.rpc
    .request(executor.peerId, message, { signal: controller.signal })
    .catch((thrown: unknown) => thrown);
  await network.runFor(1_000);
  controller.abort(new Error('not wanted any more'));
  expect(await network.run(asking)).toMatchObject({ code: 'CANCELLED', data: { stage: 'dialing' } });
  expect(relay.asked.map(([, signal]) => signal.aborted)).toEqual([true]);
  asker.expectNothingLeft();
});

for (const carrier of ['sessions', 'streams'] as const)
  test(`a request that opens the connection itself is refused when that does not carry it (${carrier})`, async ({
    createNetwork,
  }) => {
    const isConnected = (): boolean => asker.node.getConnections().length > 0;
    const relay = narrow(
      () => Promise.resolve(false),
      () => (isConnected() ? 10_000 : undefined),
    );
    const { network, asker, executor } = await createPair(createNetwork, {
      carrier,
      asker: { relayBudget: relay.budget },
    });
    const message = await question(asker.identity, executor.identity, large);
    const error = await network.run(
      asker.rpc.request(executor.peerId, message).catch((thrown: unknown) => thrown),
    );
    expect(error).toMatchObject({ code: 'RELAY_LIMIT', data: { by: 'this node' } });
    await network.runFor(5_000);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });
