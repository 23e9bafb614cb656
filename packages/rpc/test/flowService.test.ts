import { encodeAnswerChunk, encodeOpenHead, joinOpen } from '@lloom/codec';
import { ConfigError } from '@lloom/core';
import { describe, expect, test } from 'vitest';
import { Refusal, type CustomProtocol, type RpcError } from '../src/index.ts';
import { frame, mebibyte, pattern, turnOfPromises } from './sessionProbes.ts';
import {
  bytesProtocol,
  constantSigner,
  World,
  type WorldConfig,
  expectNothingLeft,
} from './sessionServices.ts';
import { heldBytes } from './sessionFuzz.ts';
import type { LinkEnd } from './sessionLinks.ts';

const echo = bytesProtocol('/echo/1', (_, bytes) => bytes);
const unsigned = { signatures: 'ignore', signer: constantSigner } as const;

/** A client and a server that echoes. */
async function createPair(config: WorldConfig = {}) {
  const world = new World(config);
  const [client, server] = [await world.add('client', unsigned), await world.add('server', unsigned)];
  await server.rpc.addProtocol(echo);
  const call = (size: number, signal?: AbortSignal): Promise<string> =>
    client.rpc.callProtocol(server.peerId, echo, pattern(size), signal && { signal }).then(
      (bytes) => `${(bytes as Uint8Array).length}`,
      (error: RpcError) => ('outcome' in error.data ? error.data.outcome : error.code),
    );
  const question = async () => {
    const input = { model: 'm', prompt: 'p' };
    const request = await client.identity.sign(input, { to: server.identity.evmAddress });
    return { type: 'llmRequest', request } as const;
  };
  return { world, client, server, call, question };
}

describe('a service', () => {
  test('answers large and small requests that are made in one turn', async () => {
    const { world, call } = await createPair();
    const first = call(1);
    await world.settle();
    const answers = [call(200_000), call(10), call(2 * mebibyte), call(0)];
    await world.settle();
    expect(await Promise.all([first, ...answers])).toEqual(['1', '200000', '10', `${2 * mebibyte}`, '0']);
    expect(world.links).toHaveLength(1);
    expectNothingLeft(world);
  });

  test('has room as before after a thousand clients that open what cannot be read, and one that leaves at once', async () => {
    const { world, server, call } = await createPair();
    const garbage = [
      frame('open', 1, pattern(1)),
      frame('open', 1, Uint8Array.of(0, 200, 1)),
      frame('open', 1, joinOpen(pattern(20), pattern(5))),
      frame('open', 1, joinOpen(encodeOpenHead({ method: 'ping', stream: false, metadata: {} }), pattern(9))),
    ];
    for (let time = 0; time < 1_000; time++) {
      const links = world.connect(server);
      links.near.write([garbage[time % 4]!]);
      links.run();
      if (time % 3 === 0) links.near.cut();
      expect(links.far.thrown).toEqual([]);
    }
    const { near } = world.connect(server);
    near.cut();
    await world.settle();
    expect([server.rpc.activeInbound, server.ledger.timers.size]).toEqual([0, 0]);
    const answer = call(10);
    await world.settle();
    expect(await answer).toBe('10');
  });

  test.each([
    ['its own text is too long', { reason: 'x'.repeat(300) }],
    ['its times are none', { retryAfterMs: -1 }],
    ['its counts are none', { queueDepth: 0.5 }],
  ])('tells the client of a refusal although %s', async (_, detail) => {
    const { world, client, server } = await createPair();
    const refuses = bytesProtocol('/refuses/1', () => {
      throw new Refusal('MODEL_UNAVAILABLE', 'not here', detail);
    });
    await server.rpc.addProtocol(refuses);
    const answer = client.rpc
      .callProtocol(server.peerId, refuses, pattern(1))
      .catch((error: unknown) => error);
    await world.settle();
    expect(await answer).toMatchObject({ code: 'MODEL_UNAVAILABLE' });
    expectNothingLeft(world);
  });

  test('refuses a protocol that is none before it is a request', async () => {
    const { world, client, server } = await createPair();
    for (const wrong of [
      { ...echo, protocolName: `/${'x'.repeat(256)}` },
      { ...echo, protocolName: 'ping' },
      { ...echo, response: undefined! },
    ] as CustomProtocol[]) {
      const call = client.rpc.callProtocol(server.peerId, wrong, pattern(1));
      await expect(call).rejects.toThrow(ConfigError);
    }
    expect([client.rpc.pendingRequests(), world.links]).toEqual([[], []]);
  });

  test('that stops tells what it knows of each request, and ends its sessions', async () => {
    const { world, client, server, call } = await createPair({ links: () => ({ capacityBytes: 1_000 }) });
    const never = bytesProtocol('/never/1', () => new Promise<Uint8Array>(() => undefined));
    await server.rpc.addProtocol(never);
    const handled = client.rpc
      .callProtocol(server.peerId, never, pattern(1))
      .catch((error: unknown) => error);
    await world.settle();
    const large = call(mebibyte);
    world.links[0]!.near.turn();
    const waiting = call(10);
    const stopped = client.rpc.stop();
    await world.settle();
    await stopped;
    expect(await handled).toMatchObject({ code: 'STOPPED' });
    expect([await large, await waiting]).toEqual(['STOPPED', 'STOPPED']);
    expect([server.rpc.activeInbound, world.links[0]!.near.closedBy === undefined]).toEqual([0, false]);
    await client.rpc.start();
    const again = call(5);
    await world.settle();
    expect([await again, world.links.length]).toEqual(['5', 2]);
  });
});

