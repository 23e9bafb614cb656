import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Address, AddressSorter } from '@libp2p/interface';
import { loopbackAddressLast, publicAddressesFirst, reliableTransportsFirst } from '@libp2p/utils';
import { systemClock, type Clock } from '@lloom/core';
import type { ResolvedNetworkConfig } from '../config.ts';
import { compare, dialOrder } from '../internal/dialOrder.ts';

/** How long what the system says of its networks is used, in ms: a machine seldom moves, and asking takes time. */
const keptMs = 5_000;

type Interfaces = ReturnType<typeof networkInterfaces>;

/** What the order of dials follows beside the configuration; for tests. */
export interface NearPorts {
  readonly interfaces?: () => Interfaces;
  readonly clock?: Pick<Clock, 'elapsed'>;
}

/**
 * In which order the addresses of a peer are dialled, by the networks of this machine as they are then. The loopback is one of
 * them for a node that listens nowhere else.
 */
export function nearFirst(
  config: Pick<ResolvedNetworkConfig, 'addressPolicy' | 'listenAddresses'>,
  { interfaces = networkInterfaces, clock = systemClock }: NearPorts = {},
): AddressSorter {
  const isOnLoopback = listensOnLoopback(config);
  let networks = new BlockList();
  let readAtMs = Number.NEGATIVE_INFINITY;
  const isNear = (ip: string): boolean => {
    if (clock.elapsed() - readAtMs >= keptMs) {
      readAtMs = clock.elapsed();
      networks = networksOf(interfaces(), isOnLoopback);
    }
    return networks.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
  };
  return dialOrder({ isNear, usual });
}

/** The order for a node whose network is not the one of this machine. */
export const nothingNear: AddressSorter = dialOrder({ isNear: () => false, usual });

/** libp2p's own order, in which relayed addresses have their place already. */
function usual(a: Address, b: Address): -1 | 0 | 1 {
  return (
    loopbackAddressLast(a.multiaddr, b.multiaddr) ||
    publicAddressesFirst(a.multiaddr, b.multiaddr) ||
    compare(Number(b.isCertified), Number(a.isCertified)) ||
    reliableTransportsFirst(a.multiaddr, b.multiaddr)
  );
}

function listensOnLoopback({ addressPolicy, listenAddresses }: Parameters<typeof nearFirst>[0]): boolean {
  const isLoopback = (address: string): boolean => /^\/(?:ip4\/127\.|ip6\/::1\/)/.test(address);
  return addressPolicy === 'loopback' || (listenAddresses.length > 0 && listenAddresses.every(isLoopback));
}

function networksOf(interfaces: Interfaces, withLoopback: boolean): BlockList {
  const networks = new BlockList();
  for (const { cidr, family, internal } of Object.values(interfaces).flatMap((own) => own ?? [])) {
    const [network, bits] = cidr?.split('/') ?? [];
    if (network === undefined || bits === undefined || (internal && !withLoopback)) continue;
    networks.addSubnet(network, Number(bits), family === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  return networks;
}
