import type { GossipSub } from '@libp2p/gossipsub';
import type { RPC } from '@libp2p/gossipsub/message';
import type { PeerScoreParams } from '@libp2p/gossipsub/score';
import type { Connection, PeerId, Stream } from '@libp2p/interface';
import type { MeshParameters } from '../internal/meshSize.ts';
import type { MessageCache } from './messageCache.ts';
import type { WireMessage } from './wireMessage.ts';

/** The version whose inside is known. */
export const wantedVersion = '17.1.1';

/** A stream to a neighbour, as gossipsub uses it. */
export interface OutboundStream {
  readonly protocol: string;
  push(rpc: Uint8Array): void;
  pushPrefixed(frame: Uint8Array | { subarray(): Uint8Array }): void;
  close(): Promise<void>;
}

/** What gossipsub counts for a neighbour and a topic. */
export interface TopicStats {
  readonly inMesh: boolean;
  readonly meshTime: number;
  readonly firstMessageDeliveries: number;
  readonly invalidMessageDeliveries: number;
}

/** And for a neighbour. */
export interface PeerStats {
  connected: boolean;
  expire: number;
  readonly topics: Record<string, TopicStats>;
  readonly knownIPs: Set<string>;
  readonly behaviourPenalty: number;
}

/** The part of gossipsub that keeps score. */
export interface Score {
  readonly params: PeerScoreParams;
  readonly peerStats: Map<string, PeerStats>;
  readonly peerIPs: Map<string, Set<string>>;
  readonly scoreCache: Map<string, unknown>;
  readonly deliveryRecords: {
    readonly records: Map<string, unknown>;
    readonly queue: { shift(): { readonly msgId: string } | undefined };
  };
  addPeer(id: string): void;
  addPenalty(id: string, penalty: number, label: string): void;
  score(id: string): number;
  prune(id: string, topic: string): void;
  rejectInvalidMessage(from: string, topic: string): void;
  rejectMessage(from: string, id: string, topic: string, reason: 'ignore' | 'reject'): void;
  validateMessage(id: string): void;
  deliverMessage(from: string, id: string, topic: string): void;
}

/** What of gossipsub is read or replaced, most of it private there. */
export interface Internals extends Omit<GossipSub, 'publish'> {
  readonly opts: MeshParameters & {
    readonly heartbeatInterval: number;
    readonly pruneBackoff: number;
    readonly graftFloodThreshold: number;
    readonly idontwantMinDataSize: number;
  };
  readonly status: { readonly heartbeatTimeout?: ReturnType<typeof setTimeout> };
  readonly peers: Map<string, PeerId>;
  readonly streamsInbound: Map<string, { close(): Promise<void> }>;
  readonly streamsOutbound: Map<string, OutboundStream>;
  readonly topics: Map<string, Set<string>>;
  readonly subscriptions: Set<string>;
  readonly mesh: Map<string, Set<string>>;
  readonly direct: Set<string>;
  readonly gossip: Map<string, RPC.ControlIHave[]>;
  readonly control: Map<string, RPC.ControlMessage>;
  readonly backoff: Map<string, Map<string, number>>;
  readonly idontwants: Map<string, Map<string, number>>;
  readonly seenCache: {
    readonly entries: Map<string, unknown>;
    has(id: string): boolean;
    put(id: string): void;
  };
  readonly mcache: MessageCache;
  readonly score: Score;
  readonly gossipTracer: {
    deliverMessage(id: string, isDuplicate?: boolean): void;
    rejectMessage(id: string, reason: 'ignore' | 'reject'): void;
  };

