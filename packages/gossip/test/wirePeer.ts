import { RPC } from '@libp2p/gossipsub/message';
import { identify } from '@libp2p/identify';
import type { PrivateKey, Stream } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { createLibp2p } from 'libp2p';
import { Frames } from '../src/adapters/frames.ts';
import type { Internals } from '../src/adapters/internals.ts';
import { bytesToSign, messageOf, type WireMessage } from '../src/adapters/wireMessage.ts';
import { connect, createRouterNode, keyOf, serviceOf, type AnyNode, type RouterNode } from './routerNodes.ts';

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

/** The topic of the node that a wire peer meets. */
export const topic = 'topic';

/** The inside of a node. */
export const internals = (network: TestNetwork<AnyNode>, name = 'ours'): Internals =>
  serviceOf(network, name).router.pubsub as unknown as Internals;

/** One node of ours, and one that says what a test wants, connected; ours is subscribed. */
export async function meet(
  createNetwork: (config: never) => Promise<unknown>,
  fidelity: 'fast' | 'wire' = 'fast',
) {
  const config = {
    nodes: ['ours', 'peer'],
    fidelity,
    createNode: (host: SimHost) => (host.name === 'ours' ? createRouterNode(host) : createWirePeer(host)),
  };
  const network = (await createNetwork(config as never)) as TestNetwork<RouterNode | WirePeer>;
  const peer = network.node('peer') as WirePeer;
  const nodes = network as unknown as TestNetwork<AnyNode>;
  const { router, watcher } = serviceOf(nodes, 'ours');
  router.subscribe(topic);
  await connect(nodes, ['peer', 'ours']);
  await network.run(() => peer.open());
  return { network, peer, router, watcher, nodes, gossipsub: internals(nodes) };
}

/** A control message of one kind. */
export const control = (kinds: Partial<RPC.ControlMessage>): Partial<RPC> => ({
  control: { ihave: [], iwant: [], graft: [], prune: [], idontwant: [], ...kinds },
});

/** A field with a length. */
export const field = (tag: number, value: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from([tag]), framed(value)]);

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
  const { data = Buffer.from('hello'), seqno = 1n, isForged = false } = flaws;
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(seqno);
  const parts = {
    topic: flaws.topic ?? topic,
    data,
    from: peerIdFromPrivateKey(key).toMultihash().bytes,
    seqno: number,
  };
  const signature = Buffer.from(await key.sign(bytesToSign(parts)));
  if (isForged) signature[signature.length - 1]! ^= 1;
  return messageOf({ ...parts, signature });
}
