import type { MetricFamily } from '@lloom/core';

/** What the node itself measures; the rest is its packages'. */
export const families = {
  nodeInfo: {
    name: 'node_info',
    help: 'Always 1: which node this is, and what it runs.',
    labels: ['version', 'node_version', 'peer_id'],
  },
  kadRecords: {
    name: 'kad_records',
    help: 'Records and provided keys of the DHT that this node keeps, for itself and for others.',
  },
  kadRoutingTablePeers: {
    name: 'kad_routing_table_peers',
    help: 'Peers that the DHT asks first.',
  },
} as const satisfies Record<string, MetricFamily>;
