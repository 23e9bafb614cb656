import { networkInterfaces } from 'node:os';
import { mdns } from '@libp2p/mdns';
import type { LocalDiscovery } from '@lloom/discovery';
import type { NodePorts, ResolvedNetworkConfig } from '../config.ts';

/** The name under which libp2p nodes of all kinds announce themselves: theirs is fixed. */
const serviceTag = '_p2p._udp.local';
/** How often is asked who is there, as libp2p does. */
const intervalMs = 10_000;

/**
 * What sights peers on the local network, if anything does: what the node was given, or mDNS. A node with a stack of its own
 * reaches nothing beside it.
 */
export function localDiscoveryOf(
  { enableMdns }: Pick<ResolvedNetworkConfig, 'enableMdns'>,
  { localDiscovery, stack }: Pick<NodePorts, 'localDiscovery' | 'stack'>,
): LocalDiscovery | undefined {
  if (!enableMdns) return undefined;
  return localDiscovery ?? (stack === undefined ? mdns({ serviceTag, interval: intervalMs }) : undefined);
}

/** Whether this machine, as far as this process sees it, has no way to any other. */
export function hasOnlyLoopback(
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): boolean {
  return Object.values(interfaces).every((addresses) => addresses?.every(({ internal }) => internal) ?? true);
}
