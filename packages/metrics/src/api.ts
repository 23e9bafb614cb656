import type { Meter } from '@lloom/core';
import type { Metrics as Libp2pMetrics, PeerId } from '@libp2p/interface';
import type { Registry } from 'prom-client';
import type { EndpointConfig, MetricsEndpoint, NetworkMetrics, ProtocolMetrics } from './types.ts';

/** The figures of one node. */
export interface NodeMetrics {
  /** Counts for the packages of a node: their port `meter`. */
  readonly meter: Meter;
  /**
   * Counts bytes, streams, and what libp2p and its services measure themselves: the field `metrics` of `createLibp2p`. libp2p
   * starts and stops the sampling of rates.
   */
  readonly libp2p: (components: { readonly peerId: PeerId }) => Libp2pMetrics;
  /**
   * Everything that is counted, as families of prom-client: those of this node's packages, named `lloom_…`, and libp2p's own,
   * named `libp2p_…`. They are there from the beginning; in a registry that was given, from the node's start to its stop.
   */
  readonly registry: Registry;
  /** How the node does. Quick. */
  networkMetrics(): NetworkMetrics;
  /** What each protocol costs, the dearest first. */
  protocolMetrics(): readonly ProtocolMetrics[];
  /** The registry's content, in the text format of Prometheus: also what others have in a registry that was given. */
  prometheus(): Promise<string>;
  /**
   * Opens an endpoint for Prometheus on this machine. Only a reader that shows the token is answered, and only when it names
   * this machine as the host: browser pages reach loopback, too.
   *
   * @throws {ConfigError} for a host that is not this machine alone, a port or a token that is none
   * @throws {MetricsError} `ENDPOINT_FAILED`, most often because the port is taken
   */
  serve(config?: EndpointConfig): Promise<MetricsEndpoint>;
}
