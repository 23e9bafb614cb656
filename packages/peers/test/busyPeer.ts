// A peer whose program computes for a while, when its parent says so: nothing is answered meanwhile.
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';

/** What a parent asks for: to compute from the next ping of that peer on. */
export interface Busy {
  readonly atPingOf: string;
  readonly forMs: number;
}

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  // It is the others who are looked at.
  connectionMonitor: { enabled: false },
});

let wanted: Busy | undefined;

await node.handle('/ipfs/ping/1.0.0', (stream, connection) => {
  stream.addEventListener('message', ({ data }) => void stream.send(data));
  stream.addEventListener('remoteCloseWrite', () => void stream.close());
  if (wanted?.atPingOf !== connection.remotePeer.toString()) return;
  const { forMs } = wanted;
  wanted = undefined;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
  process.send?.('done');
});

process.on('message', (busy: Busy) => {
  wanted = busy;
});
process.on('disconnect', () => process.exit());
process.send?.(node.getMultiaddrs()[0]?.toString());
