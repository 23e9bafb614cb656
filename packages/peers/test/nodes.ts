import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { identify } from '@libp2p/identify';
import type { Libp2p, Stream, StreamMessageEvent } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import { expect } from 'vitest';
import { systemClock, type Clock } from '@lloom/core';

import {
  peers,
  PeersError,
  type ConnectionInfo,
  type Peers,
  type PeersConfig,
  type PeersEvents,
  type PeersPorts,
} from '../src/index.ts';

/** A node on 127.0.0.1 with the service under test. */
export type Node = Libp2p<{ peers: Peers }>;

const cleanups: (() => unknown)[] = [];

/** Stops everything that was created since the last time. */
export async function cleanUp(): Promise<void> {
  await Promise.all(cleanups.splice(0).map((stop) => stop()));
}

const base = (): Libp2pOptions => ({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  // All nodes of a test come from one address, which libp2p otherwise limits to 5 connections a second.
  connectionManager: { inboundConnectionThreshold: 10_000 },
});

/** A node that is stopped at the end of the test. */
export async function createNode(
  config: PeersConfig & PeersPorts = {},
  options: Libp2pOptions = {},
): Promise<Node> {
  const node = await createLibp2p({
    ...base(),
    ...options,
    services: {
      ...options.services,
      identify: identify(),
      ping: ping(),
      peers: peers({ addressPolicy: 'loopback', ...config }),
    },
  });
  cleanups.push(() => node.stop());
  return node;
}

/** A node that knows nothing of the service: libp2p as it is, and what is given beside. */
export async function createPlainNode({ services, ...options }: Libp2pOptions = {}): Promise<Libp2p> {
  const node = await createLibp2p({
    ...base(),
    ...options,
    services: { identify: identify(), ping: ping(), ...services },
  });
  cleanups.push(() => node.stop());
  return node;
}

/** A server that accepts connections and says nothing. */
export async function createSilentServer(): Promise<{ server: Server; port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { server, port: (server.address() as AddressInfo).port, sockets };
}

/** A port on which nobody listens. */
export async function findDeadPort(): Promise<number> {
  const { server, port } = await createSilentServer();
  server.close();
  await once(server, 'close');
  return port;
}

/** The peer id of a node that does not run. */
export async function createUnknownPeerId(): Promise<string> {
  const node = await createLibp2p({ start: false });
  return node.peerId.toString();
}

export const idOf = (node: Libp2p): string => node.peerId.toString();

export const addressOf = (node: Libp2p): string => {
  const [address] = node.getMultiaddrs();
  if (address === undefined) throw new Error('the node does not listen');
  return address.toString();
};

/** The address of a node with another peer id at its end. */
export const addressAs = (node: Libp2p, peerId: string): string =>
  addressOf(node).replace(idOf(node), peerId);

/** The next event of that name for which `matches` holds. */
export function nextEvent<K extends keyof PeersEvents>(
  source: Peers,
  type: K,
  matches: (detail: PeersEvents[K]) => boolean = () => true,
): Promise<PeersEvents[K]> {
  const ending = new AbortController();
  return new Promise((resolve) => {
    const listener = ({ detail }: CustomEvent<PeersEvents[K]>): void => {
      if (!matches(detail)) return;
      ending.abort();
      resolve(detail);
    };
    source.addEventListener(type, listener, { signal: ending.signal });
  });
}

/** Resolves when `holds`, which is looked at now and after each event of the given nodes. */
export function until(nodes: readonly Node[], holds: () => boolean): Promise<void> {
  const ending = new AbortController();
  return new Promise((resolve) => {
    const look = (): void => {
      if (!holds()) return;
      ending.abort();
      resolve();
    };
    for (const { services } of nodes) {
      for (const type of ['connection:established', 'connection:closed'] as const) {
        services.peers.addEventListener(type, look, { signal: ending.signal });
      }
    }
    look();
  });
}

/** The next time that libp2p itself says something for which `matches` holds. */
export function nextLibp2pEvent(
  node: Libp2p,
  type: 'peer:identify' | 'connection:open' | 'connection:close' | 'peer:reconnect-failure',
  matches: (detail: never) => boolean = () => true,
): Promise<void> {
  return new Promise((resolve) => {
    const listener = (event: Event): void => {
      if (!matches((event as CustomEvent<never>).detail)) return;
      node.removeEventListener(type, listener);
      resolve();
    };
    node.addEventListener(type, listener);
  });
}

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

/** The open connections that a node has to another. */
export const connectionsOf = (node: Node, other: Libp2p): readonly ConnectionInfo[] =>
  node.services.peers.peerInfo(other.peerId)?.connections ?? [];

/** Dials a node at its own address. */
export const dial = (from: Node, to: Libp2p): Promise<ConnectionInfo> =>
  from.services.peers.dialPeer(to.peerId, [addressOf(to)]);

/** Whether both know of a connection between them. */
export const areConnected = (one: Node, other: Node): boolean =>
  one.services.peers.isConnected(other.peerId) && other.services.peers.isConnected(one.peerId);

/** Two nodes that are connected, and both know; the first one has dialled. */
export async function connectTwo(
  config: PeersConfig & PeersPorts = {},
  other: PeersConfig & PeersPorts = {},
): Promise<[Node, Node]> {
  const [a, b] = await Promise.all([createNode(config), createNode(other)]);
  await dial(a, b);
  await until([b], () => b.services.peers.isConnected(a.peerId));
  return [a, b];
}

/** Resolves when a socket is closed, however that came about. */
export async function closeOf(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  await new Promise((resolve) =>
    socket
      .on('error', () => undefined)
      .on('close', resolve)
      .resume(),
  );
}

/**
 * Dials a node that has not to let this one in: the dial fails, or what was opened is closed a moment later, which is all that
 * the dialler can see.
 */
export async function expectRefused(from: Node, to: Node): Promise<void> {
  const established: unknown[] = [];
  const ending = new AbortController();
  to.services.peers.addEventListener('connection:established', ({ detail }) => established.push(detail), {
    signal: ending.signal,
  });
  const closed = nextEvent(from.services.peers, 'connection:closed');
  await dial(from, to).then(
    () => closed,
    () => undefined,
  );
  ending.abort();
  expect(established).toEqual([]);
  expect([from.services.peers.isConnected(to.peerId), to.services.peers.isConnected(from.peerId)]).toEqual([
    false,
    false,
  ]);
}

/** Timers and elapsed time that run so many times faster; the wall clock, which libp2p uses, is as it is. */
export const fastClock = (times: number): Clock => ({
  ...systemClock,
  elapsed: () => systemClock.elapsed() * times,
  setTimeout: (fn, ms) => systemClock.setTimeout(fn, ms / times),
});

export const echoProtocol = '/echo/1.0.0';

/** Sends back whatever comes, and closes when the other side does. */
export const echo = (stream: Stream): void => {
  stream.addEventListener('message', ({ data }) => void stream.send(data));
  stream.addEventListener('remoteCloseWrite', () => void stream.close());
};

/** Sends text and gives what comes back. */
export async function say(stream: Stream, text: string): Promise<string> {
  const answer = new Promise<string>((resolve) => {
    const onMessage = ({ data }: StreamMessageEvent): void =>
      resolve(new TextDecoder().decode(data.subarray()));
    stream.addEventListener('message', onMessage, { once: true });
  });
  stream.send(new TextEncoder().encode(text));
  return answer;
}

/** Resolves when a stream has ended. */
export const ended = (stream: Stream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.status !== 'open') resolve();
    else stream.addEventListener('close', () => resolve(), { once: true });
  });
