import type { FoundPeer } from '../types.ts';

/** Peers whose addresses are kept; the one met longest ago goes first. */
const maxPeers = 256;

/** Where peers were met, for as long as the node runs: through them it joins again when nobody else answers. */
export class MetPeers {
  readonly #byPeer = new Map<string, FoundPeer>();

  /** Notes a peer as the one met last. */
  note(peer: FoundPeer): void {
    this.#byPeer.delete(peer.peerId);
    if (peer.addresses.length === 0) return;
    this.#byPeer.set(peer.peerId, peer);
    const [oldest] = this.#byPeer.keys();
    if (this.#byPeer.size > maxPeers && oldest !== undefined) this.#byPeer.delete(oldest);
  }

  /** All of them, those met last first. */
  get all(): readonly FoundPeer[] {
    return [...this.#byPeer.values()].toReversed();
  }
}
