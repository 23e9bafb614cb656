import { BlockList } from 'node:net';

/** Who can dial an address. `name`: whoever can resolve it. `relayed`: who reaches the relay in it. */
export type AddressScope = 'any' | 'loopback' | 'private' | 'public' | 'name' | 'relayed' | 'other';

const privateRanges: readonly (readonly [net: string, prefix: number, family: 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
];

const privates = new BlockList();
for (const range of privateRanges) privates.addSubnet(...range);
const loopbacks = new BlockList();
loopbacks.addSubnet('127.0.0.0', 8, 'ipv4');
loopbacks.addAddress('::1', 'ipv6');

/** The host and the TCP port of an address; `undefined` when it has none. */
export function hostOf(address: string): { readonly host: string; readonly port: number } | undefined {
  const { host, port } =
    /^\/(?:ip[46]|dns[46]?|dnsaddr)\/(?<host>[^/]+)(?:\/tcp\/(?<port>\d+))?/.exec(address)?.groups ?? {};
  return host === undefined ? undefined : { host, port: Number(port ?? 0) };
}

/** Who can dial an address, judged by the address alone. */
export function scopeOf(address: string): AddressScope {
  if (address.includes('/p2p-circuit')) return 'relayed';
  const { kind, host } = /^\/(?<kind>ip4|ip6|dns[46]?|dnsaddr)\/(?<host>[^/]+)/.exec(address)?.groups ?? {};
  if (kind === undefined || host === undefined) return 'other';
  if (kind.startsWith('dns')) return 'name';
  if (host === '0.0.0.0' || host === '::') return 'any';
  const family = kind === 'ip4' ? 'ipv4' : 'ipv6';
  if (loopbacks.check(host, family)) return 'loopback';
  return privates.check(host, family) ? 'private' : 'public';
}