  start(): Promise<void>;
  stop(): Promise<void>;
  isStarted(): boolean;
  getMeshPeers(topic: string): string[];
  subscribe(topic: string): void;
  acceptFrom(id: string): boolean;
  handleReceivedRpc(from: PeerId, rpc: RPC): Promise<void>;
  handleControlMessage(id: string, control: RPC.ControlMessage): Promise<void>;
  handleGraft(id: string, graft: RPC.ControlGraft[]): Promise<RPC.ControlPrune[]>;
  handlePrune(id: string, prune: RPC.ControlPrune[]): Promise<void>;
  clearBackoff(): void;
  doAddBackoff(id: string, topic: string, ms: number): void;
  addBackoff(id: string, topic: string): void;
  selectPeersToForward(topic: string, source?: string, exclude?: Set<string>): Set<string>;
  selectPeersToPublish(topic: string, floodPublish?: boolean): { readonly tosend: Set<string> };
  sendSubscriptions(id: string, topics: string[], subscribe: boolean): void;
  sendIDontWants(id: Uint8Array, topic: string, source: string): void;
  sendRpc(id: string, rpc: OutgoingRpc): boolean;
  piggybackControl(id: string, rpc: OutgoingRpc, control: RPC.ControlMessage): void;
  forwardMessage(id: string, message: WireMessage, source?: string, exclude?: Set<string>): void;
  createOutboundStream(peerId: PeerId, connection: Connection): Promise<void>;
  createInboundStream(peerId: PeerId, stream: Stream): void;
  onPeerConnected(peerId: PeerId, connection: Connection): void;
  onPeerDisconnected(peerId: PeerId): void;
  removePeer(peerId: PeerId): void;
  publish(topic: string, data: Uint8Array, opts?: PublishOpts): Promise<{ recipients: PeerId[] }>;
}

/** An RPC as gossipsub hands it over to be sent; its messages come out of the cache. */
export interface OutgoingRpc {
  readonly subscriptions: RPC['subscriptions'];
  readonly messages: WireMessage[];
  control?: RPC.ControlMessage | undefined;
}

/** How a user of the raw service may publish. */
export interface PublishOpts {
  readonly allowPublishToZeroTopicPeers?: boolean;
  readonly floodPublish?: boolean;
}

const maps = [
  ...[
    'peers',
    'streamsInbound',
    'streamsOutbound',
    'topics',
    'mesh',
    'gossip',
    'control',
    'backoff',
    'idontwants',
  ],
  ...[
    'seenCache.entries',
    'score.peerStats',
    'score.peerIPs',
    'score.scoreCache',
    'score.deliveryRecords.records',
  ],
];
const sets = ['subscriptions', 'direct'];
const objects = [
  'opts',
  'status',
  'mcache',
  'score.params',
  'score.params.topics',
  'score.deliveryRecords.queue',
];
const methods = [
  ...[
    'start',
    'stop',
    'isStarted',
    'getMeshPeers',
    'subscribe',
    'publish',
    'acceptFrom',
    'handleReceivedRpc',
  ],
  ...[
    'handleControlMessage',
    'handleGraft',
    'handlePrune',
    'clearBackoff',
    'doAddBackoff',
    'addBackoff',
    'selectPeersToForward',
  ],
  ...[
    'selectPeersToPublish',
    'sendSubscriptions',
    'sendIDontWants',
    'sendRpc',
    'piggybackControl',
    'forwardMessage',
  ],
  ...[
    'createOutboundStream',
    'createInboundStream',
    'onPeerConnected',
    'onPeerDisconnected',
    'removePeer',
    'safeDispatchEvent',
  ],
  ...[
    'seenCache.has',
    'seenCache.put',
    'gossipTracer.deliverMessage',
    'gossipTracer.rejectMessage',
    'score.addPeer',
    'score.addPenalty',
  ],
  ...[
    'score.score',
    'score.prune',
    'score.rejectInvalidMessage',
    'score.rejectMessage',
    'score.validateMessage',
  ],
  ...['score.deliverMessage', 'score.deliveryRecords.queue.shift'],
];

/**
 * The inside of a gossipsub service.
 * @throws {Error} when it is not the one that is known, naming the version that is
 */
export function internalsOf(pubsub: GossipSub): Internals {
  const check = (paths: readonly string[], isRight: (value: unknown) => boolean): void => {
    for (const path of paths) {
      let value: unknown = pubsub;
      for (const name of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[name];
      if (!isRight(value))
        throw new Error(
          `Cannot use this @libp2p/gossipsub: "${path}" is not there; want version ${wantedVersion}`,
        );
    }
  };
  check(maps, (value) => value instanceof Map);
  check(sets, (value) => value instanceof Set);
  check(objects, (value) => typeof value === 'object' && value !== null);
  check(methods, (value) => typeof value === 'function');
  return pubsub as unknown as Internals;
}
