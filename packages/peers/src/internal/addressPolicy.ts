import type { Component, Multiaddr } from '@multiformats/multiaddr';

import type { AddressPolicy } from '../config.ts';
import { scopeOfIp4, scopeOfIp6, type IpScope } from './ip.ts';

/**
 * What an address reaches. Beside the scopes of IP addresses:
 *
 * - `name`: a host name, whose address is not known yet
 * - `localName`: a host name that only a local network knows
 * - `localhost`: the name of this machine
 * - `process`: something in this program
 * - `routed`: it names a peer or a relay without an address; whatever is then dialled is judged itself
 * - `unknown`: of a kind that cannot be judged
 */
export type AddressScope = IpScope | 'name' | 'localName' | 'localhost' | 'process' | 'routed' | 'unknown';

const told: Record<AddressPolicy, readonly AddressScope[]> = {
  public: ['public', 'name', 'process', 'routed'],
  lan: ['public', 'name', 'process', 'routed', 'private', 'linkLocal', 'localName'],
  loopback: ['loopback', 'process', 'routed'],
};

const words: Record<AddressScope, string> = {
  loopback: 'is of this machine',
  private: 'is private',
  linkLocal: 'is link-local',
  public: 'is public',
  reserved: 'is reserved',
  unspecified: 'is no destination',
  multicast: 'is no single destination',
  name: 'is a name',
  localName: 'is a local name',
  localhost: 'is a name of this machine',
  process: 'is in this program',
  routed: 'has no place',
  unknown: 'is of an unknown kind',
};

/** What an address reaches: its first hop, which for a relayed one is the relay. */
export function scopeOf(address: Multiaddr): AddressScope {
  const [first, second] = address.getComponents();
  const host = first?.name === 'ip6zone' ? second : first;
  switch (host?.name) {
    case 'ip4':
      return scopeOfIp4(host.value ?? '');
    case 'ip6':
      return scopeOfIp6(host.value ?? '');
    case 'dns':
    case 'dns4':
    case 'dns6':
    case 'dnsaddr':
      return scopeOfName(host.value ?? '');
    case 'memory':
      return 'process';
    case 'p2p':
    case 'p2p-circuit':
      return 'routed';
    default:
      return 'unknown';
  }
}

/**
 * Why an address may not be dialled; `undefined` when it may.
 *
 * @param named whether the user gave the address himself: then only `loopback` restricts where it leads
 */
export function refusalOf(address: Multiaddr, policy: AddressPolicy, named: boolean): string | undefined {
  const scope = scopeOf(address);
  if (scope === 'unspecified' || scope === 'multicast') return words[scope];
  if (address.getComponents().some(isPortZero)) return 'port 0 is no destination';
  if (named && policy !== 'loopback') return undefined;
  return told[policy].includes(scope) ? undefined : `${words[scope]}, policy is "${policy}"`;
}

const isPortZero = ({ name, value }: Component): boolean =>
  (name === 'tcp' || name === 'udp') && Number(value) === 0;

function scopeOfName(name: string): AddressScope {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.');
  if (labels.at(-1) === 'localhost') return 'localhost';
  const isLocal =
    labels.length === 1 ||
    ['local', 'internal'].includes(labels.at(-1) ?? '') ||
    labels.slice(-2).join('.') === 'home.arpa';
  return isLocal ? 'localName' : 'name';
}
