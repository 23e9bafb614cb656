import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { afterEach, expect, it } from 'vitest';
import type { AutonatConfig, NatStatus } from '../src/types.ts';
import { kindOf, probingOf, reach, toldOf, type ReachNode } from './reachable.ts';

const nodes: ReachNode[] = [];

async function createNode(
  autonat: AutonatConfig = {},
  addresses: { listen?: string[]; announce?: string[] } = { listen: ['/ip4/127.0.0.1/tcp/0'] },
): Promise<ReachNode> {
  const node: ReachNode = await createLibp2p({
    addresses,
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify(), reach: reach({ autonat }) },
  });
  nodes.push(node);
  return node;
}

/** Resolves with the next status that is told. */
const nextStatus = (node: ReachNode): Promise<NatStatus> => {
  const { promise, resolve } = Promise.withResolvers<NatStatus>();
  node.services.reach.hub.addEventListener('nat:changed', ({ detail }) => resolve(detail.status), {
    once: true,
  });
  return promise;
};

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async (node) => node.stop()));
});

it('a node on TCP that others get through to is public', async () => {
  const [a, b] = await Promise.all([createNode(), createNode({ enableServer: false })]);
  const told = nextStatus(b);
  await a.dial(b.getMultiaddrs());
  const [address] = b.getMultiaddrs();
  expect(await told).toEqual({
    kind: 'public',
    address: address?.toString().replace(`/p2p/${b.peerId.toString()}`, ''),
  });
  // Nobody answers the other one.
  expect([kindOf(a), probingOf(a).explain().servers]).toEqual(['unknown', 0]);
});

it('a node on TCP that nobody gets through to is private', async () => {
  const [a, b] = await Promise.all([createNode(), createNode({}, { announce: ['/ip4/127.0.0.1/tcp/1'] })]);
  const told = nextStatus(b);
  await b.dial(a.getMultiaddrs());
  expect(await told).toEqual({ kind: 'private' });
  expect(toldOf(b)).toHaveLength(1);
});
