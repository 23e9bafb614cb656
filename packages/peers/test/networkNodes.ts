import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { systemClock, systemRandom } from '@lloom/core';
import type { Libp2pOptions } from 'libp2p';

import { libp2pNetwork } from '../src/adapters/libp2p.ts';
import { peersDefaults } from '../src/config.ts';
import type { Gate, NetworkConnection, PeerNetwork, PeersComponents } from '../src/ports.ts';
import { addressOf, cleanUp, createPlainNode, idOf } from './nodes.ts';

/** A gate that refuses nothing. */
export const openGate: Gate = {
  refusesPeer: () => Promise.resolve(undefined),
  refusesAddress: () => undefined,
  refusesInbound: () => undefined,
  refusesConnection: () => undefined,
  isBarred: () => false,
  mayRedial: () => true,
  refusesRelaying: () => undefined,
};

/** A connection that has ended. */
export interface Closed {
  readonly connection: NetworkConnection;
  readonly error: unknown;
}

/** A node whose network a test uses directly, with time that stands still. */
export interface NetworkNode {
  readonly node: Libp2p;
  readonly components: PeersComponents;
  readonly network: PeerNetwork;
  readonly opened: readonly NetworkConnection[];
  /** Ends the watch that was set up at the beginning. */
  readonly unwatch: () => void;
  /** What the connections take for the elapsed time. */
  now: number;
  /** Resolves when so many connections have ended. */
  closed(count?: number): Promise<readonly Closed[]>;
}

const nodes: Libp2p[] = [];

/** Stops everything that was created since the last time; does not wait for two nodes that close towards each other. */
export async function cleanUpAtOnce(): Promise<void> {
  for (const node of nodes.splice(0)) {
    for (const connection of node.getConnections()) connection.abort(new Error('the test is over'));
  }
  await cleanUp();
}

export async function createNetworkNode(options: Libp2pOptions = {}): Promise<NetworkNode> {
  let components: PeersComponents | undefined;
  const probe = (given: PeersComponents): object => {
    components = given;
    return {};
  };
  const node = await createPlainNode({ ...options, services: { ...options.services, probe } });
  nodes.push(node);
  if (components === undefined) throw new Error('libp2p made no service');
  const clock = { ...systemClock, elapsed: () => result.now };
  const { backgroundProtocols } = peersDefaults;
  const network = libp2pNetwork(components, { clock, random: systemRandom, backgroundProtocols });
  const opened: NetworkConnection[] = [];
  const closed: Closed[] = [];
  let onClosed = (): void => undefined;
  const unwatch = network.watch({
    opened: (connection) => void opened.push(connection),
    closed: (connection, error) => {
      closed.push({ connection, error });
      onClosed();
    },
    recorded: () => undefined,
  });
  const result: NetworkNode = {
    node,
    components,
    network,
    opened,
    unwatch,
    now: 1_000,
    closed: (count = 1) =>
      new Promise((resolve) => {
        onClosed = () => {
          if (closed.length >= count) resolve(closed);
        };
        onClosed();
      }),
  };
  return result;
}

/** Dials by way of the adapter. */
export const dial = ({ network }: NetworkNode, to: Libp2p, isRenewal = false): Promise<void> =>
  network.dial({
    peerId: idOf(to),
    addresses: isRenewal ? [] : [addressOf(to)],
    signal: AbortSignal.timeout(10_000),
    isRenewal,
  });

/** The connection that a node has to another. */
export function connectionTo(from: Libp2p, to: Libp2p): Connection {
  const [connection] = from.getConnections(to.peerId);
  if (connection === undefined) throw new Error('not connected');
  return connection;
}

/** Takes streams of a protocol and only holds them; each call of the result gives the next one. */
export async function holdStreams(node: Libp2p, protocol: string): Promise<() => Promise<Stream>> {
  const held: Stream[] = [];
  const waiting: ((stream: Stream) => void)[] = [];
  const take = (stream: Stream): void => {
    const next = waiting.shift();
    if (next === undefined) held.push(stream);
    else next(stream);
  };
  await node.handle(protocol, take, { maxInboundStreams: 100, force: true });
  return () => {
    const stream = held.shift();
    return stream === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(stream);
  };
}
