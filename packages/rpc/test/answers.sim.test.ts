import type { Stream } from '@libp2p/interface';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { rpcDefaults } from '../src/config.ts';
import {
  frame,
  pong,
  readFrames,
  requestFrame,
  says,
  wholeAnswer,
  type Misbehaviour,
} from './misbehaviour.ts';
import { failure, protocol, question } from './nodes.ts';
import {
  createPair,
  ends,
  fidelities,
  outcomeOf,
  pause,
  readAll,
  textOf,
  whole,
  words,
} from './simulation.ts';

/** How long a service waits for the other side to close a stream, when all is said. */
const lingerMs = 2_000;
const ping = { type: 'ping' } as const;
const waits = { timeoutMs: 300_000 };

describe.for(fidelities)('over %s links', (fidelity) => {
  test('a request that nobody answers ends after 120 s to the millisecond, and leaves nothing', async ({
    createNetwork,
  }) => {
    const serve = async () => new Promise<undefined>(() => undefined);
    const { network, asker, executor } = await createPair(createNetwork, { fidelity, executor: { serve } });
    const message = await question(asker.identity, executor.identity);
    const startMs = network.clock.elapsed();
    const error = await network.run(failure(asker.rpc.request(executor.peerId, message)), waits);
    expect(error).toMatchObject({
      code: 'TIMEOUT',
      retryable: true,
      data: { stage: 'awaiting', waitedMs: 120_000, limitMs: 120_000 },
    });
    expect(network.clock.elapsed() - startMs).toBe(120_000);
    await network.runFor(lingerMs + 1_000);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
    expect(ends(asker)).toEqual(['TIMEOUT']);
  });

  test('an answer that comes after the timeout is delivered to nobody, and its connection goes on working', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { serve: words(3, 100) },
    });
    await network.run(asker.rpc.request(executor.peerId, ping));
    const connections = asker.node.getConnections();
    const message = await question(asker.identity, executor.identity);
    const answer = asker.rpc.stream(executor.peerId, message);
    const outcome = failure(readAll(answer));
    await network.runFor(200);
    network.hold('asker', 'executor');
    expect(await network.run(outcome, waits)).toMatchObject({ code: 'TIMEOUT', data: { waitedMs: 120_000 } });
    expect(executor.ledger.inboundEnds).toEqual(['answered', 'answered']);
    network.release('asker', 'executor');
    await network.run(asker.rpc.request(executor.peerId, ping));
    await network.runFor(lingerMs);
    expect(ends(asker)).toEqual(['answered', 'TIMEOUT', 'answered']);
    expect(asker.node.getConnections()).toEqual(connections);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('an answer after the executor’s own deadline is dropped with a reason, and the client is told', async ({
    createNetwork,
  }) => {
    const late = Promise.withResolvers<unknown>();
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: {
        timeoutMs: 30_000,
        serve: async (_request, { channel }) => {
          await pause(60_000);
          late.resolve(await failure(channel.respond(whole('late'))));
        },
      },
    });
    await network.run(asker.rpc.request(executor.peerId, ping));
    const message = await question(asker.identity, executor.identity);
    const startMs = network.clock.elapsed();
    const error = await network.run(failure(asker.rpc.request(executor.peerId, message)));
    expect(error).toMatchObject({ code: 'OMITTED', data: { peerId: executor.peerId } });
    expect(network.clock.elapsed() - startMs).toBeLessThan(30_000 + 5 * 50);
    expect(await network.run(late.promise)).toMatchObject({
      code: 'CHANNEL_CLOSED',
      data: { reason: 'deadline' },
    });
    await network.runFor(lingerMs);
    executor.expectNothingLeft();
  });

  for (const [name, misbehave] of [
    ['answers nothing', () => undefined],
    ['answers one byte and no more', says(pong.subarray(0, 1))],
    ['pauses for ever', (stream) => stream.pause()],
  ] satisfies [string, Misbehaviour][])
    test(`a peer that ${name} costs a request its time and nothing else`, async ({ createNetwork }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        fidelity,
        executor: { misbehave },
      });
      const error = await network.run(failure(asker.rpc.request(executor.peerId, ping)), waits);
      expect(error).toMatchObject({ code: 'TIMEOUT', data: { stage: 'awaiting', waitedMs: 120_000 } });
      await network.runFor(100);
      asker.expectNothingLeft();
      expect(executor.streams()).toEqual([]);
    });

  for (const [name, misbehave] of [
    ['ends twice', says(pong, pong)],
    ['ends, then fails', says(pong, frame({ type: 'error', code: 'REMOTE', message: 'second' }))],
    ['ends, then talks on', says(pong, frame({ type: 'chunk', sequence: 0, text: 'x', tokens: 1 }))],
    [
      'ends again a second later',
      async (stream) => {
        stream.send(pong);
        await pause(1_000);
        stream.send(pong);
      },
    ],
    ['ends and never closes', says(pong)],
    ['ends, then sends garbage', says(pong, new Uint8Array(200_000).fill(0xff))],
  ] satisfies [string, Misbehaviour][])
    test(`of a peer that ${name} the first answer counts, and its stream is gone 2 s later`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        fidelity,
        executor: { misbehave },
      });
      await expect(network.run(asker.rpc.request(executor.peerId, ping))).resolves.toEqual({ type: 'pong' });
      await network.runFor(lingerMs - 1);
      expect(asker.streams()).toHaveLength(1);
      await network.runFor(1);
      asker.expectNothingLeft();
      await network.runFor(100);
      expect(executor.streams()).toEqual([]);
      expect(ends(asker)).toEqual(['answered']);
    });

  test('an answer that a peer sends on a stream of its own answers nothing', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: {
        misbehave: async (stream) => {
          const back = await executor.node.dialProtocol(asker.node.peerId, protocol);
          for (const each of [back, stream, back]) if (each.status === 'open') each.send(pong);
        },
      },
    });
    await expect(network.run(asker.rpc.request(executor.peerId, ping))).resolves.toEqual({ type: 'pong' });
    await network.runFor(lingerMs + 1_000);
    expect(ends(asker)).toEqual(['answered']);
    expect(asker.ledger.inboundEnds).toEqual(['refused']);
    asker.expectNothingLeft();
  });

  test('a proven answer that comes twice is one answer, and its text is shown once', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: {
        misbehave: async (stream) => {
          const end = await wholeAnswer(stream, executor.identity);
          stream.send(end);
          stream.send(end);
        },
      },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    expect(await network.run(readAll(answer))).toBe('proven');
    expect((await answer.result).content).toBe('proven');
    await network.runFor(lingerMs);
    expect(ends(asker)).toEqual(['answered']);
    asker.expectNothingLeft();
  });

  test('a request that comes twice is handled once: on one stream unseen, on a second one refused', async ({
    createNetwork,
  }) => {
    let handled = 0;
    const serve = () => whole(`answer ${++handled}`);
    const { network, asker, executor } = await createPair(createNetwork, { fidelity, executor: { serve } });
    const bytes = requestFrame(await question(asker.identity, executor.identity));
    const ask = async (times: number) => {
      const stream: Stream = await asker.node.dialProtocol(executor.node.peerId, protocol);
      const frames = readFrames(stream);
      for (let time = 0; time < times; time++) stream.send(bytes);
      void stream.close();
      return frames;
    };
    expect(await network.run(ask(2))).toMatchObject([{ type: 'end' }]);
    expect(await network.run(ask(1))).toMatchObject([
      { type: 'error', code: 'SIGNATURE_REFUSED', reason: 'REPLAYED' },
    ]);
    expect(handled).toBe(1);
    await network.runFor(lingerMs);
    executor.expectNothingLeft();
  });

  for (const [name, misbehave] of [
    ['sends one byte and waits', says(new Uint8Array([0x20]))],
    ['sends nothing', () => undefined],
    [
      'sends a byte a second',
      async (stream) => {
        stream.send(new Uint8Array([0x20]));
        while (stream.status === 'open' && stream.writeStatus === 'writable') {
          await pause(1_000);
          if (stream.status === 'open') stream.send(new Uint8Array([1]));
        }
      },
    ],
  ] satisfies [string, Misbehaviour][])
    test(`a client that ${name} is told so after 30 s, and its stream is gone 2 s later`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, { fidelity });
      const stream = await network.run(asker.node.dialProtocol(executor.node.peerId, protocol));
      const startMs = network.clock.elapsed();
      const answered = readFrames(stream);
      void misbehave(stream);
      expect(await network.run(answered)).toMatchObject([{ type: 'error', code: 'INVALID_REQUEST' }]);
      const tookMs = network.clock.elapsed() - startMs;
      expect(Math.abs(tookMs - rpcDefaults.requestReadTimeoutMs)).toBeLessThanOrEqual(3 * 50);
      await network.runFor(lingerMs);
      executor.expectNothingLeft();
      expect(executor.ledger.inboundEnds).toEqual(['slow']);
    });
});

