import { identify } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { ping } from '@libp2p/ping';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { createLibp2p, type Libp2pOptions } from 'libp2p';

import {
  peers,
  PeersError,
  type Peers,
  type PeersConfig,
  type PeersEvents,
  type PeersPorts,
} from '../src/index.ts';

/** A node with the service under test, on a simulated host. */
export type SimNode = Libp2p<{ peers: Peers }>;

const base = (host: SimHost): Libp2pOptions => ({
  privateKey: host.privateKey,
  datastore: host.datastore,
  addresses: { listen: [host.address] },
  ...host.stack,
});

/** What is not given is as in production. */
export async function createSimNode(
  host: SimHost,
  config: PeersConfig & PeersPorts = {},
  options: Libp2pOptions = {},
): Promise<SimNode> {
  return createLibp2p({
    ...base(host),
    ...options,
    services: {
      identify: identify(),
      ping: ping(),
      peers: peers({ addressPolicy: 'lan', clock: host.clock, ...config }),
    },
  });
}

/** A node that knows nothing of the service: libp2p as it is. */
export async function createSimPlainNode(host: SimHost, options: Libp2pOptions = {}): Promise<Libp2p> {
  return createLibp2p({ ...base(host), ...options, services: { identify: identify(), ping: ping() } });
}

export const idOf = (node: Libp2p): string => node.peerId.toString();

export const addressOf = (node: Libp2p): string => {
  const [address] = node.getMultiaddrs();
  if (address === undefined) throw new Error('the node does not listen');
  return address.toString();
};

/** What a promise was rejected with, an error of the package. */
export async function errorOf(promise: Promise<unknown>): Promise<PeersError> {
  try {
    await promise;
  } catch (error) {
    if (PeersError.is(error)) return error;
    throw error;
  }
  throw new Error('it should have failed');
}

/** What a node's service tells of connections. */
export interface Watched {
  /** Connections that were told to be open and not yet to be closed. */
  readonly open: number;
  /** The most that `open` has been. */
  readonly mostOpen: number;
  readonly closed: readonly PeersEvents['connection:closed'][];
}

/** Counts what a service tells from now on; what is open already counts as told. */
export function watch({ services }: SimNode): Watched {
  const { peers: service } = services;
  let open = 0;
  for (const peerId of service.connectedPeers()) open += service.peerInfo(peerId)?.connections.length ?? 0;
  let mostOpen = open;
  const closed: PeersEvents['connection:closed'][] = [];
  service.addEventListener('connection:established', () => {
    open += 1;
    mostOpen = Math.max(mostOpen, open);
  });
  service.addEventListener('connection:closed', ({ detail }) => {
    open -= 1;
    closed.push(detail);
  });
  return {
    get open() {
      return open;
    },
    get mostOpen() {
      return mostOpen;
    },
    closed,
  };
}

/** What a call that is expected to fail came to, and how long it took, in ms. */
export async function failure(network: TestNetwork<SimNode>, act: () => Promise<unknown>) {
  const startedAt = network.clock.elapsed();
  const error = await network.run(() => errorOf(act()));
  return { error, tookMs: network.clock.elapsed() - startedAt };
}

/** Dials a node at its own address. */
export const dial = (from: SimNode, to: SimNode) => from.services.peers.dialPeer(idOf(to), [addressOf(to)]);

/** Whether both know of a connection between them. */
export const areConnected = (one: SimNode, other: SimNode): boolean =>
  one.services.peers.isConnected(idOf(other)) && other.services.peers.isConnected(idOf(one));
