import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping, type Ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metrics, type NodeMetrics } from '../src/index.ts';
import { samplesOf, startingWith } from './nodes.ts';

interface Node {
  readonly figures: NodeMetrics;
  readonly node: Libp2p<{ ping: Ping }>;
}

const registry = new Registry();
let client: Node;
let server: Node;
let connection: Connection;

async function createNode(name: string): Promise<Node> {
  const figures = metrics({ registry, node: name });
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    metrics: figures.libp2p,
    services: { identify: identify(), ping: ping() },
  });
  return { figures, node };
}

/** What gives the stream of a protocol that the server is handed. */
async function streamTo(protocol: string): Promise<() => Promise<Stream>> {
  const { promise, resolve } = Promise.withResolvers<Stream>();
  await server.node.handle(protocol, resolve);
  return () => promise;
}

async function lengthOf(stream: Stream): Promise<number> {
  let length = 0;
  for await (const chunk of stream) length += chunk.byteLength;
  await stream.close();
  return length;
}

/** Sends it all, as fast as the stream takes it. */
async function send(stream: Stream, chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) if (!stream.send(chunk)) await stream.onDrain();
  await stream.close();
}

const protocolOf = ({ figures }: Node, name: string) =>
  figures.protocolMetrics().find(({ protocol }) => protocol === name);

beforeAll(async () => {
  [client, server] = await Promise.all([createNode('client'), createNode('server')]);
  connection = await client.node.dial(server.node.getMultiaddrs());
});

afterAll(async () => {
  await Promise.all([client.node.stop(), server.node.stop()]);
});

describe('two nodes that share a registry', () => {
  it('count what one sends the other, to the byte by protocol, and within framing on the wire', async () => {
    const size = 1_000_000;
    const accepted = await streamTo('/bulk/1.0.0');
    const before = client.figures.networkMetrics().bytesOut;
    const stream = await connection.newStream('/bulk/1.0.0');
    const received = accepted().then(lengthOf);
    await send(
      stream,
      Array.from({ length: 100 }, () => new Uint8Array(size / 100)),
    );
    expect(await received).toBe(size);
    expect(protocolOf(client, '/bulk/1.0.0')).toMatchObject({ bytesIn: 0, bytesOut: size, streams: 1 });
    expect(protocolOf(server, '/bulk/1.0.0')).toMatchObject({ bytesIn: size, bytesOut: 0, streams: 1 });

    const wire = client.figures.networkMetrics().bytesOut - before;
    expect(wire).toBeGreaterThan(size);
    expect(wire).toBeLessThan(size * 1.02);
    await expect
      .poll(() => server.figures.networkMetrics().bytesIn - client.figures.networkMetrics().bytesOut)
      .toBe(0);
    await expect.poll(() => protocolOf(server, '/bulk/1.0.0')?.openStreams).toBe(0);
    expect(client.figures.networkMetrics().bandwidthOutBytesPerSecond).toBeGreaterThan(0);
  });

  it('hand over what arrived before anybody listened', async () => {
    const accepted = await streamTo('/late/1.0.0');
    const stream = await connection.newStream('/late/1.0.0');
    stream.send(new Uint8Array([1, 2, 3]));
    const inbound = await accepted();
    await expect.poll(() => (inbound as Stream & { readBufferLength: number }).readBufferLength).toBe(3);
    const received = lengthOf(inbound);
    await stream.close();
    expect(await received).toBe(3);
    expect(protocolOf(server, '/late/1.0.0')).toMatchObject({ bytesIn: 3 });
  });

  it('work as without metrics: pings are answered', async () => {
    expect(await client.node.services.ping.ping(server.node.peerId)).toBeGreaterThanOrEqual(0);
    expect(protocolOf(client, '/ipfs/ping/1.0.0')).toMatchObject({ bytesIn: 32, bytesOut: 32 });
  });

  it('show libp2p’s own families, each node its own', async () => {
    const text = await registry.metrics();
    const family = 'libp2p_connection_manager_connections';
    expect(startingWith(text, 'libp2p_')).toMatchObject({
      [`${family}{${family}="outbound",node="client"}`]: 1,
      [`${family}{${family}="inbound",node="client"}`]: 0,
      [`${family}{${family}="inbound",node="server"}`]: 1,
    });
    for (const name of [
      'libp2p_dial_queue',
      'libp2p_tcp_dialer_events_total',
      'libp2p_protocol_streams_total',
    ])
      expect(text.match(new RegExp(`^# TYPE ${name} `, 'gm'))).toHaveLength(1);
  });

  it('give a text in which every sample stands once', async () => {
    const text = await registry.metrics();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(Object.keys(samplesOf(text))).toHaveLength(lines.length);
  });

  it('come and go one by one', async () => {
    await server.node.stop();
    const text = await registry.metrics();
    expect(text).not.toContain('node="server"');
    expect(text).toContain('lloom_network_bytes_total{direction="in",node="client"}');
    await server.node.start();
    await client.node.dial(server.node.getMultiaddrs());
    expect(await registry.metrics()).toContain(
      'lloom_protocol_open_streams{protocol="/bulk/1.0.0",node="server"} 0',
    );
  });
});
