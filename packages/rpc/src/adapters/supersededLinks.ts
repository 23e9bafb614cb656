import type { Connection, Libp2pEvents, PeerId, Stream, TypedEventTarget } from '@libp2p/interface';
import { safe } from '@lloom/core';
import { bestOf, worthOf } from './bestConnection.ts';
import type { Libp2pSessionLink } from './sessionLink.ts';

type Events = Pick<TypedEventTarget<Libp2pEvents>, 'addEventListener' | 'removeEventListener'>;

interface Watched {
  readonly link: Libp2pSessionLink;
  readonly connection: Connection;
}

/** Tells sessions of this node when a better connection to their peer opens than the one that carries them. */
export class SupersededLinks {
  readonly #events: Events;
  readonly #connectionsOf: (peerId: PeerId) => readonly Connection[];
  readonly #onError: (error: unknown) => void;
  readonly #onOpen: (event: CustomEvent<Connection>) => void;
  /** By the peer; a peer without any is left out. */
  readonly #watched = new Map<string, Set<Watched>>();

  constructor(
    events: Events,
    config: {
      readonly connectionsOf: (peerId: PeerId) => readonly Connection[];
      readonly onError: (error: unknown) => void;
    },
  ) {
    this.#events = events;
    this.#connectionsOf = config.connectionsOf;
    this.#onError = config.onError;
    this.#onOpen = safe(({ detail }: CustomEvent<Connection>) => this.#opened(detail), config.onError);
  }

  /** Watches over a link until its stream closes. A better connection may have opened while that was being opened. */
  watch(link: Libp2pSessionLink, stream: Stream, connection: Connection): void {
    const best = bestOf(this.#connectionsOf(connection.remotePeer));
    if (best !== undefined && worthOf(best) > worthOf(connection)) return link.supersede();
    const peerId = connection.remotePeer.toString();
    const watched = { link, connection };
    if (this.#watched.size === 0) this.#events.addEventListener('connection:open', this.#onOpen);
    const ofPeer = this.#watched.get(peerId) ?? new Set();
    this.#watched.set(peerId, ofPeer.add(watched));
    const forget = safe(() => this.#forget(peerId, watched), this.#onError);
    stream.addEventListener('close', forget, { once: true });
    // Its event may be past.
    if (stream.status !== 'open') forget();
  }

  #opened(connection: Connection): void {
    const worth = worthOf(connection);
    for (const watched of [...(this.#watched.get(connection.remotePeer.toString()) ?? [])])
      if (worth > worthOf(watched.connection)) watched.link.supersede();
  }

  #forget(peerId: string, watched: Watched): void {
    const ofPeer = this.#watched.get(peerId);
    if (ofPeer?.delete(watched) !== true || ofPeer.size > 0) return;
    this.#watched.delete(peerId);
    if (this.#watched.size === 0) this.#events.removeEventListener('connection:open', this.#onOpen);
  }
}
