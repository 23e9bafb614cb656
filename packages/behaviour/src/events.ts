import type { EventOf } from '@lloom/core';
import type { GossipMessage } from '@lloom/codec';
import type { DiscoveryEvents } from '@lloom/discovery';
import type { PeersEvents } from '@lloom/peers';
import type { RpcEvents } from '@lloom/rpc';

/** What gossip tells. */
export type GossipEvents = {
  /** A message came on a topic. On a topic of your own it is `{ type: 'custom', value }`. */
  'message:received': {
    readonly peerId: string;
    readonly topic: string;
    readonly message: GossipMessage | { readonly type: 'custom'; readonly value: unknown };
  };
};

/** Every event of a node, by name. */
export type LloomEvents = PeersEvents & RpcEvents & DiscoveryEvents & GossipEvents;

/** Any event of a node, told apart by `type`. */
export type LloomEvent = EventOf<LloomEvents>;
