import type { PeerId } from '@libp2p/interface';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { Reconnects } from '../src/adapters/reconnects.ts';
import { fakeNodes } from './fakeNode.ts';
import { FakeClock, FakeRandom, larger, smaller, turn } from './fakes.ts';

const { createNode } = fakeNodes();
const peerOf = (id: string) => ({ toString: () => id }) as PeerId;
const lost = { lastedMs: 0, isMeant: false };

/** A node of libp2p whose dials all fail. */
function setUp({ isKnown = true, tag = 'keep-alive-test' } = {}) {
  const clock = new FakeClock();
  const dialled: [peerId: string, at: number][] = [];
  const original = vi.fn<() => Promise<void>>();
  const connectionManager = {
    ...(isKnown && { reconnectQueue: { maybeReconnect: original } }),
    getConnections: () => [],
    openConnection: async (peerId: PeerId) => {
      dialled.push([peerId.toString(), clock.elapsed()]);
      throw new Error('nobody there');
    },
  };
  const peerStore = {
    get: vi.fn<(id: unknown) => unknown>().mockResolvedValue({ tags: new Map([[tag, { value: 1 }]]) }),
  };
  const events = { safeDispatchEvent: vi.fn<() => void>() };
  const mayRedial = vi.fn<(peerId: string) => boolean>().mockReturnValue(true);
  const log = vi.fn<() => void>();
  const components = { connectionManager, peerStore, events } as never;
  const settings = { clock, random: new FakeRandom() };
  const reconnects = new Reconnects({ components, settings, mayRedial, log });
  const pass = async (seconds: number): Promise<void> => {
    for (let passed = 0; passed < seconds; passed += 1) {
      await turn();
      clock.increment(1_000);
    }
    await turn();
  };
  return { connectionManager, dialled, log, mayRedial, original, pass, peerStore, reconnects };
}

describe('a peer with a keep-alive tag that was lost', () => {
  let node: ReturnType<typeof setUp>;
  beforeEach(() => {
    node = setUp();
    node.reconnects.begin();
  });

  it('is dialled five times with growing pauses, and not by libp2p', async () => {
    node.reconnects.closedLast(peerOf('p'), lost);
    await node.connectionManager.reconnectQueue?.maybeReconnect();
    await node.pass(300);
    expect(node.dialled.map(([, at]) => at)).toEqual([1_000, 3_000, 7_000, 15_000, 29_000]);
    expect(node.original).not.toHaveBeenCalled();
  });

  it('is not dialled when one of the two has closed it on purpose, also in a pause', async () => {
    node.reconnects.closedLast(peerOf('p'), lost);
    await node.pass(2);
    node.reconnects.closedLast(peerOf('p'), { lastedMs: 0, isMeant: true });
    await node.pass(100);
    expect(node.dialled).toHaveLength(1);
  });

  it('is not dialled when the gate does not want it, or the tag is gone', async () => {
    node.mayRedial.mockImplementation((peerId) => peerId !== 'barred');
    for (const id of ['barred', 'untagged', 'p']) node.reconnects.closedLast(peerOf(id), lost);
    await turn();
    node.peerStore.get.mockImplementation((id: unknown) =>
      String(id) === 'untagged'
        ? Promise.reject(new Error('not found'))
        : Promise.resolve({ tags: new Map([['keep-alive', 1]]) }),
    );
    await node.pass(1);
    expect(node.dialled.map(([id]) => id)).toEqual(['p']);
  });

  it('is dialled beside 255 others at most', async () => {
    for (let i = 0; i < 300; i += 1) node.reconnects.closedLast(peerOf(`p${i}`), lost);
    await node.pass(60);
    expect(new Set(node.dialled.map(([id]) => id)).size).toBe(256);
    expect(node.dialled).toHaveLength(256 * 5);
    // Those that are given up make room.
    node.reconnects.closedLast(peerOf('q'), lost);
    await node.pass(2);
    expect(node.dialled.at(-1)?.[0]).toBe('q');
  });

  it.each(['end', 'drain'] as const)('is dialled no more after %s', async (how) => {
    node.reconnects.closedLast(peerOf('p'), lost);
    await turn();
    node.reconnects.closedLast(peerOf('q'), lost);
    node.reconnects[how]();
    node.reconnects.closedLast(peerOf('r'), lost);
    await node.pass(100);
    expect(node.dialled).toEqual([]);
    expect(node.connectionManager.reconnectQueue?.maybeReconnect === node.original).toBe(how === 'end');
  });
});

it('leaves peers without a tag alone', async () => {
  const { dialled, pass, reconnects } = setUp({ tag: 'other' });
  reconnects.begin();
  reconnects.closedLast(peerOf('p'), lost);
  await pass(2);
  expect(dialled).toEqual([]);
});

it('leaves it to libp2p when that is built otherwise, and says so once', async () => {
  const { dialled, log, pass, reconnects } = setUp({ isKnown: false });
  reconnects.begin();
  reconnects.end();
  reconnects.begin();
  reconnects.closedLast(peerOf('p'), lost);
  await pass(2);
  expect([dialled.length, log.mock.calls.length]).toEqual([0, 1]);
});

it('neither barred nor maintained peers are dialled for their tags', async () => {
  const { network, peers } = createNode();
  const mayRedial = () => [smaller, larger].map((peerId) => network.gate.mayRedial(peerId));
  expect(mayRedial()).toEqual([true, true]);
  await peers.banPeer(smaller, 1_000);
  await peers.maintainConnection(larger);
  expect(mayRedial()).toEqual([false, false]);
  await peers.unbanPeer(smaller);
  void peers.disconnectPeer(smaller);
  expect([network.gate.isBarred(smaller), network.gate.isBarred(larger)]).toEqual([true, false]);
  peers.drain();
  expect(network.drains).toBe(1);
});
