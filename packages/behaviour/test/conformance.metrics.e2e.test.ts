// The rows of the specification's table that are about metrics and debugging; the others stand in conformance.e2e.test.ts. Two nodes
// serve all tests: each shows what a node tells of what it has to do with the other.
import type { Discovery } from '@lloom/discovery';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  EventMonitor,
  GossipTopic,
  Identity,
  LloomBehaviour,
  type LogRecord,
  type NetworkConfig,
  type NodePorts,
} from '../src/index.ts';
import { failure, question } from './nodes.ts';
import { expectValid } from './stateSchema.ts';

const config = {
  addressPolicy: 'loopback',
  packages: { metrics: { sampleIntervalMs: 100, rateWindowMs: 1_000 } },
} as const satisfies NetworkConfig;

const clientIdentity = Identity.generate();
const records: LogRecord[] = [];
let executor: LloomBehaviour;
let client: LloomBehaviour;

const start = (identity: Identity, given: NetworkConfig & NodePorts = {}) =>
  LloomBehaviour.create(identity, { ...config, ...given });

beforeAll(async () => {
  executor = await start(Identity.generate());
  const bootstrapPeers = executor.listenedAddresses().map((address) => `${address}/p2p/${executor.peerId}`);
  client = await start(clientIdentity, { bootstrapPeers, log: (record) => records.push(record) });
  executor.serve(async function* () {
    yield 'what is answered';
    yield { inboundTokens: 1, totalCost: '1' };
  });
  await client.bootstrap();
  for (const node of [executor, client]) await node.subscribeTopic(GossipTopic.NetworkStatus);
  await vi.waitUntil(() => client.gossipsubMeshPeers(GossipTopic.NetworkStatus).includes(executor.peerId), {
    timeout: 10_000,
  });
});

afterAll(async () => {
  await Promise.all([client, executor].map((node) => node?.stop({ drainMs: 0 })));
});

const ask = async () =>
  client.stream(executor.peerId, await question(clientIdentity, executor.peerId)).result;

const publish = () =>
  client.publishMessage(GossipTopic.NetworkStatus, {
    ...{ type: 'networkMetrics', totalPeers: 2, activeExecutors: 1, activeRequests: 0, averageLatencyMs: 1 },
  });

