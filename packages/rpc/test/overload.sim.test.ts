import { test } from '@lloom/simkit/vitest';
import { encodeFrame } from '@lloom/codec';
import { describe, expect } from 'vitest';
import { heldBufferBytes } from './memory.ts';
import { readFrames } from './misbehaviour.ts';
import { protocol } from './nodes.ts';
import { checkShares, underLoad } from './overload.ts';
import { createPair, fidelities } from './simulation.ts';

const mebibyte = 1024 * 1024;
const lingerMs = 2_000;

// overload.sim.long.test.ts has twice as many.
test('a peer that asks a hundred times its share is served its share, and nobody else waits longer', async ({
  createNetwork,
}) => {
  await checkShares(createNetwork, { honest: 10, loadMs: 6_000 });
});

for (const carrier of ['sessions', 'streams'] as const)
  test(`the same load by ${carrier} gives the same run`, async ({ createNetwork }) => {
    const load = { seed: 5, carrier, loadMs: 1_000, honest: 3, isGreedy: true };
    expect(await underLoad(createNetwork, load)).toEqual(await underLoad(createNetwork, load));
  });

describe.for(fidelities)('over %s links', (fidelity) => {
  test('sixty-four clients that send a byte now and then are all ended by the deadline, in bounded memory', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { maxInboundRequestsPerPeer: 64 },
    });
    await network.run(asker.rpc.request(executor.peerId, { type: 'ping' }));
    const before = heldBufferBytes();
    const config = { maxOutboundStreams: 100 };
    const open = () => asker.node.dialProtocol(executor.node.peerId, protocol, config);
    const streams = await network.run(Promise.all(Array.from({ length: 64 }, open)));
    const answers = Promise.all(streams.map((stream) => readFrames(stream)));
    // A frame of ten MiB is announced; a byte of it comes each second.
    for (const stream of streams) stream.send(new Uint8Array([0x80, 0x80, 0x80, 0x05]));
    for (let second = 0; second < 29; second++) {
      await network.runFor(1_000);
      for (const stream of streams) stream.send(new Uint8Array([1]));
    }
    expect(executor.rpc.activeInbound).toBe(64);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * mebibyte);
    for (const answer of await network.run(answers))
      expect(answer).toMatchObject([{ code: 'INVALID_REQUEST' }]);
    await network.runFor(lingerMs);
    executor.expectNothingLeft();
  });

  test('while large requests that never end take all the memory there is for them, others are told BUSY', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { maxUnverifiedBytes: 1_000_000 },
    });
    const open = () => asker.node.dialProtocol(executor.node.peerId, protocol);
    const ask = async () => {
      const stream = await open();
      const frames = readFrames(stream);
      stream.send(encodeFrame(new Uint8Array(20_000)));
      const [answer] = await frames;
      stream.abort(new Error('enough'));
      return answer;
    };
    const endless = await network.run(open());
    const refusal = readFrames(endless);
    endless.send(new Uint8Array([0x80, 0x80, 0x80, 0x05]));
    endless.send(new Uint8Array(999_000));
    await network.runFor(5_000);
    expect(await network.run(ask())).toMatchObject({ type: 'error', code: 'BUSY', retryAfterMs: 1_000 });
    expect(await network.run(refusal)).toMatchObject([{ code: 'INVALID_REQUEST' }]);
    await network.runFor(lingerMs);
    // Nothing is a request of 20,000 zeros; that it was read to its end is what counts.
    expect(await network.run(ask())).toMatchObject({ type: 'error', code: 'INVALID_REQUEST' });
    await network.runFor(lingerMs);
    executor.expectNothingLeft();
  });
});
