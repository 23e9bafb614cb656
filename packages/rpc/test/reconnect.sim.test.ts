import type { Connection } from '@libp2p/interface';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { RpcError } from '../src/index.ts';
import { failure, question } from './nodes.ts';
import { createPair, ends, fidelities, outcomeOf, readAll, textOf, ways, words } from './simulation.ts';

const ping = { type: 'ping' } as const;
const lingerMs = 2_000;
const gone = new Error('gone');

type Pair = Awaited<ReturnType<typeof createPair>>;

/** How often anybody has dialled. */
const dialsOf = ({ trace }: Pair['network']): number =>
  trace.tail(10_000).filter((line) => line.endsWith('dial')).length;

/** What a request that a break has ended says of whether it was sent. */
async function outcomeOfBroken(request: Promise<unknown>): Promise<string> {
  const error = await request;
  if (!RpcError.is(error, 'CONNECTION_CLOSED')) throw error;
  expect(['sending', 'awaiting']).toContain(error.data.stage);
  return error.data.outcome;
}

describe.for(ways)('over $fidelity links by $carrier', (way) => {
  test('two hundred requests at once to a peer without a connection share one dial, and one session', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: { maxInboundRequestsPerPeer: 200, maxInboundRequests: 200 },
    });
    const pings = Array.from({ length: 200 }, () => outcomeOf(asker.rpc.request(executor.peerId, ping)));
    expect(new Set(await network.run(Promise.all(pings)))).toEqual(new Set(['answered']));
    expect(dialsOf(network)).toBe(1);
    expect(asker.node.getConnections()).toHaveLength(1);
    expect(asker.sessions()).toHaveLength(way.carrier === 'sessions' ? 1 : 0);
    await network.runFor(lingerMs);
    expect(ends(asker)).toHaveLength(200);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('two hundred requests at once to a peer that is not there share one dial, and fail each for itself', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, way);
    network.crash('executor');
    const requests = Array.from({ length: 200 }, () => failure(asker.rpc.request(executor.peerId, ping)));
    const errors = (await network.run(Promise.all(requests))) as {
      code: string;
      data: { requestId: string };
    }[];
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['DIAL_FAILED']));
    expect(new Set(errors.map(({ data }) => data.requestId)).size).toBe(200);
    expect(dialsOf(network)).toBe(1);
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    await network.restart('executor');
    await expect(network.run(asker.rpc.request(executor.peerId, ping))).resolves.toEqual({ type: 'pong' });
  });

  for (const [who, name, end] of [
    ['the peer closes', 'executor', (connection) => void connection.close()],
    ['this node gives up', 'asker', (connection) => connection.abort(gone)],
  ] satisfies [string, 'asker' | 'executor', (connection: Connection) => void][])
    test(`what is to open over a connection that ${who} meanwhile opens over the next one, or the third`, async ({
      createNetwork,
    }) => {
      const pair = await createPair(createNetwork, way);
      const { network, asker, executor } = pair;
      let closing = 2;
      pair[name].node.addEventListener('connection:open', ({ detail }) => {
        if (closing-- > 0) end(detail);
      });
      await expect(network.run(asker.rpc.request(executor.peerId, ping))).resolves.toEqual({ type: 'pong' });
      expect(dialsOf(network)).toBe(3);
      await network.run(asker.node.hangUp(executor.node.peerId));
      closing = Infinity;
      expect(await network.run(failure(asker.rpc.request(executor.peerId, ping)))).toMatchObject({
        data: { stage: 'dialing', outcome: 'not sent' },
      });
      expect(dialsOf(network)).toBe(6);
      await network.runFor(lingerMs);
      asker.expectNothingLeft();
      executor.expectNothingLeft();
    });

  test('two nodes that ask each other at the same time answer each other', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, way);
    for (let round = 0; round < 3; round++) {
      const pings = [
        ...Array.from({ length: 20 }, () => asker.rpc.request(executor.peerId, ping)),
        ...Array.from({ length: 20 }, () => executor.rpc.request(asker.peerId, ping)),
      ];
      expect(new Set(await network.run(Promise.all(pings.map(outcomeOf))))).toEqual(new Set(['answered']));
      await network.runFor(lingerMs + 1_000);
      asker.expectNothingLeft();
      executor.expectNothingLeft();
    }
  });
});

