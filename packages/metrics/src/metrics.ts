import { messagesFamily, systemClock } from '@lloom/core';
import { createActor } from 'xstate';
import type { NodeMetrics } from './api.ts';
import { resolveMetricsConfig, type MetricsConfig } from './config.ts';
import type { Exposition } from './internal/exposition.ts';
import * as families from './internal/families.ts';
import type { NodeFigures } from './internal/nodeFigures.ts';
import { ratesOver, type TrafficSample } from './internal/rates.ts';
import { Store } from './internal/store.ts';
import { Traffic } from './internal/traffic.ts';
import { samplerMachine } from './machines/sampler.machine.ts';
import type { MetricsPorts } from './ports.ts';
import type { EndpointConfig, MetricsEndpoint, NetworkMetrics } from './types.ts';

/** What the figures are shown by. */
export interface MetricsAdapters {
  readonly expose: (registry: MetricsPorts['registry']) => Exposition;
  readonly exposeProcess: (registry: Exposition['registry']) => void;
  readonly libp2pMetrics: (figures: NodeFigures) => NodeMetrics['libp2p'];
  readonly openEndpoint: (
    given: EndpointConfig | undefined,
    text: () => Promise<{ body: string; contentType: string }>,
  ) => Promise<MetricsEndpoint>;
}

/** Of the peer id, in the label `node`. Enough to tell a process's nodes apart. */
const nodeLength = 8;

/** Where a family that comes again with another shape is an error of whoever writes the code. */
const strictEnvironments = ['development', 'test'];

/** @throws {ConfigError} listing every problem of the configuration and the ports */
export function createNodeMetrics(
  input: MetricsConfig & MetricsPorts,
  adapters: MetricsAdapters,
): NodeMetrics {
  const { includeProcess, maxLabelSets, sampleIntervalMs, rateWindowMs } = resolveMetricsConfig(input);
  const { registry: given, node, sources, clock = systemClock, inspect } = input;
  const isStrict = strictEnvironments.includes(process.env['NODE_ENV'] ?? '');
  const store = new Store({ maxLabelSets, isStrict });
  const traffic = new Traffic(store);
  const exposition = adapters.expose(given);
  store.watch(exposition.add);
  if (includeProcess) adapters.exposeProcess(exposition.registry);

  const takeSample = (): TrafficSample => ({ at: clock.elapsed(), ...traffic.network });
  const sampler = createActor(samplerMachine, {
    id: 'sampler',
    clock,
    input: { sampleIntervalMs, rateWindowMs },
    ...(inspect !== undefined && { inspect }),
  });
  sampler.on('sample.due', () => sampler.send({ type: 'sample.taken', sample: takeSample() }));
  // It has nothing that could fail; what a watcher throws is its own affair.
  sampler.subscribe({ error: () => {} });
  sampler.start();

  const rates = () => ratesOver(sampler.getSnapshot().context.samples, takeSample(), rateWindowMs);
  store.gauge(families.bandwidth, () => {
    const { bytesIn, bytesOut } = rates();
    return [
      { labels: { direction: 'in' }, value: bytesIn },
      { labels: { direction: 'out' }, value: bytesOut },
    ];
  });

  let running = 0;
  const libp2p = adapters.libp2pMetrics({
    clock,
    store,
    traffic,
    onStart: (peerId) => {
      running++;
      sampler.send({ type: 'sampler.start' });
      exposition.show(node ?? peerId.slice(-nodeLength));
    },
    onStop: () => {
      running--;
      if (running > 0) return;
      sampler.send({ type: 'sampler.stop' });
      exposition.hide();
    },
  });

  return {
    meter: store,
    libp2p,
    get registry() {
      return exposition.registry;
    },
    networkMetrics(): NetworkMetrics {
      const { bytesIn, bytesOut } = traffic.network;
      const perSecond = rates();
      return {
        connectedPeers: ask(sources?.connectedPeers),
        messagesSent: store.sum(messagesFamily, { direction: 'sent' }),
        messagesReceived: store.sum(messagesFamily, { direction: 'received' }),
        activeRequests: ask(sources?.activeRequests),
        bandwidthInKbps: perSecond.bytesIn / 1_000,
        bandwidthOutKbps: perSecond.bytesOut / 1_000,
        bandwidthInBytesPerSecond: perSecond.bytesIn,
        bandwidthOutBytesPerSecond: perSecond.bytesOut,
        bytesIn,
        bytesOut,
      };
    },
    protocolMetrics: () => traffic.protocols(),
    prometheus: async () => exposition.registry.metrics(),
    serve: async (config) =>
      adapters.openEndpoint(config, async () => ({
        body: await exposition.registry.metrics(),
        contentType: exposition.registry.contentType,
      })),
  };
}

/** A figure from elsewhere; 0 when nobody gives it, or whoever does fails. */
function ask(source: (() => number) | undefined): number {
  try {
    return source?.() ?? 0;
  } catch {
    return 0;
  }
}
