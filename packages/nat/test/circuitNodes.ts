import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import type { Connection, Libp2p, Stream, StreamMessageEvent } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { EventHub, systemClock, systemRandom } from '@lloom/core';
import { createLibp2p, type Libp2pOptions } from 'libp2p';

import { libp2pCircuits } from '../src/adapters/circuits.ts';
import { libp2pRelayHost } from '../src/adapters/relayHost.ts';
import { Circuits } from '../src/circuits.ts';
import { relayServerDefaults } from '../src/config.ts';
import type { NatEvents } from '../src/events.ts';
import type { NatComponents, NatPorts } from '../src/ports.ts';
import { Relaying } from '../src/relaying.ts';
import type { RelayServerConfig } from '../src/types.ts';

/** A node with stock libp2p's client for relays, and what its services are made of. */
export type CircuitNode = Libp2p<{ parts: { readonly lent: NatComponents } }>;

export const sinkProtocol = '/test/sink/1.0.0';

const cleanups: (() => unknown)[] = [];

/** Stops everything that was created since the last time. */
export async function cleanUp(): Promise<void> {
  await Promise.all(cleanups.splice(0).map((stop) => stop()));
}

/** A node on 127.0.0.1. */
export async function createNode(options: Libp2pOptions = {}): Promise<CircuitNode> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 10_000 },
    ...options,
    services: {
      ...options.services,
      identify: identify(),
      // Not the components themselves: libp2p would start them once more.
      parts: (lent: NatComponents) => ({ lent }),
    },
  });
  cleanups.push(() => node.stop());
  return node;
}

const shared = {
  clock: systemClock,
  random: systemRandom,
  inspect: undefined,
  hub: new EventHub<NatEvents>(() => undefined),
  log: () => undefined,
};

/** Relaying for others at a node, started; `config` is laid over the defaults. */
export async function relayAt(
  { services }: CircuitNode,
  config: RelayServerConfig = {},
  ports: NatPorts = {},
): Promise<Relaying> {
  const network = libp2pRelayHost(services.parts.lent, ports);
  const relaying = new Relaying({ ...shared, network, source: ports.relaySource });
  cleanups.push(() => relaying.stop());
  await relaying.start();
  await relaying.enable({ ...relayServerDefaults, ...config }, 'public');
  return relaying;
}

/** Connections through relays at a node, started. No way without a relay is ever found, unless `upgrade` is given. */
export function circuitsAt(
  { services }: CircuitNode,
  upgrade: (peerId: string, signal: AbortSignal) => Promise<boolean> = async () => false,
  ports: NatPorts = {},
): Circuits {
  const network = libp2pCircuits(services.parts.lent, ports);
  const circuits = new Circuits({
    ...shared,
    ...(ports.clock && { clock: ports.clock }),
    network,
    upgrading: { upgrade, isPromising: () => true },
  });
  cleanups.push(() => circuits.stop());
  circuits.start();
  return circuits;
}

export const idOf = (node: Libp2p): string => node.peerId.toString();

export const addressOf = (node: Libp2p): string => {
  const address = node.getMultiaddrs().find((one) => !one.toString().includes('/p2p-circuit'));
  if (address === undefined) throw new Error('the node does not listen');
  return address.toString();
};

export const throughRelay = (relay: Libp2p): string => `${addressOf(relay)}/p2p-circuit`;

/** Takes whatever is sent to its sink. The result tells how many bytes that was. */
export async function sinkAt(node: Libp2p): Promise<() => number> {
  let received = 0;
  const count = ({ data }: StreamMessageEvent): void => void (received += data.byteLength);
  await node.handle(
    sinkProtocol,
    (stream) => {
      stream.addEventListener('message', count);
      stream.addEventListener('end', () => void stream.close().catch(() => undefined));
    },
    { runOnLimitedConnection: true },
  );
  return () => received;
}

/** A node that can be reached through a relay only, and counts what is sent to its sink. */
export async function createHidden(relay: Libp2p): Promise<{ node: CircuitNode; received: () => number }> {
  const node = await createNode({ addresses: { listen: [throughRelay(relay)] } });
  return { node, received: await sinkAt(node) };
}

export const openSink = (connection: Connection): Promise<Stream> =>
  connection.newStream(sinkProtocol, { runOnLimitedConnection: true });

/** Sends so many bytes in chunks of a size, as fast as the stream takes them; stops when it ends. */
export async function send(stream: Stream, bytes: number, chunk = 16_384): Promise<void> {
  for (let left = bytes; left > 0 && stream.writeStatus === 'writable'; left -= chunk) {
    if (stream.send(new Uint8Array(Math.min(chunk, left)))) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    stream.addEventListener('drain', () => resolve(), { once: true });
    stream.addEventListener('close', () => resolve(), { once: true });
    if (stream.status === 'open') await promise;
  }
}

/** When a condition holds; asked in every turn. */
export async function until(holds: () => boolean, what = 'a condition'): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn > 100_000) throw new Error(`${what} never came to hold`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** When a connection has ended. */
export async function closed(connection: Connection): Promise<void> {
  if (connection.status !== 'open') return;
  await new Promise<void>((resolve) => connection.addEventListener('close', () => resolve(), { once: true }));
}

/** What a promise was rejected with. */
export const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => {
      throw new Error('it should have failed');
    },
    (error: unknown) => error,
  );
