import type { GossipSub } from '@libp2p/gossipsub';
import type { EventSource } from '@lloom/core';
import type { GossipEvents } from './events.ts';
import type {
  GossipMessageInput,
  GossipSnapshot,
  GossipTopic,
  PeerScore,
  PublishConfig,
  PublishReceipt,
  Topic,
  TopicConfig,
  TopicLike,
} from './types.ts';

/** Publishes to everybody, and hears everybody: the service that `gossip()` adds to a node. */
export interface Gossip extends EventSource<GossipEvents> {
  /** The gossipsub service underneath. */
  readonly pubsub: GossipSub;
  /**
   * Receives the messages of a topic from now on, over every restart, as `message:received` and by `messages()`. May be
   * called before the start, and again. At most 128 topics at the same time.
   *
   * @throws {GossipError} `INVALID_TOPIC`, `TOO_MANY_TOPICS`
   */
  subscribeTopic(topic: TopicLike): Promise<void>;
  /** Receives them no more, and tells the neighbours. Subscribing again is possible at once. */
  unsubscribeTopic(topic: TopicLike): Promise<void>;
  /**
   * Signs a message and hands it to the neighbours that are subscribed; when there are none yet, waits for one. One need
   * not be subscribed to publish.
   *
   * @param topic a topic of the network, one that `createTopic` made, or any other name for plain bytes
   * @param message what belongs there
   * @throws {GossipError} `INVALID_TOPIC`, `INVALID_MESSAGE`, `MESSAGE_TOO_LARGE`, `NO_PEERS`, `RATE_LIMITED`, `BUSY`,
   *   `PUBLISH_FAILED`, `CANCELLED`, `STOPPED`; nothing was sent, unless `PUBLISH_FAILED` says that it may have been
   * @throws {ConfigError} when `config` cannot be used
   * @example
   * ```ts
   * const pricing = { inboundPrice: '1000', outboundPrice: '2000' };
   * const announcement = { type: 'executorAvailable', models: ['demo-small'], capacity: 4, pricing } as const;
   * await gossip.publishMessage(GossipTopic.ExecutorAnnouncements, announcement);
   * ```
   */
  publishMessage(
    topic: GossipTopic,
    message: GossipMessageInput,
    config?: PublishConfig,
  ): Promise<PublishReceipt>;
  publishMessage<T>(topic: Topic<T>, message: T, config?: PublishConfig): Promise<PublishReceipt>;
  publishMessage(topic: string, message: Uint8Array, config?: PublishConfig): Promise<PublishReceipt>;
  /**
   * A topic of one's own, with its codec and its validator. Not subscribed by that. The same call again gives the same
   * topic.
   *
   * @throws {GossipError} `INVALID_TOPIC`, `TOPIC_EXISTS`
   * @throws {ConfigError} when the codec or the validator is none
   * @example
   * ```ts
   * const codec = {
   *   encode: (value: { celsius: number }) => new TextEncoder().encode(JSON.stringify(value)),
   *   decode: (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as { celsius: number },
   * };
   * const weather = gossip.createTopic('weather/1.0.0', { codec });
   * await weather.subscribe();
   * for await (const { peerId, value } of weather.messages()) console.log(peerId, value.celsius);
   * ```
   */
  createTopic<T = Uint8Array>(name: string, config?: TopicConfig<T>): Topic<T>;
  /** The names of the topics that are subscribed, in order. */
  subscribedTopics(): readonly string[];
  /** The connected peers that are subscribed to a topic. */
  topicPeers(topic: TopicLike): readonly string[];
  /** Those of them to which messages are passed on at once. */
  gossipsubMeshPeers(topic: TopicLike): readonly string[];
  /**
   * How many neighbours are kept in the mesh of each topic, from the next heartbeat on. Those who were refused lately, because a
   * mesh was full, come within a minute.
   *
   * @param target how many to aim at: the specification's D
   * @param high more than this are pruned: D_hi
   * @throws {ConfigError} unless 1 <= target <= high <= 256
   */
  setGossipsubMeshSize(target: number, high: number): void;
  /** What this node holds of its neighbours, and why. */
  peerScores(): readonly PeerScore[];
  /** Everything as it stands, for looking at. */
  snapshot(): GossipSnapshot;
}
