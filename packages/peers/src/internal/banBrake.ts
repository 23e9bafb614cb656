/** How long a ban counts, in ms. */
export const brakeMs = 600_000;
/** So many bans are given whatever the size of the node. */
const minBans = 3;
/** Which share of the peers may be banned. */
const share = 1 / 4;

/** What the brake says to one more ban. */
export type BrakeAnswer = 'ban' | 'spare' | 'spareAloud';

/**
 * Keeps a node from banning everybody within a short time: when most of its peers seem to break rules, the fault may be its own,
 * such as a clock that is wrong or a version that is old. Time is the clock's elapsed time.
 */
export class BanBrake {
  /** How many peers were connected at a time; of those that came before a greater one nothing is kept. */
  #counts: { readonly at: number; readonly connected: number }[] = [];
  /** When bans were given. */
  #bans: number[] = [];
  #toldAt = -Infinity;

  /** How many peers are connected now: told before any of them is sent away. */
  note(connected: number, at: number): void {
    this.#counts = this.#counts.filter((kept) => kept.at > at - brakeMs && kept.connected > connected);
    this.#counts.push({ at, connected });
  }

  /** How many bans there may be within ten minutes: a quarter of the peers that were connected at once meanwhile, or three. */
  limitAt(at: number): number {
    const connected = this.#counts.find((kept) => kept.at > at - brakeMs)?.connected ?? 0;
    return Math.max(minBans, Math.floor(connected * share));
  }

  /** Asks for one more ban, and counts it when it is given. To be said aloud once in ten minutes. */
  ask(at: number): BrakeAnswer {
    this.#bans = this.#bans.filter((given) => given > at - brakeMs);
    if (this.#bans.length < this.limitAt(at)) {
      this.#bans.push(at);
      return 'ban';
    }
    if (this.#toldAt > at - brakeMs) return 'spare';
    this.#toldAt = at;
    return 'spareAloud';
  }
}
