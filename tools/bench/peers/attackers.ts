// Those who dial and open streams as fast as they can, and answer nothing.
import { UnsupportedProtocolError, type Connection, type Libp2p, type StreamMuxer } from '@libp2p/interface';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { createVisitors } from './crowd.ts';
import { dialSignal, echoProtocol } from './node.ts';

/** What each of them does. */
export interface Attack {
  readonly address: string;
  readonly dialsEach: number;
  readonly streamsPerDial: number;
}

/** What all of them got. */
export interface Attacked {
  readonly dials: number;
  /** How many of these dials gave a connection, if only for a moment. */
  readonly connected: number;
  readonly streams: number;
  /** How many of these streams the other side answered or let be; the others had no connection, or were reset. */
  readonly opened: number;
}

/** Attackers of one process. */
export class Attackers {
  readonly #attackers: readonly Attacker[];

  private constructor(nodes: readonly Libp2p[]) {
    this.#attackers = nodes.map((node) => new Attacker(node));
  }

  static async create(count: number): Promise<Attackers> {
    return new Attackers(await createVisitors(count));
  }

  get peerIds(): string[] {
    return this.#attackers.map(({ peerId }) => peerId);
  }

  /** Resolves when each dial and each stream has ended one way or the other. */
  async run(attack: Attack): Promise<Attacked> {
    await Promise.all(this.#attackers.map((attacker) => attacker.run(attack)));
    const sum = (of: (attacker: Attacker) => number): number =>
      this.#attackers.reduce((total, attacker) => total + of(attacker), 0);
    const dials = this.#attackers.length * attack.dialsEach;
    return {
      dials,
      connected: sum(({ connected }) => connected),
      streams: dials * attack.streamsPerDial,
      opened: sum(({ opened }) => opened),
    };
  }
}

class Attacker {
  connected = 0;
  opened = 0;
  readonly #node: Libp2p;
  readonly #streams: Promise<void>[] = [];
  #next = 0;

  constructor(node: Libp2p) {
    this.#node = node;
  }

  get peerId(): string {
    return this.#node.peerId.toString();
  }

  async run({ address, dialsEach, streamsPerDial }: Attack): Promise<void> {
    const target = multiaddr(address);
    for (let dial = 0; dial < dialsEach; dial++) {
      await this.#dial(target);
      for (let i = 0; i < streamsPerDial; i++) this.#streams.push(this.#open());
    }
    await Promise.all(this.#streams);
  }

  async #dial(target: Multiaddr): Promise<void> {
    try {
      await this.#node.dial(target, { force: true, signal: dialSignal() });
      this.connected += 1;
    } catch {
      // It was refused, which is what the other side is for.
    }
  }

  /** One stream on one of its connections, in turn: some say nothing, some ask for what nobody speaks, some stay. */
  async #open(): Promise<void> {
    const turn = this.#next++;
    const connections = this.#node.getConnections().filter(({ status }) => status === 'open');
    const connection = connections[turn % connections.length];
    if (connection === undefined) return;
    try {
      await this.#openOn(connection, turn % 3);
      this.opened += 1;
    } catch (error) {
      // A refusal is an answer as well; else it was reset, or the connection is gone.
      if (error instanceof UnsupportedProtocolError) this.opened += 1;
    }
  }

  async #openOn(connection: Connection, kind: number): Promise<void> {
    if (kind === 0) {
      const { muxer } = connection as unknown as { readonly muxer: StreamMuxer };
      await muxer.createStream();
      return;
    }
    const protocol = kind === 1 ? echoProtocol : '/bench/nobody/1.0.0';
    await connection.newStream(protocol, { maxOutboundStreams: 100_000, signal: dialSignal() });
  }
}
