import type { Connection, Stream } from '@libp2p/interface';
import { afterEach, describe, expect, it } from 'vitest';

import { closeCauseOf } from '../src/internal/closeCause.ts';
import type { NetworkConnection } from '../src/ports.ts';
import {
  cleanUpAtOnce,
  connectionTo,
  createNetworkNode,
  dial,
  holdStreams,
  openGate,
  type NetworkNode,
} from './networkNodes.ts';
import { addressOf, createPlainNode, echo, echoProtocol, ended, idOf, nextLibp2pEvent } from './nodes.ts';

const pingProtocol = '/ipfs/ping/1.0.0';
const foreverMs = 20_000;
type OpenArguments = Parameters<Connection['newStream']>;

afterEach(cleanUpAtOnce);

/** Two nodes that are connected, and each one's view of the connection. */
async function connect(remoteOptions: Parameters<typeof createPlainNode>[0] = {}) {
  const own = await createNetworkNode();
  const remote = await createPlainNode(remoteOptions);
  // What is still being said when one side closes makes a proper end look like a cut.
  const areIdentified = [own.node, remote].map((node) => nextLibp2pEvent(node, 'peer:identify'));
  await dial(own, remote);
  await Promise.all(areIdentified);
  const [connection] = own.opened;
  if (connection === undefined) throw new Error('not told');
  return {
    own,
    remote,
    connection,
    raw: connectionTo(own.node, remote),
    back: connectionTo(remote, own.node),
  };
}

const later = (own: NetworkNode): number => (own.now += 500);

