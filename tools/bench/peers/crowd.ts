// Many nodes of one process, on libp2p's own parts: those who come in to the node that is measured.
import { identify } from '@libp2p/identify';
import type { Connection, Libp2p } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { dialSignal } from './node.ts';

/** How many of them do something at the same time: a node lets few handshakes be under way. */
const together = 8;

/** A node that listens nowhere and pings nobody by itself. */
export const createVisitor = (): Promise<Libp2p> =>
  createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify(), ping: ping() },
  });

/** Creates so many. */
export const createVisitors = (count: number): Promise<Libp2p[]> =>
  Promise.all(Array.from({ length: count }, () => createVisitor()));

/** Visitors who come, stay without doing anything, and go. */
export class Crowd {
  readonly #visitors: readonly Libp2p[];
  #connections: Connection[] = [];

  private constructor(visitors: readonly Libp2p[]) {
    this.#visitors = visitors;
  }

  static async create(count: number): Promise<Crowd> {
    return new Crowd(await createVisitors(count));
  }

  /** The first `count` of them connect to each address. */
  async come({
    addresses,
    count,
  }: {
    readonly addresses: readonly string[];
    readonly count: number;
  }): Promise<void> {
    const targets = addresses.map((address) => multiaddr(address));
    const visitors = this.#visitors.slice(0, count).values();
    const connectEach = async (): Promise<void> => {
      for (const visitor of visitors) {
        for (const target of targets) {
          this.#connections.push(await visitor.dial(target, { signal: dialSignal() }));
        }
      }
    };
    await Promise.all(Array.from({ length: together }, connectEach));
  }

  async go(): Promise<void> {
    const close = (connection: Connection): Promise<void> =>
      connection.close().catch((error: Error) => connection.abort(error));
    await Promise.all(this.#connections.splice(0).map(close));
  }
}
