import type { Metrics, PeerId } from '@libp2p/interface';
import { metrics, type MetricsConfig, type MetricsPorts } from '../src/index.ts';
import { TestClock } from './machines.ts';

/** What libp2p does with metrics, without libp2p. */
export function createFigures(given: MetricsConfig & MetricsPorts = {}, peerId = '16Uiu2HAmSomebody') {
  const clock = new TestClock();
  const figures = metrics({ clock, ...given });
  const components = { peerId: { toString: () => peerId } as PeerId };
  const libp2p = figures.libp2p(components) as Metrics & Record<'start' | 'stop', () => void>;
  return {
    clock,
    libp2p,
    meter: figures.meter,
    registry: figures.registry,
    networkMetrics: () => figures.networkMetrics(),
    protocolMetrics: () => figures.protocolMetrics(),
    prometheus: async () => figures.prometheus(),
  };
}

/** The samples of a text of Prometheus, by what stands before their value. */
export const samplesOf = (text: string): Record<string, number> =>
  Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );

/** Those whose name begins so. */
export const startingWith = (text: string, start: string): Record<string, number> =>
  Object.fromEntries(Object.entries(samplesOf(text)).filter(([name]) => name.startsWith(start)));
