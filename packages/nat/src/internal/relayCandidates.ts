import { RecentMap } from '@lloom/core';
import type { RelayCandidate } from '../ports.ts';

/** Bounds of what others name. */
const maxCandidates = 64;
const maxAddresses = 8;
const maxRemembered = 256;

/** How long a relay that failed comes after all others, in ms. */
const demeritMs = 10 * 60_000;

/** Relays that may be tried, best first. */
export class RelayCandidates {
  #waiting: RelayCandidate[] = [];
  /** When each failed last, by the clock's elapsed time. */
  readonly #failedAt = new RecentMap<number>(maxRemembered);

  /** How many have not failed lately. */
  fresh(now: number): number {
    return this.#waiting.filter(({ peerId }) => !this.#hasFailed(peerId, now)).length;
  }

  /** `isNear`: there is a connection, so that it is tried before others. */
  add({ peerId, addresses }: RelayCandidate, isNear: boolean): void {
    if (this.#waiting.some((other) => other.peerId === peerId)) return;
    if (!isNear && this.#waiting.length >= maxCandidates) return;
    const candidate = { peerId, addresses: addresses.slice(0, maxAddresses) };
    if (isNear) this.#waiting = [candidate, ...this.#waiting].slice(0, maxCandidates);
    else this.#waiting.push(candidate);
  }

  /** The next one to be tried, from a part of the internet other than those in use where there is a choice. */
  take(used: ReadonlySet<string>, now: number): RelayCandidate | undefined {
    const rank = ({ peerId, addresses }: RelayCandidate): number =>
      (this.#hasFailed(peerId, now) ? 2 : 0) + (used.has(partOf(addresses) ?? '') ? 1 : 0);
    const [best] = this.#waiting.toSorted((one, other) => rank(one) - rank(other));
    if (best !== undefined) this.remove(best.peerId);
    return best;
  }

  remove(peerId: string): void {
    this.#waiting = this.#waiting.filter((other) => other.peerId !== peerId);
  }

  noteFailure(peerId: string, now: number): void {
    this.#failedAt.set(peerId, now);
  }

  clear(): void {
    this.#waiting = [];
  }

  #hasFailed(peerId: string, now: number): boolean {
    return now - (this.#failedAt.get(peerId) ?? -Infinity) < demeritMs;
  }
}

/** The part of the internet that the first address with an IP is in: a /16, or a /32 of IPv6. */
export function partOf(addresses: readonly string[]): string | undefined {
  for (const address of addresses) {
    const [, four, six] = /^\/(?:ip4\/(\d+\.\d+)\.|ip6\/([\da-f]*:[\da-f]*):)/i.exec(address) ?? [];
    if (four !== undefined || six !== undefined) return four ?? six;
  }
  return undefined;
}
