/** Attempts that this node begins, at once. */
const maxLed = 8;
/** Those that peers begin, and how many of them through one relay: it could make up as many peers as it likes. */
const maxFollowed = 16;
const maxFollowedPerRelay = 8;

/** Who tries now to leave a relay. Peers that ask take no place of those that this node begins by itself. */
export class UpgradePlaces {
  readonly #led = new Set<string>();
  /** The relay by which each has asked. */
  readonly #followed = new Map<string, string>();

  get canLead(): boolean {
    return this.#led.size < maxLed;
  }

  has(peerId: string): boolean {
    return this.#led.has(peerId) || this.#followed.has(peerId);
  }

  lead(peerId: string): void {
    if (!this.#followed.has(peerId)) this.#led.add(peerId);
  }

  canFollow(peerId: string, relay: string): boolean {
    if (this.#followed.has(peerId)) return true;
    const sameRelay = Array.from(this.#followed.values()).filter((each) => each === relay);
    return this.#followed.size < maxFollowed && sameRelay.length < maxFollowedPerRelay;
  }

  /** One that was led is followed from now on. */
  follow(peerId: string, relay: string): void {
    this.#led.delete(peerId);
    this.#followed.set(peerId, relay);
  }

  /** Whether there was a place to give back. */
  leave(peerId: string): boolean {
    return this.#led.delete(peerId) || this.#followed.delete(peerId);
  }
}