test('a request that is given up while its answer is verified fails for who reads it, too', async ({
  createNetwork,
}) => {
  const { network, asker, executor } = await createPair(createNetwork, {
    asker: { verifyMs: 1_000 },
    executor: { serve: words(3, 100) },
  });
  const message = await question(asker.identity, executor.identity);
  const answer = asker.rpc.stream(executor.peerId, message, { signal: AbortSignal.timeout(1_000) });
  const outcomes = Promise.all([failure(readAll(answer)), failure(answer.result)]);
  for (const error of await network.run(outcomes))
    expect(error).toMatchObject({ code: 'CANCELLED', data: { stage: 'verifying' } });
  await network.runFor(lingerMs);
  expect(ends(asker)).toEqual(['CANCELLED']);
  asker.expectNothingLeft();
});

test('an answer in one piece whose request is given up while it is verified is shown to nobody', async ({
  createNetwork,
}) => {
  const { network, asker, executor } = await createPair(createNetwork, {
    asker: { verifyMs: 1_000 },
    executor: {
      misbehave: async (stream) => void stream.send(await wholeAnswer(stream, executor.identity)),
    },
  });
  const message = await question(asker.identity, executor.identity);
  const answer = asker.rpc.stream(executor.peerId, message, { timeoutMs: 700 });
  const seen: string[] = [];
  const read = async (): Promise<void> => {
    for await (const { text } of answer) seen.push(text);
  };
  expect(await network.run(failure(read()))).toMatchObject({ code: 'TIMEOUT', data: { stage: 'verifying' } });
  expect(seen).toEqual([]);
});

