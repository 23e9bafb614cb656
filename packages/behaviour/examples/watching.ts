// Two nodes that are watched: what they count, the trace of a request, what they log, and a node as it stands.
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { Identity, jsonLines, LloomBehaviour, openTelemetry } from '@lloom/behaviour';

const identity = Identity.generate();

// #region traces
const exporter = new InMemorySpanExporter();
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
const client = await LloomBehaviour.create(identity, {
  addressPolicy: 'loopback',
  tracer: openTelemetry(provider.getTracer('example')),
  log: jsonLines((line) => process.stdout.write(line)),
});
// #endregion
const executor = await LloomBehaviour.create(Identity.generate(), { addressPolicy: 'loopback' });
try {
  executor.serve(async function* () {
    yield 'What is spun is woven.';
    yield { inboundTokens: 5, totalCost: '1' };
  });
  await client.dialPeer(executor.peerId, executor.listenedAddresses());
  const request = await identity.sign(
    { model: 'demo-small', prompt: 'What is a loom?' },
    { to: executor.peerId },
  );

  // #region logs
  client.enableDebugLogging({ component: 'lloom:rpc' });
  client.enableDebugMode({ intervalMs: 60_000 });
  await client.stream(executor.peerId, { type: 'llmRequest', request }).result;
  client.disableDebugMode();
  client.disableDebugLogging();
  // #endregion
  const names = exporter.getFinishedSpans().map(({ name }) => name);
  process.stdout.write(`${names.join(', ')}\n`);

  // #region metrics
  const { messagesSent, bandwidthOutKbps } = client.metrics();
  process.stdout.write(`${messagesSent} sent, lately ${bandwidthOutKbps.toFixed(1)} kB/s\n`);
  const { url, token } = await client.serveMetrics();
  const scraped = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  process.stdout.write(await scraped.text());
  // #endregion

  // #region state
  const { version, connections, peers } = client.exportState();
  process.stdout.write(`schema ${version}: ${connections.length} connections, ${peers.length} peers\n`);
  // #endregion
} finally {
  await Promise.all([client.stop(), executor.stop()]);
}
