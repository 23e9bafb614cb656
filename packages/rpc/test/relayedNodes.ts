import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import type { Connection, Stream } from '@libp2p/interface';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { Identity } from '@lloom/identity';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { expect, onTestFinished, vi } from 'vitest';
import {
  rpc,
  type Handler,
  type RelayBudget,
  type Rpc,
  type RpcConfig,
  type RpcPorts,
} from '../src/index.ts';
import { sessionProtocol } from '../src/internal/protocolIds.ts';
import { unlimited } from './nodes.ts';

/** A relay as libp2p makes it, with its limits of 128 KiB and two minutes for each connection. */
export async function createRelay() {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000 },
    services: { identify: identify(), relay: circuitRelayServer() },
  });
  onTestFinished(async () => node.stop());
  return { node, address: node.getMultiaddrs()[0]! };
}

/** How a node behind a relay differs from one with all defaults. */
export interface RelayedConfig extends RpcConfig, Pick<RpcPorts, 'tracer' | 'relayTraces'> {
  readonly listen?: readonly string[];
  readonly serve?: Handler;
  /** Makes room when the relay would cut something. @default nobody does */
  readonly makeRoom?: (peerId: string, bytes: number) => Promise<boolean>;
  /** Whether it knows what relays still carry. @default true */
  readonly hasBudget?: boolean;
}

/** A node that may be reached through relays, and reads from its connections what they still carry. */
export async function createRelayed(given: RelayedConfig = {}) {
  const { listen = [], serve, makeRoom, hasBudget = true, ...config } = given;
  const identity = Identity.generate();
  const dialed: Multiaddr[] = [];
  const relayBudget: RelayBudget = {
    bytesLeft: (peerId, connectionId) => bytesLeft(connectionsTo(peerId), connectionId),
    ...(makeRoom && { makeRoom: (peerId: string, bytes: number) => makeRoom(peerId, bytes) }),
  };
  const node = await createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: [...listen] },
    transports: [tcp(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000 },
    connectionGater: {
      denyDialMultiaddr: (address) => {
        dialed.push(address);
        return false;
      },
    },
    services: {
      identify: identify(),
      ping: ping(),
      rpc: rpc({
        ...unlimited,
        signer: identity.signer(),
        verifier: identity.verifier(),
        ...(hasBudget && { relayBudget }),
        ...config,
      }),
    },
  });
  onTestFinished(async () => node.stop());
  const service: Rpc = node.services.rpc;
  if (serve !== undefined) service.serve(serve);
  const connectionsTo = (peerId: string): Connection[] =>
    node.getConnections().filter(({ remotePeer }) => remotePeer.toString() === peerId);
  /** The ids of the connections to a peer that carry sessions of this node. */
  const sessionsTo = (peerId: string): string[] => {
    const isSession = ({ protocol, direction }: Stream): boolean =>
      protocol === sessionProtocol && direction === 'outbound';
    const found = connectionsTo(peerId).filter(({ streams }) => streams.some(isSession));
    return found.map(({ id }) => id);
  };
  return { node, identity, rpc: service, peerId: identity.peerId, dialed, connectionsTo, sessionsTo };
}

/** A node behind a relay, or in the open. */
export type Relayed = Awaited<ReturnType<typeof createRelayed>>;

/** What they still carry, or one of them. */
function bytesLeft(connections: readonly Connection[], connectionId?: string): number | undefined {
  const meant = connections.filter(({ id }) => connectionId === undefined || id === connectionId);
  if (meant.length === 0 || meant.some(({ limits }) => limits?.bytes === undefined)) return undefined;
  return Math.max(...meant.map(({ limits }) => Number(limits?.bytes)));
}

/** Where a node listens for direct connections. */
export const directAddressOf = ({ node }: Relayed): Multiaddr =>
  node.getMultiaddrs().find((address) => !address.toString().includes('p2p-circuit'))!;

/** A relay, an executor that is reached through it, and an asker that is connected so. */
export async function createRelayedPair(
  executorConfig: RelayedConfig = {},
  askerConfig: (executor: () => Relayed, asker: () => Relayed) => RelayedConfig = () => ({}),
) {
  const relay = await createRelay();
  const circuit = `${relay.address.toString()}/p2p-circuit`;
  const executor = await createRelayed({ listen: ['/ip4/127.0.0.1/tcp/0', circuit], ...executorConfig });
  const asker: Relayed = await createRelayed(
    askerConfig(
      () => executor,
      () => asker,
    ),
  );
  const relayed = multiaddr(`${circuit}/p2p/${executor.peerId}`);
  await vi.waitFor(() =>
    expect(executor.node.getMultiaddrs().map((address) => address.toString())).toContain(relayed.toString()),
  );
  const connection = await asker.node.dial(relayed);
  expect(connection.limits?.bytes).toBeGreaterThan(0n);
  return { relay, executor, asker, relayed, connection };
}
