import { networkInterfaces } from 'node:os';
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
export async function localDiscoveryOf(
  { enableMdns }: Pick<ResolvedNetworkConfig, 'enableMdns'>,
  { localDiscovery, stack }: Pick<NodePorts, 'localDiscovery' | 'stack'>,
): Promise<LocalDiscovery | undefined> {
  if (!enableMdns) return undefined;
  if (localDiscovery !== undefined || stack !== undefined) return localDiscovery;
  const { mdns } = await import('@libp2p/mdns');
  return mdns({ serviceTag, interval: intervalMs });
}

/** Whether this machine, as far as this process sees it, has no way to any other. */
export function hasOnlyLoopback(
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): boolean {
  return Object.values(interfaces).every((addresses) => addresses?.every(({ internal }) => internal) ?? true);
}
