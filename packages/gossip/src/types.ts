import type { GossipMessage } from '@lloom/codec';
import type { EventIterable } from '@lloom/core';

/** The topics of the network, by the specification's names. */
export const GossipTopic = Object.freeze({
  /** Executors that come and go: `executorAvailable`, `executorOffline`. */
  ExecutorAnnouncements: 'lloom/executor-announcements',
  /** What nodes see of the network: `networkMetrics`. */
  NetworkStatus: 'lloom/network-status',
  /** Prices that change: `priceUpdate`. */
  PriceUpdates: 'lloom/price-updates',
});

/** The name of a topic of the network. */
export type GossipTopic = (typeof GossipTopic)[keyof typeof GossipTopic];

/** What a receiver makes of a message: pass it on, drop it, or drop it and blame who sent it. */
export type Verdict = 'accept' | 'ignore' | 'reject';

type WithoutStamp<T> = T extends unknown
  ? Omit<T, 'timestampMs' | 'sequence' | 'peerId'> & OwnPeer<T>
  : never;
type OwnPeer<T> = T extends { readonly peerId: string } ? { readonly peerId?: string } : unknown;

/**
 * A message as it is published: the service adds `timestampMs` and `sequence`. Where a message names a peer, it is this
 * node: `peerId` may be left out, and is refused when it names another.
 */
export type GossipMessageInput = WithoutStamp<GossipMessage>;

/** How the values of a topic become bytes. */
export interface TopicCodec<T> {
  /** At most `maxMessageBytes`. */
  encode(value: T): Uint8Array;
  /** Throws on bytes that are none of its values: the message is rejected. */
  decode(bytes: Uint8Array): T;
}

/** Where a value came from. */
export interface MessageContext {
  /** Who signed it. Where unsigned messages are admitted: who handed it over. */
  readonly peerId: string;
  /** The neighbour that handed it over; often not the one who signed. */
  readonly receivedFrom: string;
  /** Fires when the verdict is not waited for any more. */
  readonly signal: AbortSignal;
}

/**
 * Judges a value before it is passed on or shown. `reject` blames the neighbour that handed it over, so keep it for what
 * no honest node passes on; what is only unknown, late or unwanted here is `ignore`. A throw ignores.
 */
export type TopicValidator<T> = (value: T, context: MessageContext) => Verdict | Promise<Verdict>;

/** How a topic of one's own is made. */
export interface TopicConfig<T> {
  /** @default the bytes themselves */
  readonly codec?: TopicCodec<T>;
  /** @default everything is accepted */
  readonly validate?: TopicValidator<T>;
  /** Whether its messages are not told as `message:received`: `validate` and `messages()` have them. @default false */
  readonly isQuiet?: boolean;
}

/** A value that came on a topic of one's own. */
export interface TopicMessage<T> {
  /** Who signed it. */
  readonly peerId: string;
  readonly topic: string;
  readonly value: T;
}

/** How to wait for somebody to publish to. */
export interface PublishConfig {
  /** Gives up. A message that was sent already stays sent. */
  readonly signal?: AbortSignal;
  /** How long to wait for a peer of the topic, in ms. 0 does not wait. @default `publishTimeoutMs` of the service */
  readonly timeoutMs?: number;
}

/** What became of a published message. */
export interface PublishReceipt {
  /** Hex; the same at every node. */
  readonly messageId: string;
  /** The neighbours it was handed to, at least one. That they were online, not that they read it. */
  readonly recipients: readonly string[];
}

/** How to read a topic. */
export interface MessagesConfig {
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
  /** How many values wait for a slow reader before the oldest is dropped. @default 1_000 */
  readonly limit?: number;
}

/** A topic of one's own. */
export interface Topic<T> {
  readonly name: string;
  /** {@link Gossip.subscribeTopic} */
  subscribe(): Promise<void>;
  /** {@link Gossip.unsubscribeTopic} */
  unsubscribe(): Promise<void>;
  /** {@link Gossip.publishMessage} */
  publish(value: T, config?: PublishConfig): Promise<PublishReceipt>;
  /**
   * The values of others from now on, each once. Ends with its signal, with `return()`, when the topic is unsubscribed, and
   * when the service stops.
   * @throws {GossipError} `NOT_SUBSCRIBED`, `STOPPED`
   * @throws {ConfigError} when `config` cannot be used
   */
  messages(config?: MessagesConfig): EventIterable<TopicMessage<T>>;
}