describe.for(fidelities)('over %s links', (fidelity) => {
  for (const [how, end] of [
    ['is reset by the peer', ({ executor }) => executor.sessions()[0]!.abort(gone)],
    ['is reset here', ({ asker }) => asker.sessions()[0]!.abort(gone)],
    ['is closed by the peer', ({ executor }) => executor.sessions()[0]!.close()],
    ['is closed here', ({ asker }) => asker.sessions()[0]!.close()],
    ['loses its connection', ({ asker }) => asker.node.getConnections()[0]!.abort(gone)],
    ['has its connection closed', ({ executor }) => executor.node.getConnections()[0]!.close()],
  ] satisfies [string, (pair: Pair) => unknown][])
    test(`when a session ${how}, what was in it fails as unknown and stops its handlers, and the next request opens another one`, async ({
      createNetwork,
    }) => {
      let stopped = 0;
      const pair = await createPair(createNetwork, {
        fidelity,
        executor: {
          serve: (request, context) => {
            context.signal.addEventListener('abort', () => stopped++);
            return words(100, 100)(request, context);
          },
        },
      });
      const { network, asker, executor } = pair;
      await network.run(asker.rpc.request(executor.peerId, ping));
      const [session] = asker.sessions();
      const ask = async (): Promise<unknown> => {
        const message = await question(asker.identity, executor.identity);
        return failure(readAll(asker.rpc.stream(executor.peerId, message)));
      };
      const outcomes = Promise.all(Array.from({ length: 5 }, ask));
      await network.runFor(2_000);
      end(pair);
      for (const error of await network.run(outcomes))
        expect(error).toMatchObject({
          code: 'CONNECTION_CLOSED',
          data: { stage: 'receiving', outcome: 'unknown' },
        });
      await network.runFor(1_000);
      expect(stopped).toBe(5);
      const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
      executor.rpc.serve(words(3, 10));
      expect(await network.run(readAll(answer))).toBe(textOf(3));
      expect(asker.sessions()).toHaveLength(1);
      expect(asker.sessions()[0]).not.toBe(session);
      await network.runFor(lingerMs);
      asker.expectNothingLeft();
      executor.expectNothingLeft();
    });

  test('when a session breaks, what nothing was written of fails as not sent', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      link: { delayMs: 50, bandwidthBytesPerSecond: 50_000 },
    });
    await network.run(asker.rpc.request(executor.peerId, ping));
    const prompt = 'x'.repeat(1_000_000);
    const large = await question(asker.identity, executor.identity, { prompt });
    const begun = Array.from({ length: 10 }, () => failure(asker.rpc.request(executor.peerId, large)));
    await network.runFor(7_000);
    const waiting = Array.from({ length: 5 }, () => failure(asker.rpc.request(executor.peerId, ping)));
    await network.runFor(100);
    const arrived = executor.rpc.activeInbound;
    asker.sessions()[0]!.abort(gone);
    const outcomes = await network.run(Promise.all([...begun, ...waiting].map(outcomeOfBroken)));
    const unknown = outcomes.filter((outcome) => outcome === 'unknown');
    expect(outcomes).toEqual([...unknown, ...outcomes.slice(unknown.length).map(() => 'not sent')]);
    expect(arrived).toBeGreaterThan(0);
    expect(unknown.length).toBeGreaterThanOrEqual(arrived);
    expect(outcomes.slice(-5)).toEqual(waiting.map(() => 'not sent'));
    await network.runFor(60_000);
    await expect(network.run(asker.rpc.request(executor.peerId, ping))).resolves.toEqual({ type: 'pong' });
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('an executor that comes back is asked over a new session, also when nobody told that it went', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, { fidelity });
    for (const isSilent of [false, true]) {
      await network.run(asker.rpc.request(executor.peerId, ping));
      network.crash('executor', { isSilent });
      await network.runFor(500);
      await network.restart('executor');
      // A connection that died in silence is found out by the first who uses it.
      const outcome = await network.run(outcomeOf(asker.rpc.request(executor.peerId, ping)));
      expect(outcome).toBe(isSilent ? 'CONNECTION_CLOSED' : 'answered');
      await expect(network.run(asker.rpc.request(executor.peerId, ping))).resolves.toEqual({ type: 'pong' });
      expect(asker.sessions()).toHaveLength(1);
    }
    await network.runFor(60_000);
    asker.expectNothingLeft();
  });
});
