import type { Address, AddressSorter } from '@libp2p/interface';

/** What the order follows. */
export interface DialOrderPorts {
  /** Whether an IP address is in a network in which this machine is too. */
  readonly isNear: (ip: string) => boolean;
  /** The order of addresses that are alike otherwise. */
  readonly usual: AddressSorter;
}

const near = 0;
const relayed = 1;
const far = 2;

/**
 * The order in which the addresses of a peer are dialled, one after the other: those in networks of this machine, then those
 * through relays, then all others. Who has a place at a relay is behind a NAT or a firewall as a rule, which drops what is
 * dialled directly without a word, and each such dial takes seconds; the direct way is then found beside the relayed
 * connection.
 */
export function dialOrder({ isNear, usual }: DialOrderPorts): AddressSorter {
  const rankOf = ({ multiaddr }: Address): number => {
    const parts = multiaddr.getComponents();
    if (parts.some(({ name }) => name === 'p2p-circuit')) return relayed;
    const host = parts[0]?.name === 'ip6zone' ? parts[1] : parts[0];
    const isIp = host?.name === 'ip4' || host?.name === 'ip6';
    return isIp && host.value !== undefined && isNear(host.value) ? near : far;
  };
  return (a, b) => compare(rankOf(a), rankOf(b)) || usual(a, b);
}

/** Below 0 when the first one is the lower one. */
export function compare(a: number, b: number): -1 | 0 | 1 {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
