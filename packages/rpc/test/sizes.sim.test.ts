import { sessionFrame } from '@lloom/codec';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { rpcDefaults } from '../src/config.ts';
import type { Codec, CustomProtocol, RpcConfig } from '../src/index.ts';
import { sessionProtocol } from '../src/internal/protocolIds.ts';
import { HandSession, openBytes, sessionBytes } from './handSession.ts';
import { heldBufferBytes } from './memory.ts';
import { failure } from './nodes.ts';
import { createPair, fidelities, ways, type Way } from './simulation.ts';

const mebibyte = 1024 * 1024;
const limitBytes = 10 * mebibyte;
const lingerMs = 2_000;
const waits = { timeoutMs: 300_000 };
const nothing = new Uint8Array(0);
const larger = { maxRequestSizeBytes: 20 * mebibyte, maxResponseSizeBytes: 20 * mebibyte };

const bytes: Codec<Uint8Array> = { encode: (value) => value, decode: (value) => value };
const echo: CustomProtocol<Uint8Array, Uint8Array> = {
  protocolName: '/test/echo/1.0.0',
  request: bytes,
  response: bytes,
  handleRequest: (_peerId, request) => request,
};
/** Answers with as many bytes as four bytes say. */
const fill: typeof echo = {
  ...echo,
  protocolName: '/test/fill/1.0.0',
  handleRequest: (_peerId, request) => new Uint8Array(Buffer.from(request).readUInt32BE()),
};

/** Every byte is another than the ones around it. */
function pattern(length: number): Uint8Array {
  const made = new Uint8Array(length);
  for (let at = 0; at < length; at++) made[at] = (at * 31 + (at >>> 8) * 17 + (at >>> 16)) & 0xff;
  return made;
}

function wanted(length: number): Uint8Array {
  const made = Buffer.alloc(4);
  made.writeUInt32BE(length);
  return made;
}

/** A client and an executor that serve both protocols, over a link that takes ten seconds for ten megabytes. */
async function pair(
  createNetwork: Parameters<typeof createPair>[0],
  { asker, executor, ...way }: Way & Record<'asker' | 'executor', RpcConfig>,
) {
  const nodes = await createPair(createNetwork, {
    ...way,
    link: { delayMs: 20, bandwidthBytesPerSecond: 1_000_000 },
    asker,
    executor,
  });
  for (const protocol of [echo, fill]) await nodes.executor.rpc.addProtocol(protocol);
  // The first request finds a connection, and the way that will be used for all.
  await nodes.network.run(nodes.asker.rpc.callProtocol(nodes.executor.peerId, echo, nothing));
  return nodes;
}

