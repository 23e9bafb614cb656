import { recordFile } from '@lloom/inspector/vitest';
import { SimulatedClock } from 'xstate';
import { describe, expect, test } from 'vitest';
import { ConfigError, EventHub, type Clock } from '@lloom/core';
import { createLog, type LogConfig, type LogRecord } from '@lloom/transport';
import type { LloomEvents } from './events.ts';
import { debuggingSurface, type DebugConfig, type DebuggingParts } from './surface/debugging.ts';

const machines = recordFile();

/** Time that moves when a test says so. */
class TestClock extends SimulatedClock {
  elapsed = (): number => this.now();
}

const figures = {
  ...{ connectedPeers: 1, messagesSent: 2, messagesReceived: 3, activeRequests: 4 },
  ...{ bandwidthInKbps: 5, bandwidthOutKbps: 6, bandwidthInBytesPerSecond: 5_000 },
  ...{ bandwidthOutBytesPerSecond: 6_000, bytesIn: 7, bytesOut: 8 },
};
const kad = { storedRecords: 9, routingTableSize: 1 };

/** The surface over a node that is a log, events and figures. */
function begin(config: LogConfig = {}, given: Partial<DebuggingParts> = {}) {
  const records: LogRecord[] = [];
  const clock = new TestClock();
  const log = createLog({ clock, sink: (record) => records.push(record), ...config });
  const events = new EventHub<LloomEvents>((error) => {
    throw error;
  });
  const stopping = new AbortController();
  const node = debuggingSurface({
    ...{ log, events, clock: clock as Clock, inspect: machines.inspect, signal: stopping.signal },
    metrics: () => figures,
    kadMetrics: () => kad,
    routingTable: () => ['peer-1'],
    connections: () => ({
      shown: [{ peerId: 'peer-2', direction: 'outbound', transport: 'tcp', relayed: false }],
      total: 1,
    }),
    ...given,
  });
  const seen = () => records.splice(0);
  const said = () => seen().map(({ component, message }) => `${component} ${message}`);
  const levels = () => Object.fromEntries(log.levels);
  return { node, log, events, clock, stop: () => stopping.abort(), seen, said, levels };
}

const unbanned = (events: EventHub<LloomEvents>, peerId = 'peer-3') =>
  events.emit('peer:unbanned', { peerId, by: 'time' });

