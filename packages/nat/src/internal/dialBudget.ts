import { RecentMap } from '@lloom/core';
import { networkOfIp } from './admission.ts';

/** Dials to one host in a window: an attempt of three punches, with one port refused each time. */
const maxDials = 16;
const windowMs = 30_000;
/** Hosts that are remembered: more than punches that run at once reach in a window. */
const maxHosts = 2_048;

/** What strangers can have this node send to one host, whoever of them asks. */
export class DialBudget {
  readonly #dialedAtMs = new RecentMap<readonly number[]>(maxHosts);

  /** How many hosts are remembered. */
  get size(): number {
    return this.#dialedAtMs.size;
  }

  /**
   * Whether one more dial may go there; it counts then. A host of IPv6 is the 64 bits that one subscriber has.
   *
   * @param at the clock's elapsed time
   */
  take(host: string, at: number): boolean {
    const name = host.includes(':') ? networkOfIp(host) : host;
    const recent = (this.#dialedAtMs.get(name) ?? []).filter((atMs) => at - atMs < windowMs);
    if (recent.length >= maxDials) return false;
    this.#dialedAtMs.set(name, [...recent, at]);
    return true;
  }
}
