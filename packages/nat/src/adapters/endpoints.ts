import type { Connection } from '@libp2p/interface';
import { isGlobalUnicast, isLoopback, isPrivateIp } from '@libp2p/utils';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { Endpoint, IpScope, SeenIp } from '../internal/reachabilityNetwork.ts';

/**
 * What an address reaches directly, when it names an IP address and a port: `undefined` for names, relays, port 0, and what is no
 * single destination.
 */
export function endpointOf(address: Multiaddr): Endpoint | undefined {
  const seen = seenIpOf(address);
  const [, carrier] = address.getComponents();
  const hasPort = (carrier?.name === 'tcp' || carrier?.name === 'udp') && Number(carrier.value) > 0;
  if (seen === undefined || !hasPort || isRelayed(address)) return undefined;
  return { ...seen, address: address.toString().replace(/\/p2p\/[^/]+$/, '') };
}

/** The IP address at the beginning of an address. */
export function seenIpOf(address: Multiaddr): SeenIp | undefined {
  const [first] = address.getComponents();
  if ((first?.name !== 'ip4' && first?.name !== 'ip6') || first.value === undefined) return undefined;
  const family = first.name === 'ip4' ? 4 : 6;
  const scope = scopeOf(address, first.value, family);
  return scope && { ip: first.value, family, scope };
}

/** Whether a connection is one without a relay. Some relays set no limits. */
export function isDirect({ limits, remoteAddr }: Pick<Connection, 'limits' | 'remoteAddr'>): boolean {
  return limits === undefined && !isRelayed(remoteAddr);
}

/** Whether an address leads through a relay. */
function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'p2p-circuit');
}

/** As libp2p itself sees it, which counts the ranges of documentation as private; `undefined` when nobody is reached. */
function scopeOf(address: Multiaddr, ip: string, family: 4 | 6): IpScope | undefined {
  if (family === 4) {
    const first = Number(ip.split('.')[0]);
    if (first === 0 || first >= 224) return undefined;
  } else if (ip === '::' || /^ff/i.test(ip)) return undefined;
  if (isLoopback(address)) return 'loopback';
  // An IPv6 address that carries an IPv4 address leads to that.
  const isGlobal = family === 4 || (isGlobalUnicast(address) && !ip.startsWith('2002:'));
  return isGlobal && isPrivateIp(ip) === false ? 'global' : 'private';
}
