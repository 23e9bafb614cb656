import type { Meter } from '@lloom/core';
import { metrics, type MetricsSources, type NodeMetrics } from '@lloom/metrics';
import type { Peers } from '@lloom/peers';
import type { Rpc } from '@lloom/rpc';
import type { NodePorts, ResolvedNetworkConfig } from '../config.ts';
import type { KadMetrics } from '../types.ts';
import { families } from './families.ts';
import { version } from './version.ts';

/**
 * What a node counts with; `undefined` when it does not count.
 * @throws {ConfigError} listing every problem of `packages.metrics`
 */
export function figuresOf(
  { enableMetrics, packages }: Pick<ResolvedNetworkConfig, 'enableMetrics' | 'packages'>,
  { clock, inspect, registry }: Pick<NodePorts, 'clock' | 'inspect' | 'registry'>,
  sources: MetricsSources,
): NodeMetrics | undefined {
  if (!enableMetrics) return undefined;
  return metrics({
    ...packages.metrics,
    sources,
    ...(clock !== undefined && { clock }),
    ...(inspect !== undefined && { inspect }),
    ...(registry !== undefined && { registry }),
  });
}

/** What only the services of a node know; 0 as long as they are not there. */
export const sourcesOf = (
  services: () =>
    | {
        readonly peers: Pick<Peers, 'connectedPeers'>;
        readonly rpc: Pick<Rpc, 'pendingRequests' | 'activeInbound'>;
      }
    | undefined,
): MetricsSources => ({
  connectedPeers: () => services()?.peers.connectedPeers().length ?? 0,
  activeRequests: () => {
    const rpc = services()?.rpc;
    return rpc === undefined ? 0 : rpc.pendingRequests().length + rpc.activeInbound;
  },
});

/** What the node itself is asked for when somebody looks. */
export interface OwnFigures {
  readonly peerId: string;
  readonly nodeVersion: string;
  readonly kad: () => KadMetrics;
}

/** Measures what no package does. */
export function measureNode(meter: Meter | undefined, { peerId, nodeVersion, kad }: OwnFigures): void {
  const labels = { version, node_version: nodeVersion, peer_id: peerId };
  meter?.gauge(families.nodeInfo, () => [{ labels, value: 1 }]);
  meter?.gauge(families.kadRecords, () => kad().storedRecords);
  meter?.gauge(families.kadRoutingTablePeers, () => kad().routingTableSize);
}
