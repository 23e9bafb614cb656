import type { StreamMessageEvent } from '@libp2p/interface';
import { describe, expect, it } from 'vitest';
import { createFigures, startingWith } from './nodes.ts';
import { createStream } from './streams.ts';

describe('bytes', () => {
  it('are counted by direction, for the network and for each protocol', async () => {
    const { libp2p, networkMetrics, prometheus, protocolMetrics } = createFigures();
    const connection = createStream();
    const stream = createStream({ protocol: '/a/1', direction: 'inbound' });
    libp2p.trackMultiaddrConnection(connection);
    libp2p.trackProtocolStream(stream);
    connection.arrive(1_000);
    connection.send(new Uint8Array(300));
    stream.arrive(900);
    stream.send(new Uint8Array(200));
    expect(networkMetrics()).toMatchObject({ bytesIn: 1_000, bytesOut: 300 });
    expect(protocolMetrics()).toEqual([
      { protocol: '/a/1', bytesIn: 900, bytesOut: 200, streams: 1, openStreams: 1 },
    ]);
    const text = await prometheus();
    expect(startingWith(text, 'lloom_network_bytes')).toEqual({
      'lloom_network_bytes_total{direction="in"}': 1_000,
      'lloom_network_bytes_total{direction="out"}': 300,
    });
    expect(startingWith(text, 'lloom_protocol')).toEqual({
      'lloom_protocol_bytes_total{protocol="/a/1",direction="in"}': 900,
      'lloom_protocol_bytes_total{protocol="/a/1",direction="out"}': 200,
      'lloom_protocol_streams_total{protocol="/a/1",direction="inbound"}': 1,
      'lloom_protocol_streams_total{protocol="/a/1",direction="outbound"}': 0,
      'lloom_protocol_open_streams{protocol="/a/1"}': 1,
    });
  });

  it('are not counted twice where a connection runs through a relay, whose connection is counted', () => {
    const { libp2p, networkMetrics } = createFigures();
    const relayed = createStream({ address: '/ip4/127.0.0.1/tcp/1/p2p-circuit' });
    libp2p.trackMultiaddrConnection(relayed);
    relayed.arrive(1_000);
    expect(networkMetrics().bytesIn).toBe(0);
  });

  it('are not counted twice when they are handed out, given back, and handed out again', () => {
    const { libp2p, networkMetrics } = createFigures();
    const connection = createStream();
    libp2p.trackMultiaddrConnection(connection);
    connection.arrive(100);
    connection.unshift(new Uint8Array(60));
    connection.arrive(20);
    connection.arrive(90);
    expect(networkMetrics().bytesIn).toBe(150);
    expect(connection.givenBack).toHaveLength(1);
  });

  it('that a stream refuses are not counted, and its error is what the caller gets', () => {
    const { libp2p, protocolMetrics } = createFigures();
    const stream = createStream();
    libp2p.trackProtocolStream(stream);
    stream.end();
    expect(() => stream.send(new Uint8Array(1))).toThrow('Cannot write to a stream that is closed');
    expect(protocolMetrics()[0]).toMatchObject({ bytesOut: 0 });
  });

  it('reach whom they are for, with the answers that those give', () => {
    const { libp2p } = createFigures();
    const stream = createStream();
    libp2p.trackProtocolStream(stream);
    const heard: number[] = [];
    stream.addEventListener('message', (event) => heard.push((event as StreamMessageEvent).data.byteLength));
    const data = new Uint8Array(1);
    expect(stream.arrive(5)).toBe(true);
    expect([stream.send(data), stream.send(data), stream.send(data)]).toEqual([true, true, false]);
    expect(heard).toEqual([5]);
    expect(stream.sent).toEqual([data, data, data]);
  });
});

describe('streams', () => {
  it('are open until they are closed, which counts once', () => {
    const { libp2p, protocolMetrics } = createFigures();
    const streams = [createStream(), createStream({ direction: 'inbound' })];
    for (const stream of streams) libp2p.trackProtocolStream(stream);
    streams[0]?.end();
    streams[0]?.end();
    expect(protocolMetrics()[0]).toMatchObject({ streams: 2, openStreams: 1 });
  });

  it('that were closed before they could be counted are not open', () => {
    const { libp2p, protocolMetrics } = createFigures();
    const stream = createStream();
    stream.end();
    libp2p.trackProtocolStream(stream);
    stream.end();
    expect(protocolMetrics()[0]).toMatchObject({ streams: 1, openStreams: 0 });
  });

  it('of more protocols than can be told apart count as other', async () => {
    const { libp2p, prometheus, protocolMetrics } = createFigures({ maxLabelSets: 16 });
    for (let at = 0; at < 50; at++) {
      const stream = createStream({ protocol: `/p/${at}` });
      libp2p.trackProtocolStream(stream);
      stream.arrive(1);
    }
    expect(protocolMetrics()).toHaveLength(8);
    expect(protocolMetrics()[0]).toMatchObject({ protocol: 'other', bytesIn: 43, streams: 43 });
    const samples = startingWith(await prometheus(), 'lloom_');
    expect(samples).toMatchObject({
      'lloom_protocol_bytes_total{protocol="other",direction="in"}': 43,
      lloom_metrics_label_sets_dropped_total: 43,
    });
  });

  it('are listed by what they cost, the dearest first', () => {
    const { libp2p, protocolMetrics } = createFigures();
    for (const [protocol, bytes] of [
      ['/a', 1],
      ['/b', 3],
      ['/c', 2],
    ] as const) {
      const stream = createStream({ protocol });
      libp2p.trackProtocolStream(stream);
      stream.arrive(bytes);
    }
    expect(protocolMetrics().map(({ protocol }) => protocol)).toEqual(['/b', '/c', '/a']);
  });
});
