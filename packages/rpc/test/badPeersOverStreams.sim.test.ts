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
import { createPair, ends, fidelities, pause, readAll, whole } from './simulation.ts';

/** How long a service waits for the other side to close a stream, when all is said. */
const lingerMs = 2_000;
const ping = { type: 'ping' } as const;
const waits = { timeoutMs: 300_000 };

/** Peers that offer no sessions: who asks has a stream for each request. */
describe.for(fidelities)('over %s links', (fidelity) => {
  for (const [name, misbehave, stage] of [
    ['answers nothing', () => undefined, 'awaiting'],
    ['answers one byte and no more', says(pong.subarray(0, 1)), 'receiving'],
    ['pauses for ever', (stream) => stream.pause(), 'awaiting'],
  ] satisfies [string, Misbehaviour, string][])
    test(`a peer that ${name} costs a request its time and nothing else`, async ({ createNetwork }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        fidelity,
        executor: { misbehave },
      });
      const error = await network.run(failure(asker.rpc.request(executor.peerId, ping)), waits);
      expect(error).toMatchObject({ code: 'TIMEOUT', data: { stage, waitedMs: 120_000 } });
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
      asker: { isInspected: true },
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

  test('a peer that sends chunks of nothing without end is given up, and what came before is shown', async ({
    createNetwork,
  }) => {
    let isReset = false;
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: {
        misbehave: async (stream) => {
          stream.addEventListener('close', () => (isReset = true));
          stream.send(frame({ type: 'chunk', sequence: 0, text: 'x', tokens: 1 }));
          const nothings = Buffer.concat(Array.from({ length: 1_000 }, () => Uint8Array.of(2, 0x0a, 0)));
          while (stream.status === 'open') {
            if (!stream.writableNeedsDrain) stream.send(nothings);
            await pause(1);
          }
        },
      },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    await network.runFor(1_000);
    // Nobody has read anything yet.
    expect(isReset).toBe(true);
    const chunks = answer[Symbol.asyncIterator]();
    expect(await network.run(chunks.next())).toMatchObject({ value: { text: 'x' } });
    expect(await network.run(failure(chunks.next()))).toMatchObject({ code: 'INVALID_RESPONSE' });
    await network.runFor(lingerMs);
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

  test('a request that comes twice is handled once: on one stream unseen, on a second one answered as before', async ({
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
    expect(await network.run(ask(1))).toMatchObject([{ type: 'end' }]);
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
