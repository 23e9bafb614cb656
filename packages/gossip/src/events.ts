import type { GossipMessage } from '@lloom/codec';
import type { DegradedReason } from './types.ts';

/** What the gossip service tells. */
export type GossipEvents = {
  /** A message of another node came on a subscribed topic. On a topic of one's own it is `{ type: 'custom', value }`. */
  'message:received': {
    /** Who signed it. Where unsigned messages are admitted: who handed it over. */
    readonly peerId: string;
    readonly topic: string;
    readonly message: GossipMessage | { readonly type: 'custom'; readonly value: unknown };
  };
  /** For `degradedAfterMs` messages may not have arrived, or have come late. It is being mended. */
  'gossip:degraded': {
    /** Absent when it concerns the whole node. */
    readonly topic?: string;
    readonly reason: DegradedReason;
    /** How many peers are subscribed and connected, and how many of them are in the mesh. */
    readonly topicPeers: number;
    readonly meshPeers: number;
    /** What can be done about it, in one sentence. */
    readonly hint: string;
  };
  /** It is over. */
  'gossip:recovered': {
    readonly topic?: string;
    /** What it was, last. */
    readonly reason: DegradedReason;
    /** How long it was told as degraded. */
    readonly degradedMs: number;
  };
};
