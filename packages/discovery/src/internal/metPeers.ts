import { RecentMap } from '@lloom/core';
import type { FoundPeer } from '../types.ts';

/** Peers whose addresses are kept; the one met longest ago goes first. */
const maxPeers = 256;

/** Where peers were met, for as long as the node runs: through them it joins again when nobody else answers. */
export class MetPeers {
  readonly #byPeer = new RecentMap<FoundPeer>(maxPeers);

  /** Notes a peer as the one met last. */
  note(peer: FoundPeer): void {
    if (peer.addresses.length > 0) this.#byPeer.set(peer.peerId, peer);
    else this.#byPeer.delete(peer.peerId);
  }

  /** All of them, those met last first. */
  get all(): readonly FoundPeer[] {
    return [...this.#byPeer.values()].toReversed();
  }
}