describe('debug logging', () => {
  test('logs everything at debug, and is taken back', () => {
    const { node, levels, log, said } = begin({
      level: 'error',
    });
    node.setLogLevel('info', 'lloom:rpc');
    node.enableDebugLogging();
    expect(levels()).toEqual({ '': 'debug', 'lloom:rpc': 'debug' });
    log.forComponent('libp2p:tcp')('dialling');
    node.disableDebugLogging();
    expect(levels()).toEqual({ '': 'error', 'lloom:rpc': 'info' });
    log.forComponent('libp2p:tcp')('dialling again');
    node.disableDebugLogging();
    expect(said()).toEqual(['libp2p:tcp dialling']);
  });

  test('of one component raises what is beneath it, and nothing that is loud already', () => {
    const { node, levels } = begin();
    node.setLogLevel('trace', 'lloom:rpc:requests');
    node.setLogLevel('off', 'lloom:rpc:sessions');
    node.setLogLevel('info', 'lloom:rpcs');
    const before = levels();
    node.enableDebugLogging({ component: 'lloom:rpc' });
    expect(levels()).toEqual({
      ...{ '': 'off', 'lloom:rpc': 'debug', 'lloom:rpc:requests': 'trace' },
      ...{ 'lloom:rpc:sessions': 'debug', 'lloom:rpcs': 'info' },
    });
    node.enableDebugLogging({ component: 'libp2p', level: 'trace' });
    expect(levels()).toEqual({ ...before, libp2p: 'trace' });
    node.disableDebugLogging();
    expect(levels()).toEqual(before);
  });

  test('a level that was set is taken back', () => {
    const { node, levels } = begin({ level: 'error' });
    node.setLogLevel('off', 'lloom:rpc');
    node.setLogLevel('trace');
    expect(levels()).toEqual({ '': 'trace', 'lloom:rpc': 'off' });
    node.enableDebugLogging({ component: 'lloom:rpc' });
    for (const component of ['lloom:rpc', '', 'unknown']) node.setLogLevel('default', component);
    expect(levels()).toEqual({ '': 'error', 'lloom:rpc': 'debug' });
    node.disableDebugLogging();
    expect(levels()).toEqual({ '': 'error' });
  });

  test('a level that is none is refused, and changes nothing', () => {
    const { node, levels } = begin({ level: 'error' });
    for (const [level, component] of [
      [],
      [null],
      ['loud'],
      [undefined, 'lloom'],
      ['default', 5],
      ['info', 'a:'],
    ])
      expect(() => node.setLogLevel(level as 'info', component as string)).toThrow(ConfigError);
    expect(() => node.setLogLevel(undefined as never)).toThrow(
      /"log.level" is undefined, want one of "default"/,
    );
    expect(levels()).toEqual({ '': 'error' });
  });

  test('levels of 256 components may be set, and debug mode beside them', () => {
    const { node, levels } = begin();
    const counted = Array.from({ length: 255 }, (_, index) => `lloom:c${index}`);
    for (const component of counted) node.setLogLevel('info', component);
    expect(() => node.setLogLevel('info', 'lloom:more')).toThrow(/256/);
    node.setLogLevel('debug', counted[0]);
    node.enableDebugMode();
    node.disableDebugMode();
    expect(Object.keys(levels())).toHaveLength(256);
    node.setLogLevel('default', counted[0]);
    node.setLogLevel('info', 'lloom:more');
    expect(levels()).toMatchObject({ 'lloom:more': 'info' });
    expect(levels()).not.toHaveProperty(counted[0]!);
  });

  test('goes back to what was set meanwhile', () => {
    const { node, levels } = begin();
    node.enableDebugLogging({ component: 'lloom' });
    node.setLogLevel('error');
    node.setLogLevel('info', 'lloom');
    expect(levels()).toEqual({ '': 'error', lloom: 'debug' });
    node.disableDebugLogging();
    expect(levels()).toEqual({ '': 'error', lloom: 'info' });
  });

  test.each<[string, (at: ReturnType<typeof begin>) => unknown]>([
    ['a level that is none', ({ node }) => node.enableDebugLogging({ level: 'info' as 'debug' })],
    ['a component that is none', ({ node }) => node.enableDebugLogging({ component: 'a b' })],
    ['a level that is none, set', ({ node }) => node.setLogLevel('loud' as 'info')],
    ['a component that is none, set', ({ node }) => node.setLogLevel('info', 'lloom:*')],
    ['an interval too short', ({ node }) => node.enableDebugMode({ intervalMs: 999 })],
    ['an interval too long', ({ node }) => node.enableDebugMode({ intervalMs: 3_600_001 })],
    ['a flag that is none', ({ node }) => node.enableDebugMode({ logAllEvents: 1 as unknown as true })],
    ['a field that nobody knows', ({ node }) => node.enableDebugMode({ all: true } as DebugConfig)],
  ])('and debug mode change nothing for %s', (_, act) => {
    const at = begin({ level: 'error' });
    expect(() => act(at)).toThrow(ConfigError);
    expect(at.levels()).toEqual({ '': 'error' });
    expect(at.seen()).toEqual([]);
  });
});