describe('requests to a peer that takes nothing', () => {
  test('are not sent as long as nothing of them was, whether they are given up or the session breaks', async () => {
    const { world, call } = await createPair({ links: () => ({ capacityBytes: 1_000 }) });
    const first = call(1);
    await world.settle();
    const begun = call(mebibyte);
    world.links[0]!.near.turn();
    const controllers = Array.from({ length: 300 }, () => new AbortController());
    const givenUp = controllers.map(({ signal }) => call(10, signal));
    const waiting = [call(10), call(mebibyte)];
    world.links[0]!.near.turn();
    for (const controller of controllers) controller.abort();
    await turnOfPromises();
    expect(world.links[0]!.near.queuedBytes).toBeLessThan(mebibyte);
    world.links[0]!.near.cut();
    await world.settle();
    expect([await first, await begun, await Promise.all(waiting)]).toEqual([
      '1',
      'unknown',
      ['not sent', 'not sent'],
    ]);
    expect(new Set(await Promise.all(givenUp))).toEqual(new Set(['CANCELLED']));
    expectNothingLeft(world);
  });
});

describe('an answer that nobody reads yet', () => {
  test('does not hold what came with it: a few bytes are a few bytes', async () => {
    const { world, client, server, question } = await createPair();
    const go = Promise.withResolvers<void>();
    server.rpc.serve(async function* () {
      for (let word = 0; word < 200; word++) {
        yield 'word ';
        await turnOfPromises();
      }
      await go.promise;
    });
    const ask = () => question().then((message) => client.rpc.stream(server.peerId, message));
    const slow = (await ask())[Symbol.asyncIterator]();
    const first = slow.next();
    const { buffers: before } = await heldBytes();
    // Others fill the chunks in which the words of the slow one arrive.
    const fast: Promise<unknown>[] = [];
    for (let turn = 0; turn < 300; turn++) {
      for (let count = 0; count < 2; count++)
        fast.push(client.rpc.callProtocol(server.peerId, echo, pattern(12_000)));
      for (const links of world.links) links.step();
      await turnOfPromises();
    }
    await world.settle();
    await Promise.allSettled(fast.splice(0));
    expect((await first).done).toBe(false);
    expect((await heldBytes()).buffers - before).toBeLessThan(mebibyte);
    go.resolve();
    await slow.return?.(undefined);
    await world.settle();
    expectNothingLeft(world);
  });

  test('in chunks of a byte or of a token fills no memory, however many nobody reads', async () => {
    const { world, client, server, question } = await createPair();
    let far: LinkEnd | undefined;
    world.handle(server.peerId, (end) => {
      far = end;
      end.attach({ onBytes: () => undefined, onDrain: () => undefined, onClosed: () => undefined });
    });
    const message = await question();
    const answers = Array.from({ length: 10 }, () => client.rpc.stream(server.peerId, message));
    await world.settle();
    const { heap, buffers } = await heldBytes();
    for (const [at] of answers.entries()) {
      const length = at % 2 === 0 ? 1 : 7;
      const few = Buffer.concat(Array.from({ length: 1_024 }, () => frame('body', at + 1, pattern(length))));
      // All of its first credit.
      for (let sent = 0; sent + 1_024 * length <= 256 * 1_024; sent += 1_024 * length) {
        far!.write([few]);
        await world.settle();
      }
    }
    const after = await heldBytes();
    expect(client.rpc.pendingRequests()).toHaveLength(10);
    expect(after.heap + after.buffers - heap - buffers).toBeLessThan(10 * 2_000_000);
    for (const answer of answers) await answer[Symbol.asyncIterator]().return?.();
    await world.settle();
    expect(client.ledger.wrongEnds).toEqual([]);
    expect(client.rpc.pendingRequests()).toEqual([]);
  });

  test('that waits for its reader in thousands of chunks lets others run while it is read', async () => {
    const { world, client, server, question } = await createPair();
    let far: LinkEnd | undefined;
    world.handle(server.peerId, (end) => {
      far = end;
      end.attach({ onBytes: () => undefined, onDrain: () => undefined, onClosed: () => undefined });
    });
    const answer = client.rpc.stream(server.peerId, await question());
    await world.settle();
    const chunks = Array.from({ length: 2_000 }, (_, sequence) =>
      frame('body', 1, encodeAnswerChunk({ type: 'chunk', sequence, text: 'x', tokens: 1 })),
    );
    far!.write([Buffer.concat(chunks)]);
    await world.settle();
    let turns = 0;
    const count = (): void => {
      turns++;
      if (read < chunks.length) setImmediate(count);
    };
    let read = 0;
    setImmediate(count);
    for await (const { text } of answer) {
      read += text.length;
      if (read === chunks.length) break;
    }
    expect(turns).toBeGreaterThanOrEqual(7);
    await world.settle();
    expectNothingLeft(world);
  });

  test('counts as begun when all of it has come: no first byte is missed', async () => {
    const { world, client, server, question } = await createPair();
    server.rpc.serve(() => {
      throw new Refusal('BUSY', 'not now');
    });
    const answer = client.rpc.stream(server.peerId, await question(), { firstByteTimeoutMs: 1_000 });
    await world.settle();
    await world.clock.runFor(5_000);
    const read = async (): Promise<void> => {
      for await (const chunk of answer) expect(chunk).toBeUndefined();
    };
    await expect(read()).rejects.toMatchObject({ code: 'BUSY' });
  });
});
