import type { Connection, PeerId, Stream } from '@libp2p/interface';
import type { ConnectionManager } from '@libp2p/interface-internal';
import type { Clock, Random } from '@lloom/core';
import type { LogFields } from '../ports.ts';
import type { Internals } from './internals.ts';
import { Outbox, type OutboxLimits, type Turn } from './outbox.ts';

/** What outbound streams are made of. */
export interface OutboundParts {
  readonly connectionManager: Pick<ConnectionManager, 'getConnections'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly turn: Turn;
  readonly limits: OutboxLimits;
  /** A stream began or ended: what can be sent to the neighbour has changed. */
  readonly onChange: (peerId: string) => void;
  /** The neighbour does not speak the protocol any more. */
  readonly onUnsupported: (peerId: PeerId) => void;
  readonly onError: (text: string, error: unknown, fields: LogFields) => void;
}

const firstPauseMs = 250;
const maxPauseMs = 30_000;
/** A stream that has lived for so long was no failure. */
const settledMs = 30_000;
/** A neighbour that reads is given so many pauses to open its own stream anew. */
const patience = 4;

/** The stream to one neighbour, over all that befalls it. */
interface Link {
  readonly peerId: PeerId;
  isOpening: boolean;
  failures: number;
  openedAt: number;
  timer: unknown;
}

/**
 * Keeps a stream open to every neighbour: gossipsub opens one when they meet, and never again. In place of its
 * `createOutboundStream`, which also opens them one after the other, so that one who does not answer holds up all.
 */
export class OutboundStreams {
  readonly #gossipsub: Internals;
  readonly #parts: OutboundParts;
  readonly #links = new Map<string, Link>();

  constructor(gossipsub: Internals, parts: OutboundParts) {
    this.#gossipsub = gossipsub;
    this.#parts = parts;
    gossipsub.createOutboundStream = (peerId, connection) => {
      this.#ensure(peerId, connection);
      return Promise.resolve();
    };
  }

  /** The neighbour has left. */
  forget(id: string): void {
    this.#parts.clock.clearTimeout(this.#links.get(id)?.timer);
    this.#links.delete(id);
  }

  stop(): void {
    for (const id of [...this.#links.keys()]) this.forget(id);
  }

  /** Its own stream has ended. Most open another; one that does not is shown a new stream of ours, which makes it. */
  onInboundEnd(peerId: PeerId): void {
    const id = peerId.toString();
    const link = this.#links.get(id);
    if (link === undefined) return;
    this.#later(link, this.#pauseOf(link) * patience, () => {
      if (this.#gossipsub.streamsInbound.has(id)) return;
      link.failures++;
      const outbox = this.#gossipsub.streamsOutbound.get(id);
      if (outbox instanceof Outbox) outbox.abort('the neighbour does not speak');
      else this.#ensure(peerId);
    });
  }

  #ensure(peerId: PeerId, connection?: Connection): void {
    const id = peerId.toString();
    const { peers, streamsOutbound } = this.#gossipsub;
    if (!this.#gossipsub.isStarted() || !peers.has(id) || streamsOutbound.has(id)) return;
    const fresh: Link = { peerId, isOpening: false, failures: 0, openedAt: 0, timer: undefined };
    const link = this.#links.get(id) ?? fresh;
    this.#links.set(id, link);
    if (link.isOpening) return;
    link.isOpening = true;
    void this.#open(link, id, connection);
  }

  async #open(link: Link, id: string, preferred?: Connection): Promise<void> {
    const isCurrent = (): boolean => this.#links.get(id) === link && this.#gossipsub.isStarted();
    try {
      const connection = preferred?.status === 'open' ? preferred : this.#connectionTo(link.peerId);
      if (connection === undefined) throw new Error('there is no connection');
      const stream = await connection.newStream(this.#gossipsub.protocols);
      if (stream.status !== 'open') throw new Error('it was reset at once');
      if (isCurrent()) this.#attach(link, id, stream);
      else stream.abort(new Error('not wanted any more'));
    } catch (error) {
      this.#parts.onError('could not open a stream', error, { peerId: id });
      if (!isCurrent()) return;
      // It has stopped to speak the protocol; when it does again, gossipsub is told.
      if (error instanceof Error && error.name === 'UnsupportedProtocolError')
        this.#parts.onUnsupported(link.peerId);
      else this.#retry(link);
    } finally {
      link.isOpening = false;
    }
  }

  #attach(link: Link, id: string, stream: Stream): void {
    const { turn, limits, clock, onChange } = this.#parts;
    const { streamsOutbound, subscriptions } = this.#gossipsub;
    const outbox = new Outbox(id, stream, { turn, limits });
    link.openedAt = clock.elapsed();
    streamsOutbound.set(id, outbox);
    stream.addEventListener('close', () => this.#onClose(link, id, outbox));
    // The other side never writes here: it is done with the stream, and reads no more.
    stream.addEventListener('remoteCloseWrite', () => outbox.abort('the neighbour has ended the stream'));
    if (subscriptions.size > 0) this.#gossipsub.sendSubscriptions(id, [...subscriptions], true);
    onChange(id);
  }

  #onClose(link: Link, id: string, outbox: Outbox): void {
    const { streamsOutbound, mesh, score } = this.#gossipsub;
    if (streamsOutbound.get(id) !== outbox) return;
    streamsOutbound.delete(id);
    // It may have forgotten everything: what holds between the two begins anew, with a graft.
    for (const [topic, peers] of mesh) if (peers.delete(id)) score.prune(id, topic);
    this.#parts.onChange(id);
    if (this.#links.get(id) !== link) return;
    if (this.#parts.clock.elapsed() - link.openedAt > settledMs) link.failures = 0;
    this.#retry(link);
  }

  #retry(link: Link): void {
    const pause = this.#pauseOf(link);
    link.failures++;
    this.#later(link, pause, () => this.#ensure(link.peerId));
  }

  #pauseOf({ failures }: Link): number {
    const jitter = 0.5 + this.#parts.random.float();
    return Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(failures, 16)) * jitter;
  }

  #later(link: Link, ms: number, act: () => void): void {
    const { clock } = this.#parts;
    clock.clearTimeout(link.timer);
    link.timer = clock.setTimeout(() => {
      if (this.#gossipsub.isStarted()) act();
    }, ms);
  }

  #connectionTo(peerId: PeerId): Connection | undefined {
    const connections = this.#parts.connectionManager.getConnections(peerId);
    return connections.find(({ status, limits }) => status === 'open' && limits === undefined);
  }
}