describe('debug mode', () => {
  test('reports the routing table, the connections and the figures, at once and every ten seconds', () => {
    const { node, clock, seen } = begin();
    node.enableDebugMode();
    const reports = seen();
    expect(reports).toMatchObject([
      {
        ...{ level: 'info', component: 'lloom:debug', message: 'routing table' },
        fields: {
          peers: ['peer-1'],
          totalPeers: 1,
          connections: ['peer-2 outbound tcp'],
          totalConnections: 1,
        },
      },
      { level: 'info', component: 'lloom:debug', message: 'metrics', fields: { ...figures, ...kad } },
    ]);
    clock.increment(9_999);
    expect(seen()).toEqual([]);
    clock.increment(1);
    expect(seen().map(({ fields }) => fields)).toEqual(reports.map(({ fields }) => fields));
  });

  test('logs each event, and lets requests and messages be traced, while it is on', () => {
    const { node, events, said, levels, log, seen } = begin();
    unbanned(events);
    node.enableDebugMode({ dumpRoutingTable: false, exportMetrics: false });
    unbanned(events);
    expect(seen()).toMatchObject([
      {
        level: 'info',
        component: 'lloom:events',
        message: 'peer:unbanned',
        peerId: 'peer-3',
        fields: { by: 'time' },
      },
    ]);
    for (const component of ['lloom:rpc:requests', 'lloom:gossip:messages', 'lloom:rpc'])
      log.forComponent(component).trace('detail');
    expect(said()).toEqual(['lloom:rpc:requests detail', 'lloom:gossip:messages detail']);
    node.disableDebugMode();
    unbanned(events);
    log.forComponent('lloom:rpc:requests').trace('detail');
    expect([said(), levels()]).toEqual([[], { '': 'off' }]);
  });

  test.each<[DebugConfig, string[]]>([
    [{ logAllEvents: true }, ['lloom:events peer:unbanned']],
    [{ traceMessages: true }, ['lloom:rpc:requests detail']],
    [{ dumpRoutingTable: true }, ['lloom:debug routing table']],
    [{ exportMetrics: true }, ['lloom:debug metrics']],
  ])('with %o alone does that alone', (config, wanted) => {
    const { node, events, said, log } = begin();
    const none = { logAllEvents: false, traceMessages: false, dumpRoutingTable: false, exportMetrics: false };
    node.enableDebugMode({ ...none, ...config });
    unbanned(events);
    log.forComponent('lloom:rpc:requests').trace('detail');
    expect(said()).toEqual(wanted);
  });

  test('enabled again does as it is told then, and tells each event once', () => {
    const { node, events, said, clock } = begin();
    node.enableDebugMode();
    node.enableDebugMode({ intervalMs: 2_000, dumpRoutingTable: false });
    said();
    unbanned(events);
    clock.increment(2_000);
    expect(said()).toEqual(['lloom:events peer:unbanned', 'lloom:debug metrics']);
    node.enableDebugMode({ intervalMs: 2_000, dumpRoutingTable: false, logAllEvents: false });
    said();
    unbanned(events);
    expect(said()).toEqual([]);
    node.disableDebugMode();
    clock.increment(10_000);
    expect(said()).toEqual([]);
  });

  test('and debug logging are taken back each by itself', () => {
    const { node, levels } = begin();
    node.enableDebugLogging();
    node.enableDebugMode();
    expect(levels()).toMatchObject({ '': 'debug', 'lloom:debug': 'debug', 'lloom:rpc:requests': 'trace' });
    node.disableDebugLogging();
    expect(levels()).toMatchObject({ '': 'off', 'lloom:debug': 'info', 'lloom:rpc:requests': 'trace' });
    node.enableDebugLogging();
    node.disableDebugMode();
    node.disableDebugMode();
    expect(levels()).toEqual({ '': 'debug' });
  });

  test('ends when the node stops, and does not begin behind that', () => {
    const { node, events, stop, said, clock, levels } = begin();
    node.enableDebugMode();
    said();
    stop();
    node.enableDebugMode();
    node.disableDebugMode();
    unbanned(events);
    clock.increment(60_000);
    expect([said(), levels()]).toEqual([[], { '': 'off' }]);
  });

  test('goes on when a report cannot be made', () => {
    let isBroken = true;
    const routingTable = (): string[] => {
      if (isBroken) throw new Error('no table');
      return [];
    };
    const { node, seen, clock } = begin({}, { routingTable });
    node.enableDebugMode({ exportMetrics: false });
    expect(seen()).toMatchObject([
      { level: 'error', message: 'a report could not be made', error: { message: 'no table' } },
    ]);
    isBroken = false;
    clock.increment(10_000);
    expect(seen()).toMatchObject([{ message: 'routing table' }]);
  });

  test('hears events without being taken for somebody who answers requests, or hears of lost ones', async () => {
    const { node, events, seen } = begin();
    let isTold = false;
    events.whenObserved('request:lost', () => (isTold = true));
    node.enableDebugMode();
    await Promise.resolve();
    expect([events.isHeard('request:received'), events.isObserved('request:received')]).toEqual([
      true,
      false,
    ]);
    expect(isTold).toBe(false);
    seen();
    events.emit('request:lost', { peerId: 'peer-1', signer: '0xabc', idempotencyKey: 'key', acceptedAt: 1 });
    expect(seen()).toMatchObject([{ message: 'request:lost', peerId: 'peer-1' }]);
    node.disableDebugMode();
    expect(events.isHeard('request:received')).toBe(false);
  });
});
