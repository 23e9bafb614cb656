import type { Connection } from '@libp2p/interface';

import { isRelayed, transportOf } from '../internal/endpoint.ts';
import type { NetworkConnection, NetworkSettings } from '../ports.ts';
import type { ConnectionInfo } from '../types.ts';
import { ConnectionPing } from './ping.ts';
import { StreamUse } from './streamUse.ts';

/** How long a connection may take to close properly. */
export const closeTimeoutMs = 1_000;

/** A connection of a libp2p node. */
export class Libp2pConnection implements NetworkConnection {
  readonly id: string;
  readonly peerId: string;
  /** Whether this package closes it, or has. */
  isClosing = false;
  /** Since when it is known, by the clock's elapsed time. */
  readonly knownSince: number;
  readonly #connection: Connection;
  readonly #use: StreamUse;
  readonly #ping: ConnectionPing;

  constructor(connection: Connection, settings: NetworkSettings, onError: (error: unknown) => void) {
    this.#connection = connection;
    this.id = connection.id;
    this.peerId = connection.remotePeer.toString();
    this.knownSince = settings.clock.elapsed();
    this.#use = new StreamUse(connection, settings, onError);
    this.#ping = new ConnectionPing(connection, settings.clock);
  }

  get isOpen(): boolean {
    return this.#connection.status === 'open';
  }

  get isInUse(): boolean {
    return this.#use.isInUse;
  }

  get lastUsedAt(): number {
    return this.#use.lastUsedAt;
  }

  get info(): ConnectionInfo {
    const { direction, remoteAddr, timeline, rtt, limits } = this.#connection;
    return {
      direction,
      remoteAddress: remoteAddr.toString(),
      transport: transportOf(remoteAddr),
      relayed: isRelayed(remoteAddr),
      openedAt: timeline.open,
      ...(rtt !== undefined && { rttMs: rtt }),
      ...(limits !== undefined && {
        limits: {
          ...(limits.bytes !== undefined && { bytes: Number(limits.bytes) }),
          ...(limits.seconds !== undefined && { seconds: limits.seconds }),
        },
      }),
    };
  }

  ping(signal: AbortSignal): Promise<number> {
    return this.#ping.run(signal);
  }

  async close(): Promise<void> {
    this.isClosing = true;
    try {
      await this.#connection.close({ signal: AbortSignal.timeout(closeTimeoutMs) });
      if (this.#connection.status === 'closing') throw new Error('it was being closed for too long');
    } catch (error) {
      this.#connection.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Watches it no more. */
  forget(): void {
    this.#use.end();
  }
}
