import { createHash } from 'node:crypto';
import { publicKeyToProtobuf } from '@libp2p/crypto/keys';
import {
  gossipsub,
  type GossipSub,
  type GossipSubComponents,
  type GossipsubOpts,
  type Message,
} from '@libp2p/gossipsub';
import type { ResolvedConfig } from '../config.ts';
import { maxTopics } from '../internal/bounds.ts';
import { meshParameters } from '../internal/meshSize.ts';
import { peerScore, scoreThresholds } from '../internal/scoring.ts';
import { LocalAddresses } from './localPeers.ts';
import { idText, MessageCache } from './messageCache.ts';
import { maxRpcBytes } from './wireRpc.ts';

/** Hearsay goes to everybody outside the mesh, once: whoever knows one node only misses nothing. What is not taken is kept. */
const gossipedHeartbeats = 1;
/** For so many heartbeats a message can be asked for: who comes is told of those of the latest five. */
const keptHeartbeats = 7;
/** A neighbour may have as many topics as this node, with the longest names: gossipsub counts 1 KiB for each, and its name. */
const maxTopicBytes = maxTopics * (1_024 + 256);
/**
 * From this size on neighbours are told at once that a message is there, so that they do not send it. At 1 KiB that was
 * measured to save no time, and is a write more for each message and neighbour; and what is queued for a neighbour that
 * turns out to have it is not sent anyway.
 */
const idontwantMinDataSize = 16 * 1024;

/** gossipsub, by the options that it has. */
export function createPubsub(
  components: GossipSubComponents,
  { config, scoreOf }: { readonly config: ResolvedConfig; readonly scoreOf: (peerId: string) => number },
): GossipSub {
  const scoreParams: GossipsubOpts['scoreParams'] = {
    ...peerScore,
    IPColocationFactorWhitelist: new LocalAddresses(),
    appSpecificScore: scoreOf,
  };
  const cache: unknown = new MessageCache(gossipedHeartbeats, keptHeartbeats);
  const create = gossipsub({
    globalSignaturePolicy: config.validationMode === 'anonymous' ? 'StrictNoSign' : 'StrictSign',
    fallbackToFloodsub: false,
    floodPublish: true,
    batchPublish: true,
    emitSelf: false,
    doPX: false,
    // A write to the peer store for every word of a neighbour: tags.ts does it when something changes.
    tagMeshPeers: false,
    ...meshParameters(config.meshSize),
    gossipFactor: 1,
    mcacheGossip: gossipedHeartbeats,
    mcacheLength: keptHeartbeats,
    messageCache: cache as NonNullable<GossipsubOpts['messageCache']>,
    heartbeatInterval: config.heartbeatIntervalMs,
    // Who comes back is let in again at once.
    unsubcribeBackoff: 1_000,
    maxInboundDataLength: maxRpcBytes,
    maxTopicBytesPerPeer: maxTopicBytes,
    idontwantMinDataSize,
    msgIdFn: messageId,
    msgIdToStrFn: idText,
    scoreParams,
    scoreThresholds,
  });
  return create(components);
}

/** The key of the author and its number, as in gossipsub of js-libp2p; of an anonymous message its hash. */
function messageId(message: Message): Uint8Array {
  if (message.type === 'unsigned') return createHash('sha256').update(message.data).digest();
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(message.sequenceNumber);
  return Buffer.concat([publicKeyToProtobuf(message.from.publicKey ?? message.key), number]);
}