describe.for(ways)('over $fidelity links by $carrier', (way) => {
  test('ten MiB pass both ways, and every byte of them', async ({ createNetwork }) => {
    const { network, asker, executor } = await pair(createNetwork, { ...way, asker: {}, executor: {} });
    for (const length of [0, 1, 65_535, 65_536, 262_145, limitBytes]) {
      const body = pattern(length);
      const answer = await network.run(asker.rpc.callProtocol(executor.peerId, echo, body), waits);
      expect(Buffer.compare(answer, body), `${length} bytes`).toBe(0);
    }
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('a byte more than ten MiB is refused before anything of it is sent', async ({ createNetwork }) => {
    const { network, asker, executor } = await pair(createNetwork, { ...way, asker: {}, executor: {} });
    const startMs = network.clock.elapsed();
    const call = asker.rpc.callProtocol(executor.peerId, echo, new Uint8Array(limitBytes + 1));
    expect(await failure(call)).toMatchObject({
      code: 'TOO_LARGE',
      data: { what: 'request', by: 'this node', sizeBytes: limitBytes + 1, limitBytes },
    });
    expect(network.clock.elapsed()).toBe(startMs);
    expect(asker.rpc.pendingRequests()).toEqual([]);
  });

  test('a byte more than ten MiB of who may send it is refused as TOO_LARGE, and the next request is answered', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await pair(createNetwork, { ...way, asker: larger, executor: {} });
    // A stream's frame holds more than its message, so that a byte too many is seen when all is there.
    const [extra, withinMs] = way.carrier === 'sessions' ? [1, 1_500] : [20_000, 3_000];
    const startMs = network.clock.elapsed();
    const call = asker.rpc.callProtocol(executor.peerId, echo, new Uint8Array(limitBytes + extra));
    expect(await network.run(failure(call), waits)).toMatchObject({
      code: 'TOO_LARGE',
      data: { what: 'request', by: 'the peer' },
    });
    expect(network.clock.elapsed() - startMs).toBeLessThan(withinMs);
    const byOne = asker.rpc.callProtocol(executor.peerId, echo, new Uint8Array(limitBytes + 1));
    expect(await network.run(failure(byOne), waits)).toMatchObject({
      code: 'TOO_LARGE',
      data: { what: 'request', by: 'the peer' },
    });
    const answer = asker.rpc.callProtocol(executor.peerId, echo, pattern(9));
    expect(await network.run(answer, waits)).toEqual(pattern(9));
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('an answer of ten MiB and a byte is refused by its executor, or by who asked', async ({
    createNetwork,
  }) => {
    for (const [by, asker, executor] of [
      ['the peer', larger, {}],
      ['this node', {}, larger],
    ] as const) {
      const nodes = await pair(createNetwork, { ...way, asker, executor });
      const { network } = nodes;
      const extra = by === 'the peer' ? 1 : 20_000;
      const ask = (length: number) =>
        nodes.asker.rpc.callProtocol(nodes.executor.peerId, fill, wanted(length));
      expect(await network.run(ask(limitBytes), waits)).toHaveLength(limitBytes);
      expect(await network.run(failure(ask(limitBytes + extra)), waits)).toMatchObject({
        code: 'TOO_LARGE',
        retryable: false,
        data: { what: 'response', by },
      });
      expect(await network.run(ask(7), waits)).toHaveLength(7);
      await network.runFor(lingerMs);
      nodes.asker.expectNothingLeft();
      nodes.executor.expectNothingLeft();
      await network.stop();
    }
  });
});

for (const fidelity of fidelities)
  test(`over ${fidelity} links, sixty-four requests of one session that come byte by byte are all ended by the deadline, in bounded memory`, async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { maxInboundRequestsPerPeer: 64 },
    });
    const session = new HandSession(
      await network.run(asker.node.dialProtocol(executor.node.peerId, sessionProtocol)),
    );
    const ids = Array.from({ length: 64 }, (_, index) => index + 1);
    const before = heldBufferBytes();
    session.write(...ids.map((id) => openBytes(id, { piece: nothing, more: true, sizeBytes: limitBytes })));
    const byte = new Uint8Array([1]);
    for (let second = 0; second < rpcDefaults.requestReadTimeoutMs / 1_000; second++) {
      await network.runFor(1_000);
      session.write(...ids.map((id) => sessionBytes(sessionFrame.body, id, { payload: byte, more: true })));
      if (second === 28) expect(executor.rpc.activeInbound).toBe(64);
    }
    // 64 blocks of the smallest size, and not 640 MiB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * mebibyte);
    await network.runFor(1_000);
    expect(session.answers).toEqual(Object.fromEntries(ids.map((id) => [id, ['INVALID_REQUEST']])));
    expect(executor.ledger.inboundEnds).toEqual(ids.map(() => 'slow'));
    executor.expectNothingLeft();
    session.write(openBytes(65));
    await network.runFor(500);
    expect(session.answers[65]).toEqual(['pong']);
  });

for (const fidelity of fidelities)
  test(`over ${fidelity} links, while requests of a session that never end take all the memory there is for them, others are told BUSY`, async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { maxUnverifiedBytes: 1_000_000 },
    });
    await executor.rpc.addProtocol(echo);
    const ask = () => failureOrLength(asker.rpc.callProtocol(executor.peerId, echo, new Uint8Array(100_000)));
    const session = new HandSession(
      await network.run(asker.node.dialProtocol(executor.node.peerId, sessionProtocol)),
    );
    const piece = new Uint8Array(60_000);
    session.write(openBytes(1, { piece: nothing, more: true }));
    for (let count = 0; count < 16; count++) {
      session.write(sessionBytes(sessionFrame.body, 1, { payload: piece, more: true }));
      await network.runFor(200);
    }
    expect(await network.run(ask())).toMatchObject({ code: 'BUSY', data: { retryAfterMs: 1_000 } });
    // A whole request in one frame waits for nothing, so that nothing is held for it.
    await expect(network.run(asker.rpc.request(executor.peerId, { type: 'ping' }))).resolves.toBeDefined();
    await network.runFor(rpcDefaults.requestReadTimeoutMs);
    expect(session.answers[1]).toContain('INVALID_REQUEST');
    expect(await network.run(ask())).toBe(100_000);
    session.stream.abort(new Error('enough'));
    await network.runFor(lingerMs);
    executor.expectNothingLeft();
  });

async function failureOrLength(call: Promise<Uint8Array>): Promise<unknown> {
  return call.then(
    ({ length }) => length,
    (error: unknown) => error,
  );
}
