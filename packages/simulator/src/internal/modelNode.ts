import type { NetworkConfig, NodePorts } from '@lloom/behaviour';
import type { SimHost } from '@lloom/simkit';
import type { NodeRole } from '../types.ts';

/** What a node of fidelity `model` is given beside what every node of a simulation is given. */
export interface ModelNode {
  /** Goes before the defaults, and behind what users say. */
  readonly config: NetworkConfig;
  readonly ports: Pick<NodePorts, 'services'>;
}

/**
 * How a node is set up where there are a thousand: it does everything that the marketplace does, and leaves out what costs each
 * node time and says nothing about it.
 *
 * @param host where the node runs
 * @param role what it does there
 */
export function modelNode(host: Pick<SimHost, 'standIns'>, role: NodeRole): ModelNode {
  return {
    config: {
      // Nobody reads the figures of a single node: the simulator counts for all.
      enableMetrics: false,
      // Everybody can be reached in a simulated network, and needs no relay for it.
      enableAutonat: false,
      enableRelay: role === 'relay',
      enableMdns: false,
      // A look-up names as many peers, each of which every node would keep.
      kadReplicationFactor: 8,
      // The specification's own interval. At that of production, a second, heartbeats are half of all that is computed.
      gossipsubConfig: { heartbeatIntervalMs: 10_000 },
      packages: {
        // Each neighbour in a mesh brings each message once more, and with fewer than `target` a node looks for others.
        gossip: { meshSize: { target: 4, high: 8 } },
        // A dead machine is noticed by those who write to it. Without any interval, libp2p would ping instead.
        peers: { pingIntervalMs: 3_600_000 },
        // It asks the operating system for addresses, a millisecond each time; nobody is behind a NAT.
        nat: { enableHolePunching: false },
      },
    },
    // Nothing is sent for what libp2p's own services find out: three quarters of all that a thousand nodes would compute.
    ports: { services: host.standIns },
  };
}