describe('metrics and debugging', () => {
  test('metrics, kad_metrics: both nodes count what went between them', async () => {
    const sum = (node: LloomBehaviour) => {
      const { messagesSent, messagesReceived, bytesIn, bytesOut } = node.metrics();
      return { messagesSent, messagesReceived, bytesIn, bytesOut };
    };
    const [asked, served] = [sum(client), sum(executor)];
    await ask();
    await client.request(executor.peerId, { type: 'ping' });
    await publish();
    await vi.waitFor(() => expect(sum(executor).messagesReceived).toBe(served.messagesReceived + 3));
    expect(sum(client)).toMatchObject({
      messagesSent: asked.messagesSent + 3,
      messagesReceived: asked.messagesReceived + 2,
    });
    expect(sum(executor).messagesSent).toBe(served.messagesSent + 2);
    expect(sum(client).bytesOut).toBeGreaterThan(asked.bytesOut);
    expect(sum(executor).bytesIn).toBeGreaterThan(served.bytesIn);
    expect(client.metrics()).toMatchObject({ connectedPeers: 1, activeRequests: 0 });
    await vi.waitFor(() => expect(client.metrics().bandwidthOutKbps).toBeGreaterThan(0));
    expect(client.protocolMetrics().map(({ protocol }) => protocol)).toContain('/meshsub/1.2.0');
    await vi.waitFor(() => expect(client.kadMetrics().routingTableSize).toBe(1));
    expect(executor.kadMetrics().storedRecords).toBe(0);
    const { discovery } = client.libp2p.services as unknown as { readonly discovery: Discovery };
    discovery.joinRendezvous('conformance/1.0.0');
    await vi.waitFor(() => expect(executor.kadMetrics().storedRecords).toBeGreaterThan(0));
  });

  test('metrics of a node that does not count: its peers, and nothing to serve', async () => {
    const silent = await start(Identity.generate(), { enableMetrics: false });
    try {
      await silent.dialPeer(executor.peerId, executor.listenedAddresses());
      expect(silent.metrics()).toMatchObject({ connectedPeers: 1, bytesIn: 0, messagesSent: 0 });
      expect(await silent.prometheusMetrics()).toBe('');
      expect(silent.metricsRegistry).toBeUndefined();
      expect(await failure(silent.serveMetrics())).toMatchObject({ code: 'METRICS_UNAVAILABLE' });
      expectValid(silent.exportState());
    } finally {
      await silent.stop({ drainMs: 0 });
    }
  });

  test('metrics that are configured wrongly start nothing', async () => {
    const packages = { metrics: { sampleIntervalMs: 1 } };
    expect(await failure(start(Identity.generate(), { packages }))).toMatchObject({ code: 'INVALID_CONFIG' });
  });

  test('prometheus_metrics, serve_metrics: the same figures, to who shows the token, until the node is stopped', async () => {
    const node = await start(Identity.generate());
    await node.dialPeer(executor.peerId, executor.listenedAddresses());
    const { url, token } = await node.serveMetrics();
    expect((await fetch(url)).status).toBe(401);
    const read = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    const served = await read.text();
    for (const exposition of [served, await node.prometheusMetrics()]) {
      expect(exposition).toContain(`peer_id="${node.peerId}"`);
      expect(exposition).toContain('lloom_kad_records 0');
      expect(exposition).toContain('lloom_peers_connected 1');
    }
    await node.stop({ drainMs: 0 });
    await expect(fetch(url)).rejects.toThrow('fetch failed');
    expect(await failure(node.serveMetrics())).toMatchObject({ code: 'METRICS_UNAVAILABLE' });
  });

  test('EventMonitor, export_prometheus_metrics: counts the events of a node', async () => {
    const monitor = new EventMonitor();
    const stopped = new AbortController();
    const events = executor.events({ signal: stopped.signal });
    const watching = (async () => {
      for await (const event of events) monitor.onEvent(event);
    })();
    await publish();
    await publish();
    await vi.waitFor(() => expect(monitor.statistics().get('message:received')).toBe(2));
    expect(await monitor.exportPrometheusMetrics()).toMatch(/\{type="message:received"\} 2/);
    stopped.abort();
    await watching;
  });

  test('enable_debug_logging: what happens with the other node is logged, until it is disabled', async () => {
    expect(records).toEqual([]);
    client.enableDebugLogging({ level: 'trace', component: 'lloom:rpc' });
    await ask();
    const named = (): LogRecord[] => records.filter((record) => record.peerId === executor.peerId);
    await vi.waitFor(() => expect(named()).not.toEqual([]));
    expect(named()[0]).toMatchObject({ component: expect.stringMatching(/^lloom:rpc/) as string });
    client.disableDebugLogging();
    const count = records.length;
    await ask();
    expect(records).toHaveLength(count);
  });

  test('enable_debug_mode: every event, and a report that names the other node', async () => {
    client.enableDebugMode();
    const texts = (component: string): string[] =>
      records.filter((record) => record.component === component).map((record) => JSON.stringify(record));
    await ask();
    await vi.waitFor(() => expect(texts('lloom:events').join('\n')).toContain('response:received'));
    await vi.waitFor(() => expect(texts('lloom:debug').join('\n')).toContain(executor.peerId));
    expect(records.map((record) => JSON.stringify(record)).join('\n')).not.toContain('what is answered');
    client.disableDebugMode();
    const count = records.length;
    await ask();
    expect(records).toHaveLength(count);
  });

  test('export_state: each of both names the other', async () => {
    for (const [node, other] of [
      [client, executor],
      [executor, client],
    ] as const) {
      const state = node.exportState();
      expectValid(state);
      expect(state.node).toMatchObject({ peerId: node.peerId, state: 'running' });
      expect(state.connections).toMatchObject([{ peerId: other.peerId, transport: 'tcp' }]);
      expect(state.peers[0]).toMatchObject({ peerId: other.peerId, isConnected: true });
      expect(state.kad.routingTable).toContain(other.peerId);
      expect(state.gossip.topics).toContainEqual(
        expect.objectContaining({ topic: GossipTopic.NetworkStatus, mesh: [other.peerId] }),
      );
    }
  });
});
