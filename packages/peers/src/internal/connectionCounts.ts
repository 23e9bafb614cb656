import { toMultiaddr } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';

import type { NetworkConnection } from '../ports.ts';
import { isRelayed } from './endpoint.ts';
import { networkOfIp4, networkOfIp6 } from './ip.ts';

/**
 * Whose connections count together, from the address at the other end: an IPv4 address, or an IPv6 network of 64 bits;
 * `undefined` of what is not counted: loopback, relayed, and what is no IP address.
 */
export function originOf(address: Multiaddr): string | undefined {
  if (isRelayed(address)) return undefined;
  const [first, second] = address.getComponents();
  const host = first?.name === 'ip6zone' ? second : first;
  if (host?.name === 'ip4') return networkOfIp4(host.value ?? '');
  return host?.name === 'ip6' ? networkOfIp6(host.value ?? '') : undefined;
}

/** How many connections are open, in all and by what they are limited by. */
export class ConnectionCounts {
  /** Where the open inbound ones come from, by their id. */
  readonly #origins = new Map<string, string | undefined>();
  readonly #byOrigin = new Map<string, number>();
  #outbound = 0;

  get open(): number {
    return this.inbound + this.#outbound;
  }

  get inbound(): number {
    return this.#origins.size;
  }

  get outbound(): number {
    return this.#outbound;
  }

  /** How many others have opened from there. */
  from(origin: string): number {
    return this.#byOrigin.get(origin) ?? 0;
  }

  add({ id, info: { direction, remoteAddress } }: NetworkConnection): void {
    if (direction === 'outbound') {
      this.#outbound += 1;
      return;
    }
    const origin = originOf(toMultiaddr(remoteAddress));
    this.#origins.set(id, origin);
    if (origin !== undefined) this.#byOrigin.set(origin, this.from(origin) + 1);
  }

  remove({ id, info: { direction } }: NetworkConnection): void {
    if (direction === 'outbound') {
      this.#outbound -= 1;
      return;
    }
    const origin = this.#origins.get(id);
    this.#origins.delete(id);
    if (origin === undefined) return;
    const left = this.from(origin) - 1;
    if (left > 0) this.#byOrigin.set(origin, left);
    else this.#byOrigin.delete(origin);
  }

  clear(): void {
    this.#origins.clear();
    this.#byOrigin.clear();
    this.#outbound = 0;
  }
}
