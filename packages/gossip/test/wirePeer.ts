import { RPC } from '@libp2p/gossipsub/message';
import { identify } from '@libp2p/identify';
import type { PrivateKey, Stream } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { SimHost } from '@lloom/simkit';
import { createLibp2p } from 'libp2p';
import { Frames } from '../src/adapters/frames.ts';
import { bytesToSign, messageOf, type WireMessage } from '../src/adapters/wireMessage.ts';
import { keyOf } from './routerNodes.ts';

export const protocol = '/meshsub/1.1.0';

/** A node that speaks gossipsub word by word, as a test wants. */
export async function createWirePeer(host: SimHost) {
  const heard: RPC[] = [];
  const inbound: Stream[] = [];
  const node = await createLibp2p({
    privateKey: await keyOf(host, 'Ed25519'),
    addresses: { listen: [host.address] },
    ...host.stack,
    connectionMonitor: { enabled: false },
    services: { identify: identify() },
  });
  let isReading = true;
  await node.handle(protocol, (stream) => {
    const frames = new Frames(64 * 1024 * 1024);
    inbound.push(stream);
    if (!isReading) return stream.pause();
    stream.addEventListener('message', ({ data }) => {
      frames.push(data);
      for (let frame = frames.next(); frame !== undefined; frame = frames.next())
        heard.push(RPC.decode(frame));
    });
  });
  let stream: Stream | undefined;
  return Object.assign(node, {
    heard,
    inbound,
    readNothing: () => {
      isReading = false;
    },
    /** Reads what was kept back, too. */
    readAgain: () => {
      isReading = true;
      for (const kept of inbound) {
        if (kept.status !== 'open') continue;
        const frames = new Frames(64 * 1024 * 1024);
        kept.addEventListener('message', ({ data }) => {
          frames.push(data);
          for (let frame = frames.next(); frame !== undefined; frame = frames.next())
            heard.push(RPC.decode(frame));
        });
        kept.resume();
      }
    },
    open: async (): Promise<Stream> => {
      const [connection] = node.getConnections();
      stream = await connection!.newStream(protocol);
      return stream;
    },
    say: (rpc: Partial<RPC>): void => {
      stream!.send(framed(RPC.encode({ subscriptions: [], messages: [], ...rpc })));
    },
    sayFrames: (...frames: readonly Uint8Array[]): void => {
      stream!.send(Buffer.concat(frames));
    },
  });
}

export type WirePeer = Awaited<ReturnType<typeof createWirePeer>>;

/** With its length before it. */
export function framed(bytes: Uint8Array): Uint8Array {
  const header: number[] = [];
  let rest = bytes.length;
  for (; rest >= 0x80; rest >>>= 7) header.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...header, rest]), bytes]);
}

/** How a message differs from a good one. */
export interface Flaws {
  readonly topic?: string;
  readonly data?: Uint8Array;
  readonly seqno?: bigint;
  readonly isForged?: boolean;
}

/** A message as a node of that key would write it. */
export async function signedMessage(key: PrivateKey, flaws: Flaws = {}): Promise<WireMessage> {
  const { topic = 'topic', data = Buffer.from('hello'), seqno = 1n, isForged = false } = flaws;
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(seqno);
  const parts = { topic, data, from: peerIdFromPrivateKey(key).toMultihash().bytes, seqno: number };
  const signature = Buffer.from(await key.sign(bytesToSign(parts)));
  if (isForged) signature[signature.length - 1]! ^= 1;
  return messageOf({ ...parts, signature });
}