test('nobody is told of a request whose client left while it was verified', async ({ createNetwork }) => {
  let served = 0;
  const { network, asker, executor } = await createPair(createNetwork, {
    executor: { verifyMs: 1_000, serve: () => whole(`answer ${++served}`) },
  });
  let told = 0;
  executor.rpc.addEventListener('request:received', () => told++);
  await network.run(asker.rpc.request(executor.peerId, ping));
  const message = await question(asker.identity, executor.identity);
  const outcome = outcomeOf(
    asker.rpc.request(executor.peerId, message, { signal: AbortSignal.timeout(500) }),
  );
  expect(await network.run(outcome)).toBe('CANCELLED');
  await network.runFor(5_000);
  expect({ told, served }).toEqual({ told: 1, served: 0 });
  expect(executor.ledger.inboundEnds).toEqual(['answered', 'abandoned']);
  executor.expectNothingLeft();
});

for (const fidelity of fidelities)
  test(`the same answer over the same ${fidelity} links takes the same run`, async ({ createNetwork }) => {
    const hashes = new Set<string>();
    for (let time = 0; time < 2; time++) {
      const { network, asker, executor } = await createPair(createNetwork, {
        fidelity,
        link: { delayMs: 50, jitterMs: 20, lossRatio: 0.05 },
        executor: { serve: words(20, 50) },
      });
      const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
      expect(await network.run(readAll(answer))).toBe(textOf(20));
      await network.stop();
      hashes.add(network.trace.hash());
    }
    expect(hashes.size).toBe(1);
  });
