import { ConfigError, messagesFamily, systemClock } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { metrics } from '../src/index.ts';
import { createFigures, startingWith } from './nodes.ts';
import { createStream } from './streams.ts';

/** A node over whose only connection so many bytes a second arrive as the test says. */
function begin() {
  const figures = createFigures({ sampleIntervalMs: 1_000, rateWindowMs: 10_000 });
  const connection = createStream();
  figures.libp2p.trackMultiaddrConnection(connection);
  const pass = (ms: number, bytesPerSecond: number): void => {
    for (let step = 0; step < ms / 100; step++) {
      connection.arrive(bytesPerSecond / 10);
      figures.clock.increment(100);
    }
  };
  const bandwidth = () => figures.networkMetrics().bandwidthInBytesPerSecond;
  return { ...figures, bandwidth, connection, pass };
}

describe('the bandwidth', () => {
  it('is right before its window is full, and by then what the window tells', () => {
    const { bandwidth, libp2p, pass } = begin();
    libp2p.start();
    expect(bandwidth()).toBe(0);
    pass(500, 4_000);
    expect(bandwidth()).toBe(4_000);
    pass(9_500, 4_000);
    expect(bandwidth()).toBe(4_000);
    pass(5_000, 0);
    expect(bandwidth()).toBe(2_000);
    pass(5_000, 0);
    expect(bandwidth()).toBe(0);
    libp2p.stop();
  });

  it('is given in kilobytes as well, by direction, and to Prometheus', async () => {
    const { clock, connection, libp2p, networkMetrics, prometheus } = begin();
    libp2p.start();
    connection.arrive(3_000);
    connection.send(new Uint8Array(1_000));
    clock.increment(2_000);
    expect(networkMetrics()).toMatchObject({
      bandwidthInBytesPerSecond: 1_500,
      bandwidthInKbps: 1.5,
      bandwidthOutBytesPerSecond: 500,
      bandwidthOutKbps: 0.5,
    });
    expect(startingWith(await prometheus(), 'lloom_network_bandwidth')).toEqual({
      'lloom_network_bandwidth_bytes_per_second{direction="in"}': 1_500,
      'lloom_network_bandwidth_bytes_per_second{direction="out"}': 500,
    });
    libp2p.stop();
  });

  it('is 0 after the stop, and begins anew with each start', () => {
    const { bandwidth, connection, libp2p, networkMetrics, pass } = begin();
    for (let round = 1; round <= 3; round++) {
      libp2p.start();
      pass(2_000, 1_000);
      expect(bandwidth()).toBe(1_000);
      libp2p.stop();
      expect(bandwidth()).toBe(0);
      pass(5_000, 0);
      connection.arrive(1_000_000);
    }
    expect(networkMetrics().bytesIn).toBe(3 * 1_002_000);
  });

  it('is averaged over as long as no sample could be taken, when the machine slept', () => {
    const { bandwidth, clock, connection, libp2p, pass } = begin();
    libp2p.start();
    pass(20_000, 1_000);
    // Timers stand still while time goes on.
    const elapsed = clock.elapsed.bind(clock);
    clock.elapsed = () => elapsed() + 100_000;
    connection.arrive(50_000);
    expect(bandwidth()).toBe(50_000 / 100);
    pass(20_000, 1_000);
    expect(bandwidth()).toBe(1_000);
    libp2p.stop();
  });
});

describe('the other figures', () => {
  it('count messages of every carrier, and what the composition of the node says', () => {
    const sources = { connectedPeers: () => 3, activeRequests: () => 2 };
    const { meter, networkMetrics } = createFigures({ sources });
    for (const carrier of ['rpc', 'gossip']) {
      meter.counter(messagesFamily, { carrier, direction: 'sent' })(10);
      meter.counter(messagesFamily, { carrier, direction: 'received' })(1);
    }
    expect(networkMetrics()).toMatchObject({
      connectedPeers: 3,
      activeRequests: 2,
      messagesSent: 20,
      messagesReceived: 2,
    });
  });

  it('are 0 where nobody gives them, or whoever does fails', () => {
    const fail = (): number => {
      throw new Error('made by the test');
    };
    const none = { connectedPeers: 0, messagesSent: 0, messagesReceived: 0, activeRequests: 0 };
    expect(metrics().networkMetrics()).toMatchObject(none);
    const sources = { connectedPeers: fail, activeRequests: fail };
    expect(createFigures({ sources }).networkMetrics()).toMatchObject(none);
  });
});

describe('a configuration', () => {
  const problemsOf = (given: unknown) => {
    try {
      metrics(given as object);
    } catch (error) {
      if (ConfigError.is(error)) return error.data.problems;
      throw error;
    }
    return [];
  };

  it('is refused with all that is wrong', () => {
    const given = { sampleIntervalMs: 1, maxLabelSets: 1_000_000, typo: 1 };
    const paths = ['metrics.sampleIntervalMs', 'metrics.maxLabelSets', 'metrics.typo'];
    expect(problemsOf(given).map(({ path }) => path)).toEqual(paths);
  });

  it('is refused where ports are none, with what was got and what is wanted', () => {
    const given = { registry: {}, node: '', sources: { connectedPeers: 5 }, clock: 5, inspect: 'x' };
    expect(problemsOf({ ...given, sampleIntervalMs: 1 }).map(({ path, got }) => [path, got])).toEqual([
      ['metrics.registry', '{}'],
      ['metrics.node', '""'],
      ['metrics.sources', '{"connectedPeers":5}'],
      ['metrics.clock', '5'],
      ['metrics.inspect', '"x"'],
      ['metrics.sampleIntervalMs', '1'],
    ]);
    expect(problemsOf({ registry: 5 })).toEqual([
      { path: 'metrics.registry', got: '5', wanted: 'a Registry of prom-client' },
    ]);
  });

  it('is refused where it is none', () => {
    for (const given of [null, 5, 'metrics', []])
      expect(problemsOf(given)).toMatchObject([{ path: 'metrics', wanted: 'an object' }]);
  });

  it('takes ports as they are, also those that lead back to themselves', () => {
    const clock: Record<string, unknown> = { ...systemClock };
    clock['self'] = clock;
    expect(problemsOf({ clock, registry: undefined, inspect: { next: () => {} } })).toEqual([]);
  });

  it('has a window of at least one interval', () => {
    expect(() => metrics({ sampleIntervalMs: 30_000 })).toThrow(/rateWindowMs/);
    expect(() => metrics({ sampleIntervalMs: 30_000, rateWindowMs: 30_000 })).not.toThrow();
  });
});
