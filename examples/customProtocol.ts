// A protocol of one's own, with a codec of one's own, over `@lloom/rpc` alone: an auction between plain libp2p nodes. No keys of
// Lloom, no DHT, no gossip; deadlines, refusals and bounds come along.
import assert from 'node:assert/strict';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { Refusal, rpc, RpcError, type Codec, type CustomProtocol } from '@lloom/rpc';
import { createLibp2p } from 'libp2p';

interface Bid {
  readonly lot: string;
  readonly amount: bigint;
}
interface Standing {
  readonly highest: bigint;
  readonly isYours: boolean;
}

/** Eight bytes of the amount, then the name of the lot. What is none throws, and the handler never sees it. */
const bidCodec: Codec<Bid> = {
  encode({ lot, amount }) {
    const bytes = Buffer.alloc(8 + Buffer.byteLength(lot));
    bytes.writeBigUInt64BE(amount);
    bytes.write(lot, 8);
    return bytes;
  },
  decode(bytes) {
    if (bytes.length < 9 || bytes.length > 72)
      throw new RangeError(`a bid has 9 to 72 bytes, not ${bytes.length}`);
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { amount: buffer.readBigUInt64BE(), lot: buffer.toString('utf8', 8) };
  },
};

const standingCodec: Codec<Standing> = {
  encode({ highest, isYours }) {
    const bytes = Buffer.alloc(9);
    bytes.writeBigUInt64BE(highest);
    bytes.writeUInt8(Number(isYours), 8);
    return bytes;
  },
  decode(bytes) {
    if (bytes.length !== 9) throw new RangeError(`a standing has 9 bytes, not ${bytes.length}`);
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { highest: buffer.readBigUInt64BE(), isYours: buffer[8] === 1 };
  },
};

const auction: CustomProtocol<Bid, Standing> = {
  protocolName: '/example/auction/1.0.0',
  request: bidCodec,
  response: standingCodec,
};

const createNode = () =>
  createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      // Nobody bids more than three times a minute.
      rpc: rpc({ rateLimits: { [auction.protocolName]: { requests: 3, perMs: 60_000 } } }),
    },
  });

const [house, ann, bob] = [await createNode(), await createNode(), await createNode()];
try {
  const lots = new Map([['loom', { highest: 100n, bidder: '' }]]);
  await house.services.rpc.addProtocol({
    ...auction,
    handleRequest: (peerId, { lot, amount }) => {
      const standing = lots.get(lot);
      if (standing === undefined) throw new Refusal('INVALID_REQUEST', `there is no lot "${lot}"`);
      if (amount > standing.highest) lots.set(lot, { highest: amount, bidder: peerId });
      const { highest, bidder } = lots.get(lot)!;
      return { highest, isYours: bidder === peerId };
    },
  });

  for (const bidder of [ann, bob]) await bidder.dial(house.getMultiaddrs());
  const bid = (bidder: typeof ann, lot: string, amount: bigint) =>
    bidder.services.rpc.callProtocol(house.peerId, auction, { lot, amount }, { timeoutMs: 5_000 });

  console.log(await bid(ann, 'loom', 120n));
  console.log(await bid(bob, 'loom', 150n));
  assert.deepEqual(await bid(ann, 'loom', 130n), { highest: 150n, isYours: false });

  const refusal = async (answer: Promise<unknown>): Promise<RpcError> => {
    const error = await answer.catch((reason: unknown) => reason);
    if (!RpcError.is(error)) throw error;
    console.log(`${error.code}: ${error.message}`, error.data);
    return error;
  };
  assert.equal((await refusal(bid(bob, 'spindle', 1n))).code, 'INVALID_REQUEST');
  assert.equal((await refusal(bid(bob, 'x'.repeat(65), 1n))).code, 'INVALID_REQUEST');
  // Bob's fourth within a minute; `data.retryAfterMs` says when to come back.
  const hasty = await refusal(bid(bob, 'loom', 200n));
  assert.ok(RpcError.is(hasty, 'RATE_LIMITED') && hasty.retryable);
} finally {
  await Promise.all([ann.stop(), bob.stop(), house.stop()]);
}