/** A topic, by its name or as it was made. */
export type TopicLike = string | Pick<Topic<never>, 'name'>;

/** How many neighbours a node keeps in the mesh of each topic. */
export interface MeshSize {
  /** How many it aims at: the specification's D. */
  readonly target: number;
  /** More than this are pruned: D_hi. */
  readonly high: number;
}

/** Why messages may not arrive. */
export type DegradedReason =
  /** No connected peer is subscribed to the topic. */
  | 'NO_PEERS'
  /** Peers are subscribed, and none is in the mesh: messages come late, by hearsay. */
  | 'NO_MESH'
  /** Few peers are in the mesh although there are more. */
  | 'THIN_MESH'
  /** More messages come than can be validated: some are dropped unseen. */
  | 'OVERLOADED'
  /** The clocks of others differ from this node's: each takes the other's messages for old. */
  | 'CLOCK_SKEW';

/** Why a message was not passed on. */
export type DropReason =
  /** Not decodable, or not of its topic. Rejected. */
  | 'malformed'
  /** Names another peer than the one who signed. Rejected. */
  | 'impostor'
  /** Larger than `maxMessageBytes`. Rejected. */
  | 'tooLarge'
  /** From further in the past or the future than `maxMessageAgeMs`. Ignored. */
  | 'stale'
  /** Of a sequence that was there already, or is older than all that are remembered. Ignored. */
  | 'replayed'
  /**
   * The author says more than it may: ignored, and held against the author where it hands the message over itself. Or the
   * neighbour hands over more than 64 authors may say: ignored.
   */
  | 'tooMany'
  /** Of a kind that this version does not know. Ignored. */
  | 'unknownKind'
  /** Too many wait for their validation. Ignored. */
  | 'overload'
  /** The validator took too long, or threw. Ignored. */
  | 'unjudged'
  /** The validator's own verdicts. */
  | 'ignored'
  | 'rejected';

/** Where a subscription stands. */
export type SubscriptionState = 'joining' | 'healthy' | 'thinning' | 'degraded' | 'left';

/** One topic as it stands. */
export interface TopicSnapshot {
  readonly topic: string;
  readonly state: SubscriptionState;
  /** Why it is degraded. */
  readonly reason?: DegradedReason;
  /** Connected peers that have subscribed to it. */
  readonly topicPeers: number;
  /** Those of them that messages are exchanged with at once. */
  readonly meshPeers: number;
}

/** The service as it stands. */
export interface GossipSnapshot {
  readonly running: boolean;
  readonly topics: readonly TopicSnapshot[];
  /** Alarms of the whole node. */
  readonly alarms: readonly DegradedReason[];
  /** Messages of others that were accepted, and that were dropped by reason, since the start of the process. */
  readonly accepted: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Further copies of messages that were here already: what meshes spend so that nobody is missed. */
  readonly duplicates: number;
  /** Published messages that wait for a peer. */
  readonly pendingPublishes: number;
  /** Messages that are being validated. */
  readonly pendingValidations: number;
}

/** What the score of a neighbour is made of; docs/protocol/gossip.md says how. */
export interface PeerScore {
  readonly peerId: string;
  /** Below 0 it leaves the meshes, below -10 hearsay of it is ignored, below -50 it is sent nothing of ours, below -80 it is not heard at all. */
  readonly score: number;
  /** What the application holds of it: the port `score` less its demerits, and -150 where that comes to -100. */
  readonly application: number;
  /** Broken promises and hasty grafts. */
  readonly behaviour: number;
  /** Too many peers at its address. */
  readonly colocation: number;
  /** By topic: time in the mesh, first deliveries, invalid messages. */
  readonly topics: Readonly<
    Record<string, { readonly meshTime: number; readonly firstDeliveries: number; readonly invalid: number }>
  >;
}
