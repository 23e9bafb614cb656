import type { Libp2p } from '@libp2p/interface';
import type { SimHost, TestNetwork, TestNetworkConfig } from '@lloom/simkit';
import { test } from '@lloom/simkit/vitest';
import { multiaddr } from '@multiformats/multiaddr';
import { expect } from 'vitest';

import { addressOf, createSimNode, createSimPlainNode, idOf, type SimNode } from './simNodes.ts';

// As the DHT gives it to those that are near.
const tags = { 'keep-alive-kad-dht': { value: 1 } };
// As a node of ours has it: libp2p's own five a second from one address would hide what comes.
const connectionManager = { inboundConnectionThreshold: 1_000 };
const minuteMs = 60_000;
const hourMs = 3_600_000;

type Create = (config: TestNetworkConfig<Libp2p>) => Promise<TestNetwork<Libp2p>>;
type CreateNode = (host: SimHost) => Promise<Libp2p>;

/** Two nodes of which `a` holds `b` dear; counts what comes in at `b`. */
async function two(createNetwork: Create, createA: CreateNode, denyEncrypted = () => false) {
  let inbound = 0;
  const denyInboundConnection = (): boolean => {
    inbound += 1;
    return false;
  };
  const connectionGater = { denyInboundConnection, denyInboundEncryptedConnection: denyEncrypted };
  const network = await createNetwork({
    nodes: ['a', 'b'],
    link: { delayMs: 5 },
    // Only Noise ends at the dialler first.
    fidelity: 'full',
    createNode: (host) =>
      host.name === 'b' ? createSimNode(host, {}, { connectionGater, connectionManager }) : createA(host),
  });
  const [a, b] = [network.node('a'), network.node('b') as SimNode];
  const dial = () => network.run(() => a.dial(multiaddr(addressOf(b))));
  await dial();
  await network.run(() => a.peerStore.merge(b.peerId, { tags }));
  const count = async (ms: number): Promise<number> => {
    const before = inbound;
    await network.runFor(ms);
    return inbound - before;
  };
  return { network, a, b, dial, count };
}

const kinds: readonly [name: string, createNode: CreateNode, most: (ms: number) => number][] = [
  ['our own', (host) => createSimNode(host), () => 5],
  ['stock libp2p', (host) => createSimPlainNode(host), (ms) => ms / 1_000],
];
const refusals: readonly [name: string, refuse: (b: SimNode, id: string) => unknown, ms: number][] = [
  ['is banned', ({ services }, id) => services.peers.banPeer(id, hourMs), minuteMs],
  // For as long as it has to stay away.
  ['is disconnected', ({ services }, id) => services.peers.disconnectPeer(id), 9_000],
  [
    'has lost its reputation',
    ({ services }, id) => {
      for (let i = 0; i < 6; i += 1) services.peers.reportPeer(id, 'PROTOCOL_VIOLATION');
    },
    minuteMs,
  ],
];

for (const [kind, createA, most] of kinds) {
  for (const [name, refuse, ms] of refusals) {
    test(`a node of ${kind} that ${name} does not come back without end`, async ({ createNetwork }) => {
      const { network, a, b, dial, count } = await two(createNetwork, createA);
      await network.run(async () => void (await refuse(b, idOf(a))));
      await network.runFor(100);
      // Whoever wants it there: the DHT, a search, gossip. It succeeds, and is refused after the handshake.
      await dial();
      const came = await count(ms);
      expect(came).toBeGreaterThan(0);
      expect(came).toBeLessThanOrEqual(most(ms));
      expect(b.services.peers.connectedPeers()).toEqual([]);
    });
  }
}

test('a node dials who refuses it at once five times, over half a minute, and again when it was let in for a minute', async ({
  createNetwork,
}) => {
  let isDenied = false;
  const { network, a, b, dial, count } = await two(
    createNetwork,
    (host) => createSimNode(host),
    () => isDenied,
  );
  const failures: unknown[] = [];
  a.addEventListener('peer:reconnect-failure', ({ detail }) => failures.push(detail.toString()));
  const lose = () => a.getConnections().forEach((connection) => connection.abort(new Error('lost')));
  await count(minuteMs);
  isDenied = true;
  lose();
  expect([await count(20_000), await count(40_000), await count(5 * minuteMs)]).toEqual([4, 1, 0]);
  expect(failures).toEqual([idOf(b)]);

  // Somebody else connects it, not for long.
  isDenied = false;
  await dial();
  await network.runFor(minuteMs - 1_000);
  lose();
  expect(await count(minuteMs)).toBe(0);
  await dial();
  await network.runFor(minuteMs + 1_000);
  lose();
  expect(await count(minuteMs)).toBe(1);
  expect(b.services.peers.isConnected(idOf(a))).toBe(true);
});

test('a node that drains dials nobody again', async ({ createNetwork }) => {
  const { a, count } = await two(createNetwork, (host) => createSimNode(host));
  a.getConnections().forEach((connection) => connection.abort(new Error('lost')));
  expect(await count(500)).toBe(0);
  (a as SimNode).services.peers.drain();
  expect(await count(minuteMs)).toBe(0);
});