describe('the use of a connection', () => {
  it('is seen when a stream opens and ends between two looks, whoever opened it', async () => {
    const { own, remote, connection, raw, back } = await connect();
    await own.node.handle(echoProtocol, echo);
    await remote.handle(echoProtocol, echo);
    expect(connection.lastUsedAt).toBe(1_000);
    for (const from of [raw, back]) {
      const usedAt = later(own);
      const inbound = from === back ? await holdStreams(own.node, echoProtocol) : undefined;
      const stream = await from.newStream(echoProtocol);
      const other = await inbound?.();
      await Promise.all([stream.close(), other?.close()]);
      await Promise.all([ended(stream), other !== undefined && ended(other)]);
      expect(connection.isInUse).toBe(false);
      expect(connection.lastUsedAt).toBe(usedAt);
      later(own);
      expect(connection.lastUsedAt).toBe(usedAt);
    }
  });

  it('lasts for as long as a stream is open', async () => {
    const { own, remote, connection, raw, back } = await connect();
    const next = await holdStreams(own.node, echoProtocol);
    await remote.handle(echoProtocol, () => undefined);
    const outbound = await raw.newStream(echoProtocol);
    await back.newStream(echoProtocol);
    const inbound = await next();
    expect(connection.isInUse).toBe(true);
    outbound.abort(new Error('enough'));
    expect(connection.isInUse).toBe(true);
    const endedAt = later(own);
    inbound.abort(new Error('enough'));
    expect(connection.isInUse).toBe(false);
    expect(connection.lastUsedAt).toBe(endedAt);
  });

  it('begins when a stream is asked for, and ends when there will be none', async () => {
    const { own, connection, raw } = await connect();
    const opening = raw.newStream('/unknown/1.0.0');
    expect(connection.isInUse).toBe(true);
    const failedAt = later(own);
    await expect(opening).rejects.toMatchObject({ name: 'UnsupportedProtocolError' });
    expect(connection.isInUse).toBe(false);
    expect(connection.lastUsedAt).toBe(failedAt);
  });

  it('is none when a stream is of a background protocol, a ping, or names no protocol', async () => {
    const { own, remote, connection, raw, back } = await connect();
    const background = '/ipfs/anything/1.0.0';
    const next = await holdStreams(own.node, background);
    await remote.handle(background, () => undefined);
    later(own);
    await connection.ping(AbortSignal.timeout(foreverMs));
    const outbound = await raw.newStream([background, '/ipfs/other/1.0.0']);
    await back.newStream(background);
    const inbound = await next();
    const { muxer } = back as unknown as { readonly muxer: { createStream(): Promise<Stream> } };
    const before = raw.streams.length;
    await muxer.createStream();
    await connection.ping(AbortSignal.timeout(foreverMs));
    expect(raw.streams.filter(({ protocol }) => protocol === '').length).toBeGreaterThan(0);
    expect(raw.streams.length).toBeGreaterThan(before);
    expect(connection.isInUse).toBe(false);
    outbound.abort(new Error('enough'));
    inbound.abort(new Error('enough'));
    expect(connection.lastUsedAt).toBe(1_000);
  });

  it('is watched without a change for those who open streams', async () => {
    const { own, remote, raw } = await connect();
    await remote.handle(echoProtocol, () => undefined, { maxInboundStreams: 100 });
    // As libp2p makes it, it may be taken off its connection.
    const opener = raw as unknown as { newStream: (this: void, ...args: OpenArguments) => Promise<Stream> };
    const { newStream } = opener;
    const first = await newStream(['/unknown/1.0.0', echoProtocol], { maxOutboundStreams: 1 });
    expect(first).toMatchObject({ protocol: echoProtocol, status: 'open' });
    await expect(newStream(echoProtocol, { maxOutboundStreams: 1 })).rejects.toMatchObject({
      name: 'TooManyOutboundProtocolStreamsError',
    });
    const reason = new Error('not any more');
    await expect(newStream(echoProtocol, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    own.unwatch();
    expect(opener.newStream).not.toBe(newStream);
    expect(await raw.newStream(echoProtocol)).toMatchObject({ status: 'open' });
    expect(await newStream(echoProtocol)).toMatchObject({ status: 'open' });
  });
});

describe('a ping', () => {
  const ping = (connection: NetworkConnection, signal = AbortSignal.timeout(foreverMs)) =>
    connection.ping(signal);

  it('measures the round trip, for whoever looks at the connection', async () => {
    const { connection, raw } = await connect();
    const rtt = await ping(connection);
    expect(raw.rtt).toBe(rtt);
    expect(connection.info.rttMs).toBe(rtt);
  });

  it('is answered as well by a peer that does not know the protocol', async () => {
    const { remote, connection, raw } = await connect();
    await remote.unhandle(pingProtocol);
    expect(await ping(connection)).toBe(raw.rtt);
  });

  it('is answered as well by a peer that wants no more of them', async () => {
    const { remote, connection } = await connect();
    const refuse = (stream: Stream): void => stream.abort(new Error('too many'));
    await remote.handle(pingProtocol, refuse, { force: true });
    await expect(ping(connection)).resolves.toBeTypeOf('number');
  });

  it('is answered as well while another one is under way', async () => {
    const { remote, connection, raw } = await connect();
    const next = await holdStreams(remote, pingProtocol);
    await raw.newStream(pingProtocol);
    await next();
    await expect(ping(connection)).resolves.toBeTypeOf('number');
  });

  it('fails when nothing comes back in time, and leaves nothing open', async () => {
    const { remote, connection, raw } = await connect();
    const next = await holdStreams(remote, pingProtocol);
    const ending = new AbortController();
    const failing = ping(connection, ending.signal);
    const held = await next();
    ending.abort();
    await expect(failing).rejects.toThrow('aborted');
    await ended(held);
    expect(raw.streams.filter(({ protocol }) => protocol === pingProtocol)).toEqual([]);
    expect(connection.isOpen).toBe(true);
  });

  it('fails when something else comes back', async () => {
    const { remote, connection } = await connect();
    const lie = (stream: Stream): void => void stream.send(new Uint8Array(32));
    await remote.handle(pingProtocol, lie, { force: true });
    await expect(ping(connection)).rejects.toThrow('another answer');
  });

  it('leaves one stream open at most, whatever the peer does with its side', async () => {
    const { remote, connection, raw } = await connect();
    const answer = (stream: Stream): void => {
      stream.addEventListener('message', ({ data }) => void stream.send(data));
    };
    await remote.handle(pingProtocol, answer, { force: true, maxInboundStreams: 100 });
    for (let count = 0; count < 5; count += 1) await ping(connection);
    expect(raw.streams.filter(({ protocol }) => protocol === pingProtocol).length).toBeLessThanOrEqual(1);
  });

  it('ends a connection that carries nothing any more, because the peer has closed the muxer', async () => {
    const { own, connection, raw, back } = await connect();
    const { muxer } = back as unknown as { readonly muxer: { close(): Promise<void> } };
    const streams = raw as unknown as { readonly muxer: { readonly status: string } };
    const inbound = await holdStreams(own.node, echoProtocol);
    await back.newStream(echoProtocol);
    const stream = await inbound();
    void muxer.close().catch(() => undefined);
    await ended(stream).catch(() => undefined);
    stream.abort(new Error('enough'));
    while (streams.muxer.status === 'open') await ping(connection).catch(() => undefined);
    await ping(connection).catch(() => undefined);
    const [closed] = await own.closed();
    expect(closeCauseOf(closed?.error)).toMatchObject({ code: 'RESET' });
  });
});

describe('watching over connections', () => {
  it("ends libp2p's own pings, which abort what answers slowly, each time the node has started", async () => {
    const own = await createNetworkNode({ connectionMonitor: { pingInterval: 5 } });
    const remote = await createPlainNode();
    let pings = 0;
    let onPing = (): void => undefined;
    const answer = (stream: Stream): void => {
      pings += 1;
      echo(stream);
      onPing();
    };
    await remote.handle(pingProtocol, answer, { force: true, maxInboundStreams: 1_000 });
    for (let round = 0; round < 2; round += 1) {
      await dial(own, remote);
      await new Promise<void>((resolve) => (onPing = resolve));
      own.network.takeOverMonitoring();
      const connection = own.opened.at(-1);
      await connection?.ping(AbortSignal.timeout(foreverMs));
      const before = pings;
      for (let count = 0; count < 50; count += 1) await connection?.ping(AbortSignal.timeout(foreverMs));
      expect(pings).toBe(before + 50);
      await own.node.stop();
      await own.node.start();
    }
  });

  it('has nothing to end where there is no such thing', async () => {
    const { network } = await createNetworkNode({ connectionMonitor: { enabled: false } });
    expect(() => network.takeOverMonitoring()).not.toThrow();
  });
});

describe('limits', () => {
  it("are kept by the gate, not by libp2p's own total, which is beyond them", async () => {
    const own = await createNetworkNode();
    const limits = { maxConnections: 1, maxInboundConnections: 1, maxOutboundConnections: 1 };
    own.network.setLimits({
      ...limits,
      maxConnectionsPerPeer: 1,
      maxConnectionsPerIp: 1,
      maxPendingConnections: 1,
    });
    const { promise: refused, resolve: onRefused } = Promise.withResolvers<string>();
    let isFull = false;
    own.network.guard({
      ...openGate,
      refusesConnection: ({ peerId }) => {
        if (isFull) onRefused(peerId);
        return isFull ? 'full' : undefined;
      },
    });
    const others = await Promise.all([1, 2, 3].map(() => createPlainNode()));
    for (const other of others) {
      await other.dial(own.node.getMultiaddrs());
      await expect(connectionTo(other, own.node).newStream(pingProtocol)).resolves.toBeDefined();
    }
    expect(own.node.getConnections()).toHaveLength(3);
    isFull = true;
    const late = await createPlainNode();
    await late.dial(own.node.getMultiaddrs()).catch(() => undefined);
    expect(await refused).toBe(idOf(late));
  });
});

describe('a renewal', () => {
  it('opens a connection beside the one there is, at the address that has led there', async () => {
    const { own, remote } = await connect();
    await own.node.peerStore.delete(remote.peerId);
    await dial(own, remote, true);
    expect(own.node.getConnections(remote.peerId)).toHaveLength(2);
    expect(own.opened.map(({ info }) => info.remoteAddress)).toEqual([addressOf(remote), addressOf(remote)]);
  });

  it('looks up where the peer is when it has called itself', async () => {
    const own = await createNetworkNode();
    const remote = await createPlainNode();
    const identified = nextLibp2pEvent(own.node, 'peer:identify');
    await remote.dial(own.node.getMultiaddrs());
    await identified;
    await dial(own, remote, true);
    expect(own.opened.map(({ info }) => info.direction)).toEqual(['inbound', 'outbound']);
  });

  it('is what it takes: another dial gives the connection there is', async () => {
    const { own, remote } = await connect();
    await dial(own, remote);
    expect(own.node.getConnections(remote.peerId)).toHaveLength(1);
  });
});

describe('the end of a connection', () => {
  const socketOf = (connection: Connection): { destroy(): void; resetAndDestroy(): void } =>
    (connection as unknown as { maConn: { socket: { destroy(): void; resetAndDestroy(): void } } }).maConn
      .socket;

  it.each([
    ['the peer closes it', [undefined], ({ back }) => void back.close()],
    ['this node closes it', [undefined], ({ connection }) => void connection.close()],
    ['the peer aborts it', ['RESET'], ({ back }) => back.abort(new Error('go away'))],
    // Which of the two, the system decides: it resets what the peer has not read.
    ['the program of the peer dies', [undefined, 'RESET'], ({ back }) => socketOf(back).destroy()],
    ['the network cuts it', ['RESET'], ({ back }) => socketOf(back).resetAndDestroy()],
    ['libp2p finds it dead', ['TIMEOUT'], ({ raw }) => raw.abort(new DOMException('late', 'TimeoutError'))],
    ['libp2p gives it up for another reason', ['ERROR'], ({ raw }) => raw.abort(new Error('pruned'))],
  ] as const satisfies readonly (readonly [
    string,
    readonly (string | undefined)[],
    (sides: { raw: Connection; back: Connection; connection: NetworkConnection }) => void,
  ])[])('is told with what is known: %s', async (_, codes, end) => {
    const sides = await connect();
    end(sides);
    const [closed] = await sides.own.closed();
    expect(closed?.connection).toBe(sides.connection);
    expect(codes).toContain(closeCauseOf(closed?.error)?.code);
  });
});
