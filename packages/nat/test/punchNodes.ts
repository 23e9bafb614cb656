import { createServer, connect, type Socket } from 'node:net';
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import type { Transport } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { EventHub, systemClock, systemRandom } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import { libp2pDirect } from '../src/adapters/direct.ts';
import type { NatEvents } from '../src/events.ts';
import { Upgrading } from '../src/upgrading.ts';
import { createNode, type CircuitNode } from './circuitNodes.ts';

/** What a NAT does with the ports of those behind it. */
export type Ports = 'kept' | 'random';

interface Dialed {
  readonly localPort?: number;
  readonly signal: AbortSignal;
}

/** Those parts of TCP's transport that a NAT is put into. */
interface Sockets {
  _connect(address: Multiaddr, config: Dialed): Promise<Socket>;
}

/** Dials that wait for the dial in return, by their ports. */
const waiting = new Map<string, (socket: Socket) => void>();
const listening = new Set<number>();

/** A socket at each end of one connection. */
async function createPair(): Promise<readonly [Socket, Socket]> {
  const server = createServer();
  const { promise: accepted, resolve } = Promise.withResolvers<Socket>();
  server.once('connection', resolve);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const socket = connect({ port, host: '127.0.0.1' });
  const pair = [socket, await accepted] as const;
  server.close();
  return pair;
}

/** What both dial at once becomes one connection, as on the internet: within one machine, the first packet would be refused. */
async function meet(localPort: number, remotePort: number, signal: AbortSignal): Promise<Socket> {
  const other = waiting.get(`${remotePort}>${localPort}`);
  if (other !== undefined) {
    const [mine, theirs] = await createPair();
    other(theirs);
    return mine;
  }
  const key = `${localPort}>${remotePort}`;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  waiting.set(key, resolve);
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  return promise.finally(() => waiting.delete(key));
}

/** TCP behind a NAT that lets nothing in that was not dialled from within. */
const natted =
  (ports: Ports): ReturnType<typeof tcp> =>
  (components) => {
    const transport: Transport = tcp()(components);
    const sockets = transport as unknown as Sockets;
    const dial = sockets._connect.bind(transport);
    sockets._connect = (address, config) => {
      const { localPort, ...rest } = config;
      const [host, { value } = {}] = address.getComponents();
      if (localPort === undefined) return dial(address, config);
      if (listening.has(Number(value))) return dial(address, ports === 'kept' ? config : rest);
      if (host?.value !== '127.0.0.1') return Promise.reject(new Error('no way to that network'));
      return meet(localPort, Number(value), config.signal);
    };
    return transport;
  };

/** A relay of stock libp2p. */
export async function createRelay(): Promise<CircuitNode> {
  const relay = await createNode({ services: { relay: circuitRelayServer() } as never });
  for (const address of relay.getMultiaddrs()) listening.add(Number(address.getComponents()[1]?.value));
  return relay;
}

export const addressOf = (node: CircuitNode): Multiaddr => {
  const [address] = node.getMultiaddrs();
  if (address === undefined) throw new Error('the node does not listen');
  return address;
};

/** A node behind a NAT, connected to relays, and reached through the first of them. */
export async function createHidden(
  relays: readonly CircuitNode[],
  ports: Ports = 'kept',
): Promise<CircuitNode> {
  const node = await createNode({
    addresses: { listen: [`${addressOf(relays[0] as CircuitNode).toString()}/p2p-circuit`] },
    transports: [natted(ports), circuitRelayTransport()],
  });
  for (const relay of relays) await node.dial(addressOf(relay));
  return node;
}

/** The way to direct connections at a node, started, with what it tells. */
export async function upgradingAt(node: CircuitNode, isEnabled = true) {
  const hub = new EventHub<NatEvents>(() => undefined);
  const network = libp2pDirect(node.services.parts.lent, { clock: systemClock });
  const shared = { clock: systemClock, random: systemRandom, inspect: undefined, log: () => undefined, hub };
  const upgrading = new Upgrading({ ...shared, network, isEnabled });
  node.addEventListener('stop', () => void upgrading.stop());
  await upgrading.start();
  const next = <T extends keyof NatEvents>(type: T): Promise<NatEvents[T]> =>
    new Promise((resolve) =>
      hub.addEventListener(type, ({ detail }) => resolve(detail), { once: true } as never),
    );
  return {
    upgrading,
    upgraded: next('connection:upgraded'),
    staysRelayed: next('connection:stays-relayed'),
  };
}
