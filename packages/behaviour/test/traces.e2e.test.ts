import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { expect, test, vi } from 'vitest';
import { openTelemetry, type NetworkConfig, type NodePorts } from '../src/index.ts';
import { createNode, failure, next, question, type Node } from './nodes.ts';

/** A node whose spans are kept for the test. */
async function tracedNode(config: NetworkConfig & NodePorts = {}) {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const tracer = openTelemetry(provider.getTracer('test'));
  const nat = { enableHolePunching: false };
  const node = await createNode({ listenAddresses: [], packages: { nat }, tracer, ...config });
  return { node, spans: () => exporter.getFinishedSpans() };
}

const addressesOf = (node: Node): string[] =>
  node.listenedAddresses().map((address) => `${address}/p2p/${node.peerId}`);

const msOf = ([seconds, nanoseconds]: readonly [number, number]): number =>
  seconds * 1_000 + nanoseconds / 1_000_000;

test('a request that goes through a relay is one trace: of who asks, who relays and who serves', async () => {
  const relay = await tracedNode({ listenAddresses: ['/ip4/127.0.0.1/tcp/0'] });
  await relay.node.enableRelayServer();
  const executor = await tracedNode();
  let work = async (): Promise<void> => undefined;
  executor.node.serve(async function* () {
    yield 'through the relay';
    await work();
    yield { inboundTokens: 1, totalCost: '1' };
  });
  const reserved = next(executor.node, 'relay:reserved');
  await executor.node.enableRelayClient({ relays: addressesOf(relay.node) });
  await reserved;
  const client = await tracedNode();
  await client.node.dialPeerThroughRelay(executor.node.peerId, addressesOf(relay.node)[0]!);
  const asked = await question(client.node.identity, executor.node.peerId);
  await client.node.stream(executor.node.peerId, asked).result;

  await vi.waitUntil(() => relay.spans().length > 0, { timeout: 10_000 });
  const [clientId, executorId] = [client.node.peerId, executor.node.peerId];
  const spans = [client, relay, executor].flatMap((each) => each.spans());
  const spanOf = (name: string, attributes: Record<string, unknown>) => {
    const named = spans.filter((span) => span.name === name);
    expect(named).toMatchObject([{ attributes }]);
    const { parentSpanContext } = named[0]!;
    return { ...named[0]!.spanContext(), parentId: parentSpanContext?.spanId };
  };
  const request = spanOf('lloom.request', { 'rpc.method': 'llmRequest', 'lloom.attempts': 1 });
  const attempt = spanOf('lloom.attempt', { 'lloom.peer_id': executorId, 'lloom.relay': relay.node.peerId });
  const serve = spanOf('lloom.serve', { 'rpc.method': 'llmRequest', 'lloom.peer_id': clientId });
  const carry = spanOf('lloom.relay', { 'lloom.client_id': clientId, 'lloom.peer_id': executorId });
  expect([request, attempt, serve, carry].map(({ parentId }) => parentId)).toEqual([
    undefined,
    request.spanId,
    attempt.spanId,
    attempt.spanId,
  ]);
  expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
  expect(spans).toHaveLength(4);
  // It began before the request had ended, though the relay was told after that.
  const attempted = client.spans().find(({ name }) => name === 'lloom.attempt');
  expect(msOf(relay.spans()[0]!.startTime)).toBeLessThan(msOf(attempted!.endTime));

  // A connection that is cut while it carries a request has its span, too.
  const { promise: endless, resolve: end } = Promise.withResolvers<void>();
  work = async () => {
    void relay.node.disableRelayServer();
    await endless;
  };
  const cut = await question(client.node.identity, executor.node.peerId);
  await failure(client.node.stream(executor.node.peerId, cut, { timeoutMs: 2_000 }).result);
  end();
  await vi.waitUntil(() => relay.spans().length > 1, { timeout: 10_000 });
  expect(relay.spans()[1]?.attributes).toMatchObject({ 'lloom.circuit.ended': true });
});
