import type {
  EndpointConfig,
  MetricsEndpoint,
  MetricsSources,
  NetworkMetrics,
  NodeMetrics,
  ProtocolMetrics,
} from '@lloom/metrics';
import type { Endpoints } from '../internal/endpoints.ts';
import type { KadMetrics } from '../types.ts';

/** What a node offers of its figures. */
export interface MetricsSurface {
  /**
   * How the node does. Quick. Also after it was stopped. With `enableMetrics` false everything is 0 but `connectedPeers` and
   * `activeRequests`.
   */
  metrics(): NetworkMetrics;
  /** What each protocol costs, the dearest first; empty with `enableMetrics` false. */
  protocolMetrics(): readonly ProtocolMetrics[];
  /** What the node has of the DHT. Quick. */
  kadMetrics(): KadMetrics;
  /** All figures in the text format of Prometheus; empty with `enableMetrics` false. */
  prometheusMetrics(): Promise<string>;
  /** All figures as a registry of `prom-client`; `undefined` with `enableMetrics` false. */
  readonly metricsRegistry: NodeMetrics['registry'] | undefined;
  /**
   * Opens an endpoint for Prometheus on this machine, until it is closed or the node is stopped. Only a reader that shows the token
   * is answered, and only when it names this machine as the host: browser pages reach loopback, too.
   *
   * @throws {ConfigError} for a host that is not this machine alone, a port or a token that is none
   * @throws {MetricsError} `ENDPOINT_FAILED`, most often because the port is taken
   * @throws {BehaviourError} `METRICS_UNAVAILABLE`
   * @example
   * ```ts
   * const { url, token } = await node.serveMetrics({ port: 9464 });
   * ```
   */
  serveMetrics(config?: EndpointConfig): Promise<MetricsEndpoint>;
}

/** What the calls are made of. */
export interface MetricsParts {
  /** `undefined` when nothing is counted. */
  readonly figures: NodeMetrics | undefined;
  readonly sources: MetricsSources;
  readonly kad: () => KadMetrics;
  readonly endpoints: Endpoints;
}

const nothing = {
  messagesSent: 0,
  messagesReceived: 0,
  bandwidthInKbps: 0,
  bandwidthOutKbps: 0,
  bandwidthInBytesPerSecond: 0,
  bandwidthOutBytesPerSecond: 0,
  bytesIn: 0,
  bytesOut: 0,
};

/** The calls over one node's figures. */
export function metricsSurface({ figures, sources, kad, endpoints }: MetricsParts): MetricsSurface {
  const uncounted = (): NetworkMetrics => ({
    ...nothing,
    connectedPeers: sources.connectedPeers(),
    activeRequests: sources.activeRequests(),
  });
  return {
    metrics: () => figures?.networkMetrics() ?? uncounted(),
    protocolMetrics: () => figures?.protocolMetrics() ?? [],
    kadMetrics: kad,
    prometheusMetrics: async () => (await figures?.prometheus()) ?? '',
    get metricsRegistry() {
      return figures?.registry;
    },
    serveMetrics: (config) => endpoints.open(config),
  };
}
