import type { PeerId, PeerStore } from '@libp2p/interface';
import { toPeerId } from '@lloom/core';
import type { LogFields } from '../ports.ts';
import type { Internals } from './internals.ts';

/** As gossipsub itself tags neighbours in a mesh. */
const tagValue = 100;

/**
 * Tags neighbours in the peer store while they are in a mesh, so that their connections are kept when there are too many.
 * Compares at each heartbeat what holds: gossipsub's own writes for every graft and prune that a neighbour sends.
 */
export class Tags {
  readonly #gossipsub: Internals;
  readonly #peerStore: Pick<PeerStore, 'merge'>;
  readonly #onError: (text: string, error: unknown, fields: LogFields) => void;
  #tagged = new Map<string, Set<string>>();

  constructor(
    gossipsub: Internals,
    peerStore: Pick<PeerStore, 'merge'>,
    onError: (text: string, error: unknown, fields: LogFields) => void,
  ) {
    this.#gossipsub = gossipsub;
    this.#peerStore = peerStore;
    this.#onError = onError;
    gossipsub.addEventListener('gossipsub:heartbeat', () => this.#update(gossipsub.mesh));
  }

  /** Nobody is in a mesh any more. */
  stop(): void {
    this.#update(new Map());
  }

  #update(mesh: ReadonlyMap<string, ReadonlySet<string>>): void {
    const before = this.#tagged;
    this.#tagged = new Map([...mesh].map(([topic, peers]) => [topic, new Set(peers)]));
    for (const [topic, peers] of this.#tagged)
      for (const id of peers) if (before.get(topic)?.has(id) !== true) this.#set(id, topic, tagValue);
    for (const [topic, peers] of before)
      for (const id of peers) if (this.#tagged.get(topic)?.has(id) !== true) this.#set(id, topic, undefined);
  }

  #set(id: string, topic: string, value: number | undefined): void {
    const peerId: PeerId = this.#gossipsub.peers.get(id) ?? toPeerId(id);
    this.#peerStore
      .merge(peerId, { tags: { [topic]: value === undefined ? undefined : { value } } })
      .catch((error: unknown) => this.#onError('a neighbour could not be tagged', error, { peerId: id }));
  }
}
