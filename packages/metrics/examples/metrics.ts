// Two nodes in one process, on this machine only: one pings the other, and what that costs is read as Prometheus would.
// #region node
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { EventMonitor, metrics } from '@lloom/metrics';
import { createLibp2p } from 'libp2p';

const createNode = async () => {
  const figures = metrics();
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    metrics: figures.libp2p,
    // Services of this workspace take `meter: figures.meter` as well.
    services: { identify: identify(), ping: ping() },
  });
  return { figures, node };
};
// #endregion

const [{ node, figures }, other] = [await createNode(), await createNode()];
try {
  // #region own
  const sold = { name: 'shop_sold_total', help: 'What was sold.', labels: ['what'] };
  const sell = figures.meter.counter(sold, { what: 'tokens' });
  sell(250);
  figures.meter.gauge({ name: 'shop_open', help: 'Whether the shop is open.' }, () => 1);
  // #endregion

  // #region use
  await node.services.ping.ping(other.node.getMultiaddrs());
  const { bytesIn, bandwidthInKbps } = figures.networkMetrics();
  console.log(`${bytesIn} bytes arrived, lately ${bandwidthInKbps.toFixed(1)} kB/s`);
  for (const { protocol, streams } of figures.protocolMetrics())
    console.log(`${protocol}: ${streams} streams`);
  // #endregion

  // #region serve
  const endpoint = await figures.serve({ port: 0 });
  const headers = { Authorization: `Bearer ${endpoint.token}` };
  const text = await (await fetch(endpoint.url, { headers })).text();
  console.log(
    text
      .split('\n')
      .filter((line) => line.startsWith('lloom_'))
      .join('\n'),
  );
  await endpoint.close();
  // #endregion
} finally {
  await Promise.all([node.stop(), other.node.stop()]);
}

// #region events
const monitor = new EventMonitor<{ readonly type: 'opened' | 'closed' }>();
for (const type of ['opened', 'closed', 'opened'] as const) monitor.onEvent({ type });
console.log(monitor.statistics().get('opened'));
console.log(await monitor.exportPrometheusMetrics());
// #endregion
