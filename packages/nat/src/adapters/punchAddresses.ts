import { networkInterfaces } from 'node:os';
import { TCP } from '@multiformats/multiaddr-matcher';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import type { Endpoint } from '../internal/mapping.ts';

/** How many addresses of a peer are dialled at once. */
export const maxTargets = 8;
/**
 * How many machines they may name, for each version of IP: the outside of a NAT, and the machine behind it. A peer that names more
 * would have this node send packets to others.
 */
const maxHosts = 2;
/** How many ports of each: the outside of the port that is punched from, or that port itself, and the one that is listened on. */
const maxPortsPerHost = 2;

const p2pCode = 421;

/** Host and port of an address of plain TCP; `undefined` for any other. */
export function endpointOf(address: Multiaddr): Endpoint | undefined {
  const bare = address.decapsulateCode(p2pCode);
  if (!TCP.exactMatch(bare)) return undefined;
  const [host, transport] = bare.getComponents();
  if ((host?.name !== 'ip4' && host?.name !== 'ip6') || host.value === undefined) return undefined;
  const port = Number(transport?.value);
  return port > 0 ? { host: host.value, port } : undefined;
}

/** The IP address that an address begins with. */
export function hostOf(address: Multiaddr): string | undefined {
  const [host] = address.getComponents();
  return host?.name === 'ip4' || host?.name === 'ip6' ? host.value : undefined;
}

/** The address of plain TCP. */
export const addressOf = ({ host, port }: Endpoint): Multiaddr =>
  multiaddr(`/${isIpv6(host) ? 'ip6' : 'ip4'}/${host}/tcp/${port}`);

const isIpv6 = (host: string): boolean => host.includes(':');

/** Whether no NAT is before a host, although a firewall may be. */
export const isGlobalIpv6 = (host: string): boolean => /^[23]/.test(host) && isIpv6(host);

/** Whether an address leads back into the machine that dials it. */
export const isLoopback = (host: string): boolean => host.startsWith('127.') || host === '::1';

/** Whether one machine may be meant: not unspecified, multicast, broadcast, of one link only, or IPv4 in disguise. */
function isOneMachine(host: string): boolean {
  if (isIpv6(host)) return !/^(?:::$|::ffff:|ff|fe[89ab])/i.test(host);
  const first = Number(host.slice(0, host.indexOf('.')));
  return first > 0 && first < 224 && !host.startsWith('169.254.');
}

/** Whether a host may be dialled. `isLocal` says that the peer is met within this machine. */
export const isPunchable = (host: string, isLocal: boolean): boolean =>
  isOneMachine(host) && (isLocal || !isLoopback(host));

/** What to dial of the addresses that a peer has said: few, of few machines and ports, and each once. */
export function readTargets(said: readonly Uint8Array[], isLocal: boolean): Endpoint[] {
  const targets: Endpoint[] = [];
  for (const bytes of said) {
    const target = read(bytes);
    if (target === undefined || !isPunchable(target.host, isLocal)) continue;
    if (targets.some(({ host, port }) => host === target.host && port === target.port)) continue;
    if (targets.filter(({ host }) => host === target.host).length === maxPortsPerHost) continue;
    const hosts = new Set(
      targets.map(({ host }) => host).filter((host) => isIpv6(host) === isIpv6(target.host)),
    );
    if (!hosts.has(target.host) && hosts.size >= maxHosts) continue;
    targets.push(target);
    if (targets.length === maxTargets) break;
  }
  return targets;
}

function read(bytes: Uint8Array): Endpoint | undefined {
  try {
    return endpointOf(multiaddr(bytes));
  } catch {
    return undefined;
  }
}

/** The hosts that this machine has: those that others may reach it under. */
export function ownHosts(isLocal: boolean): string[] {
  return Object.values(networkInterfaces())
    .flatMap((known) => known ?? [])
    .map(({ address }) => address)
    .filter((host) => isPunchable(host, isLocal));
}
