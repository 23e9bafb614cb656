/**
 * What a node does, in figures that cost next to nothing: bytes by protocol, and whatever the packages of a node and libp2p
 * count, as one registry of prom-client; and traces of OpenTelemetry that follow a request across nodes.
 *
 * @example
 * ```ts
 * const figures = metrics();
 * const node = await createLibp2p({ ...rest, metrics: figures.libp2p, services: { rpc: rpc({ meter: figures.meter }) } });
 * console.log(figures.networkMetrics().bandwidthInKbps, await figures.prometheus());
 * ```
 *
 * @packageDocumentation
 */
import { openEndpoint } from './adapters/endpoint.ts';
import { libp2pMetrics } from './adapters/libp2p.ts';
import { exposeProcess } from './adapters/process.ts';
import { expose } from './adapters/prometheus.ts';
import type { NodeMetrics } from './api.ts';
import type { MetricsConfig } from './config.ts';
import { createNodeMetrics } from './metrics.ts';
import type { MetricsPorts } from './ports.ts';

export { openTelemetry, type TracingConfig } from './adapters/openTelemetry.ts';
export type { NodeMetrics } from './api.ts';
export type { MetricsConfig } from './config.ts';
export { MetricsError, type MetricsErrorCode, type MetricsErrorData } from './errors.ts';
export { EventMonitor } from './eventMonitor.ts';
export type { MetricsPorts, MetricsSources } from './ports.ts';
export type { EndpointConfig, MetricsEndpoint, NetworkMetrics, ProtocolMetrics } from './types.ts';

/**
 * Makes the figures of a node, before the node: `createLibp2p({ metrics: figures.libp2p })`.
 *
 * @throws {ConfigError} listing every problem of the configuration and the ports
 */
export function metrics(config: MetricsConfig & MetricsPorts = {}): NodeMetrics {
  return createNodeMetrics(config, { expose, exposeProcess, libp2pMetrics, openEndpoint });
}
