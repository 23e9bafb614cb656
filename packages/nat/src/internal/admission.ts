import { RecentMap } from '@lloom/core';

/** Dials for others at once. */
const maxAtOnce = 8;
/** Peers of which is known when they were served last. Whoever is forgotten is served once too often. */
const maxPeers = 4_096;
/** How much earlier than it should a peer may come: its question may have travelled faster than the one before. */
const earlyRatio = 0.1;

/** Who asks to be dialled. */
export interface Visitor {
  readonly peerId: string;
  /** The network that it is seen in; `undefined` when it is on this machine. */
  readonly network: string | undefined;
}

/** Decides who is served, so that nobody is made to dial often: not for one peer, nor for many keys of one network. */
export class Admission {
  /** When, by the clock's elapsed time. */
  readonly #servedAt = new RecentMap<number>(maxPeers);
  /** Networks that are being served, and places of those that have none. */
  readonly #busy = new Set<string>();

  /** How many peers are remembered. */
  get size(): number {
    return this.#servedAt.size;
  }

  /**
   * Takes a place. The returned function gives it back, once; `undefined` when there is none for this visitor.
   *
   * @param at the clock's elapsed time
   */
  enter({ peerId, network }: Visitor, at: number, throttleIntervalMs: number): (() => void) | undefined {
    const servedAt = this.#servedAt.get(peerId) ?? Number.NEGATIVE_INFINITY;
    if (at - servedAt < throttleIntervalMs * (1 - earlyRatio)) return undefined;
    const places = [`peer ${peerId}`, ...(network === undefined ? [] : [`network ${network}`])];
    if (this.#count() >= maxAtOnce || places.some((place) => this.#busy.has(place))) return undefined;
    this.#servedAt.set(peerId, at);
    for (const place of places) this.#busy.add(place);
    return () => {
      // Given back twice, it would be that of the next one.
      for (const place of places.splice(0)) this.#busy.delete(place);
    };
  }

  #count(): number {
    return [...this.#busy].filter((place) => place.startsWith('peer ')).length;
  }
}

/** The network that an IP address is in: 24 bits of IPv4, or the 64 of IPv6 that one subscriber has for himself. */
export function networkOfIp(ip: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+)\.\d+$/i.exec(ip)?.[1];
  if (mapped !== undefined) return `${mapped}.0/24`;
  if (!ip.includes(':')) return `${ip.split('.').slice(0, 3).join('.')}.0/24`;
  const [head = '', tail = ''] = ip.replace(/%.*$/, '').split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail.split(':').filter(Boolean);
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  const groups = [...left, ...zeros, ...right].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
