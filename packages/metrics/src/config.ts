import { boolean, ConfigError, integer, resolveConfig, text, type Checks } from '@lloom/core';
import { resolveLoopbackConfig, type ResolvedLoopbackConfig } from '@lloom/core/loopback';
import { clockCheck, inspectCheck, objectThatHas, withoutPorts } from './internal/portChecks.ts';
import type { MetricsPorts } from './ports.ts';
import type { EndpointConfig } from './types.ts';

/** What is counted, and how. Every field is optional for users. */
export interface MetricsConfig {
  /**
   * How often the rates of bytes are taken, in ms: from 100 to a minute.
   * @default 1_000
   */
  readonly sampleIntervalMs?: number;
  /**
   * Over how long they are averaged, in ms: from 1,000 to ten minutes, at least as long as `sampleIntervalMs`.
   * @default 10_000
   */
  readonly rateWindowMs?: number;
  /**
   * How many combinations of labels a family keeps apart, from 16 to 10,000. What comes beyond is counted under `other`.
   * @default 256
   */
  readonly maxLabelSets?: number;
  /**
   * Whether the figures of the Node.js process are exposed too: CPU, memory, event loop, garbage collection. Once a process is
   * enough: they are the same for all its nodes, and those of the event loop tell of the time since anybody has read them.
   * @default false
   */
  readonly includeProcess?: boolean;
}

const minuteMs = 60_000;

const portChecks: Checks<MetricsPorts> = {
  registry: objectThatHas(
    ['registerMetric', 'getSingleMetric', 'removeSingleMetric', 'metrics'],
    'a Registry of prom-client',
  ),
  node: text(/^[^]{1,256}$/, 'a text of 1 to 256 characters'),
  sources: objectThatHas(
    ['connectedPeers', 'activeRequests'],
    'an object with the functions connectedPeers and activeRequests',
  ),
  inspect: inspectCheck,
  clock: clockCheck,
};

const rules = {
  checks: {
    ...portChecks,
    sampleIntervalMs: integer(100, minuteMs),
    rateWindowMs: integer(1_000, 10 * minuteMs),
    maxLabelSets: integer(16, 10_000),
    includeProcess: boolean,
  },
  defaults: { sampleIntervalMs: 1_000, rateWindowMs: 10_000, maxLabelSets: 256, includeProcess: false },
};

/**
 * A complete configuration. The ports beside it are looked at, and left out.
 * @throws {ConfigError} listing every problem
 */
export function resolveMetricsConfig(
  given: MetricsConfig & MetricsPorts = {},
): Readonly<Required<MetricsConfig>> {
  const left: MetricsConfig = withoutPorts(given, portChecks);
  const config = resolveConfig<Required<MetricsConfig>>('metrics', rules, left);
  const { rateWindowMs, sampleIntervalMs } = config;
  if (rateWindowMs < sampleIntervalMs) {
    const wanted = `at least sampleIntervalMs, which is ${sampleIntervalMs}`;
    throw new ConfigError([{ path: 'metrics.rateWindowMs', got: String(rateWindowMs), wanted }]);
  }
  return config;
}

/**
 * A complete configuration of an endpoint.
 * @throws {ConfigError} listing every problem; a token is not shown
 */
export const resolveEndpointConfig = (config?: EndpointConfig): Readonly<ResolvedLoopbackConfig> =>
  resolveLoopbackConfig('metrics.endpoint', config);
