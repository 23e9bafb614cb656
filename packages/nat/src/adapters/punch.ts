import { createServer } from 'node:net';
import type {
  Connection,
  ConnectionGater,
  MultiaddrConnection,
  PeerId,
  Transport,
  Upgrader,
  UpgraderOptions,
} from '@libp2p/interface';
import { withPeerId, type Clock } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { DialBudget } from '../internal/dialBudget.ts';
import { hostOf, isLoopback } from './punchAddresses.ts';
import { markPunched } from './punched.ts';

/** One side of a punch. */
export interface Punch {
  readonly peerId: PeerId;
  readonly targets: readonly Multiaddr[];
  readonly localPort: number;
  /** Whether this side speaks first once there is a connection: by DCUtR the one that was called. */
  readonly isClient: boolean;
}

/** What punching takes. */
export interface PunchPorts {
  readonly transport: Transport;
  readonly upgrader: Upgrader;
  readonly connectionGater: ConnectionGater;
  readonly clock: Clock;
  readonly budget: DialBudget;
}

/**
 * A NAT that answers instead of dropping ends a dial at once: then its first address is dialled again, after so many ms. The peer is
 * to dial at the same time, and hardly ever a second later.
 */
const refusedPausesMs: readonly number[] = [100, 250, 500];

/** A port that nobody uses, for dials that leave from it. */
export async function findPort(): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', reject);
  server.listen({ port: 0, host: '0.0.0.0' }, () => {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    server.close(() => resolve(port));
  });
  return promise;
}

/**
 * Dials all of a peer's addresses from one port, past libp2p's queue, which would choose the port and would not dial a peer twice.
 * Resolves with the first connection, which then belongs to the node. The side that speaks first gives the others up; the other
 * one lets them be, for it cannot know which the peer has kept. No host gets more than its budget of dials.
 *
 * @throws when none opened before `signal` fired
 */
export async function punch(ports: PunchPorts, wanted: Punch, signal: AbortSignal): Promise<Connection> {
  const won = new AbortController();
  const until = AbortSignal.any([signal, won.signal]);
  const { connectionGater: gater } = ports;
  if ((await gater.denyDialPeer?.(wanted.peerId)) === true) throw new Error('the gater denies the peer');
  const hosts = wanted.targets.map(hostOf);
  const dials = wanted.targets.map(async (bare, index) => {
    const target = withPeerId(bare, wanted.peerId);
    if ((await gater.denyDialMultiaddr?.(target)) === true)
      throw new Error(`the gater denies ${target.toString()}`);
    const pauses = hosts.indexOf(hosts[index]) === index ? refusedPausesMs : [];
    const connection = await dial(ports, { ...wanted, target, pauses }, until);
    if (won.signal.aborted) await connection.close().catch(() => undefined);
    return connection;
  });
  const connection = await Promise.any(dials);
  if (wanted.isClient) won.abort(new Error('another address came through'));
  return connection;
}

/**
 * The upgrader, which marks what comes of a punch before the peer can use it. For a side that has dialled and yet answers, it knows `initiator: false`, but yamux asks the socket which side
 * has dialled, and both have: each would take itself for the client, and end the connection at the first frame.
 */
function marking(upgrader: Upgrader, isClient: boolean): Upgrader {
  return new Proxy(upgrader, {
    get(target, name) {
      if (name !== 'upgradeOutbound') return Reflect.get(target, name, target) as unknown;
      return (maConn: MultiaddrConnection, config: UpgraderOptions) => {
        markPunched(maConn);
        if (!isClient) maConn.direction = 'inbound';
        return target.upgradeOutbound(maConn, config);
      };
    },
  });
}

interface Target {
  readonly target: Multiaddr;
  /** How long is waited after each refusal, in ms. */
  readonly pauses: readonly number[];
}

/** One address, until there is a connection or an answer that does not change. */
async function dial(
  { budget, clock, transport, upgrader }: PunchPorts,
  { target, pauses, isClient, localPort }: Punch & Target,
  signal: AbortSignal,
): Promise<Connection> {
  const config = {
    upgrader: marking(upgrader, isClient),
    localPort,
    ...(!isClient && { initiator: false }),
  };
  const host = hostOf(target) ?? '';
  for (let refusals = 0; ; refusals++) {
    if (!isLoopback(host) && !budget.take(host, clock.elapsed()))
      throw new Error(`${host} has got enough dials for now`);
    try {
      return await dialFor(signal, (own) => transport.dial(target, { ...config, signal: own }));
    } catch (error) {
      const isAgain = refusals < pauses.length && !signal.aborted && isRefusal(error);
      if (!isAgain) throw error;
    }
    await pause(clock, pauses[refusals] ?? 0, signal);
  }
}

/**
 * A dial with a signal of its own, which does not fire any more once it has come to a connection: Node ends a socket with its
 * signal for as long as it lasts.
 */
export async function dialFor<T>(
  signal: AbortSignal,
  dialWith: (own: AbortSignal) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  const follow = (): void => own.abort(signal.reason);
  if (signal.aborted) follow();
  signal.addEventListener('abort', follow, { once: true });
  try {
    return await dialWith(own.signal);
  } finally {
    signal.removeEventListener('abort', follow);
  }
}

const isRefusal = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET');

/** @throws the signal's reason when it fires first */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  const timer = clock.setTimeout(() => resolve(), ms);
  const end = (): void => {
    clock.clearTimeout(timer);
    reject(signal.reason as Error);
  };
  signal.addEventListener('abort', end, { once: true });
  return promise.finally(() => signal.removeEventListener('abort', end));
}
