/** What is measured: ours, the same without anything that counts, or stock gossipsub on libp2p's own parts. */
export type StackName = 'ours' | 'uncounted' | 'stock';

/** What nodes sign with. */
export type KeyType = 'secp256k1' | 'Ed25519';

/** A node as it is started. */
export interface NodePlan {
  readonly stack: StackName;
  readonly keyType: KeyType;
  /** Nodes of the same number have the same key, whatever their stack. */
  readonly number: number;
  /** Many nodes know only this one. Stock gossipsub knows no such difference. */
  readonly isHub?: boolean;
  /** How many messages a second one author may publish. @default the service's; stock gossipsub has no limit */
  readonly maxMessagesPerSecond?: number;
  /** Stock gossipsub counts how many peers share an address, as it does unless told otherwise. @default false */
  readonly countsAddresses?: boolean;
}

/** A node on loopback that is subscribed to the topic of the benchmark. */
export interface GossipNode {
  /** Where others reach it, with its peer id. */
  readonly address: string;
  dial(address: string): Promise<void>;
  /**
   * Resolves when somebody was handed the message.
   * @throws when nobody was
   */
  publish(payload: Uint8Array): Promise<void>;
  /** How many peers it is connected to. */
  connections(): number;
  /** How many of them it knows to be subscribed. */
  topicPeers(): number;
}

/** Starts a node, which hands over every message of others. */
export type CreateNode = (plan: NodePlan, onMessage: (payload: Uint8Array) => void) => Promise<GossipNode>;

/** The topic of the benchmark. */
export const topic = 'bench/gossip';

/** All nodes have one address, of which libp2p takes five connections a second, and they join at the same moment. */
export const connectionManager = { inboundConnectionThreshold: 1_024, maxIncomingPendingConnections: 1_024 };

/** Pings would fall into some rounds and not into others. */
export const connectionMonitor = { enabled: false };

/** Far beyond any dial. */
export const dialSignal = (): AbortSignal => AbortSignal.timeout(30_000);
