import type { GossipSub } from '@libp2p/gossipsub';
import type { PrivateKey, PublicKey } from '@libp2p/interface';
import type { Clock, CommonPorts, Inspector, Meter, Random } from '@lloom/core';
import type { MeshSize, PeerScore, Verdict } from './types.ts';

/** What the gossip service may be given from outside. */
export interface GossipPorts extends CommonPorts {
  /** Signs and proves messages faster than libp2p does. @default Node's own cryptography */
  readonly keys?: MessageKeys;
  /** Opens connections to peers of a topic. @default libp2p's connection manager */
  readonly dialer?: Dialer;
  /** Finds peers that may be subscribed to a topic. @default peers that the node has heard of, then a random place of the DHT; they are asked beside the port as well */
  readonly topicPeers?: TopicPeerSource;
  /** What the application holds of a peer. @default 0 of everybody */
  readonly score?: ScoreSource;
  /** Told of what peers do. @default nobody is told */
  readonly reputation?: ReputationSink;
}

/** Makes fast signers and verifiers of single keys. Filled by `@lloom/identity`. */
export interface MessageKeys {
  /** Signs as `PrivateKey.sign` of libp2p does, to the byte format; `undefined` for keys that it does not know. */
  signerOf(key: PrivateKey): ((bytes: Uint8Array) => Uint8Array) | undefined;
  /** Accepts what `PublicKey.verify` of libp2p accepts, and never throws; `undefined` for keys that it does not know. */
  verifierOf(key: PublicKey): ((bytes: Uint8Array, signature: Uint8Array) => boolean) | undefined;
}

/** Opens connections to peers. */
export interface Dialer {
  /** Resolves when there is a connection to the peer. `addresses` are tried beside those that are known already. */
  dial(peerId: string, addresses: readonly string[], config: DialCall): Promise<void>;
}

/** How a connection is opened. */
export interface DialCall {
  readonly signal: AbortSignal;
  /** Strangers named the addresses. */
  readonly toldBy: 'peers';
}

/** A peer that may be subscribed, and where it may be. */
export interface TopicCandidate {
  readonly peerId: string;
  /** May be empty: then whatever the node knows is tried. */
  readonly addresses: readonly string[];
}

/** Finds peers that may be subscribed to a topic. */
export interface TopicPeerSource {
  /** As they are found; the service stops reading when it has enough. May name peers that are connected, and nobody. */
  find(topic: string, config: { readonly signal: AbortSignal }): AsyncIterable<TopicCandidate>;
  /** Lets others find this node for a topic, until the returned function is called. */
  announce?(topic: string): () => void;
}

/** What the application holds of a peer. Filled by `@lloom/peers`. */
export interface ScoreSource {
  /** From -100, not heard at all, to 100; 0 of whom nothing is known. Asked often: it must be quick. */
  scoreOf(peerId: string): number;
}

/** What a neighbour did. */
export type PeerFact =
  /** It handed over a message that is invalid by itself, or not of who signed it. */
  | 'INVALID_MESSAGE'
  /** It says more than it may. */
  | 'FLOOD'
  /** What it sent is no RPC of gossipsub, or larger than any. */
  | 'PROTOCOL_VIOLATION';

/**
 * Told of what peers do, each fact of a peer once a second at most; of invalid messages three at once. Filled by `@lloom/peers`.
 */
export interface ReputationSink {
  report(peerId: string, fact: PeerFact): void;
}

/** The ports as the service holds them. */
export interface ResolvedPorts {
  readonly inspect: Inspector | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly meter: Meter | undefined;
  readonly keys: MessageKeys | undefined;
  readonly dialer: Dialer | undefined;
  readonly topicPeers: TopicPeerSource | undefined;
  readonly score: ScoreSource | undefined;
  readonly reputation: ReputationSink | undefined;
}

/** A message of another node, proven as far as `validationMode` demands. */
export interface Incoming {
  readonly topic: string;
  readonly data: Uint8Array;
  /** Who signed it; `undefined` when it is unsigned. */
  readonly author: string | undefined;
  /** The neighbour that handed it over. */
  readonly source: string;
  /** Grows with each message of an author; `undefined` when it is unsigned. */
  readonly sequenceNumber: bigint | undefined;
}

/** What is to become of a message. */
export interface Judgement {
  readonly verdict: Verdict;
  /** Called after an accepted message was passed on. Never throws. */
  readonly deliver?: () => void;
}

/** Told by the router while it runs. None of them throws or rejects. */
export interface RouterWatcher {
  /** A message that is not larger than `maxMessageBytes`, of a topic that is subscribed, that was not there before. */
  judge(message: Incoming): Judgement | Promise<Judgement>;
  /** A message was dropped before it could be judged. */
  onDropped(source: string, reason: 'tooLarge' | 'malformed'): void;
  /** Who is subscribed to a topic, can be sent to, or is in its mesh may have changed. */
  onLinks(topic: string): void;
  /** The neighbour did something that no honest one does; the router has cut it off. */
  onViolation(peerId: string): void;
}

/** What became of a message that the router sent. */
export interface Sent {
  /** Hex. */
  readonly messageId: string;
  readonly recipients: readonly string[];
}

/** The network, as the service needs it: gossipsub, and who can be connected to. */
export interface Router extends Dialer, TopicPeerSource {
  /** gossipsub itself, for those who want it. */
  readonly pubsub: GossipSub;
  /** The own peer id. */
  readonly peerId: string;
  /** Speaks the protocol from now on. */
  start(watcher: RouterWatcher): Promise<void>;
  /** Resolves when what was sent has left this node, and after a second at the latest. Never rejects. */
  flush(): Promise<void>;
  /** Leaves every topic and ends every stream. */
  stop(): Promise<void>;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  /**
   * Hands a message to neighbours. `recipients` is empty when there is nobody; then nothing happened, and it may be called
   * again.
   */
  publish(topic: string, data: Uint8Array): Promise<Sent>;
  /** The connected peers that are subscribed to a topic and can be sent to now. */
  topicPeers(topic: string): readonly string[];
  meshPeers(topic: string): readonly string[];
  isConnected(peerId: string): boolean;
  /** Takes effect with the next heartbeat, for all topics. */
  setMeshSize(size: MeshSize): void;
  scores(): readonly PeerScore[];
  /** How many copies came of messages that were here already. */
  readonly duplicates: number;
  log(text: string, fields: LogFields): void;
  logError(text: string, error: unknown, fields?: LogFields): void;
  /** Whether {@link Router.trace} is read by anybody. Asked for every message. */
  readonly isTraced: boolean;
  /** One line for one message, without its content. */
  trace(text: string, fields: LogFields): void;
}

/** What a line of the log tells beside its text, which is always the same. */
export type LogFields = Readonly<Record<string, string | number>>;
