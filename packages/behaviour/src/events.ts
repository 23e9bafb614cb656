import type { EventOf } from '@lloom/core';
import type { DiscoveryEvents } from '@lloom/discovery';
import type { GossipEvents } from '@lloom/gossip';
import type { NatEvents } from '@lloom/nat';
import type { PeersEvents } from '@lloom/peers';
import type { RpcEvents } from '@lloom/rpc';

/** Every event of a node, by name. */
export type LloomEvents = PeersEvents & RpcEvents & DiscoveryEvents & GossipEvents & NatEvents;

/** Any event of a node, told apart by `type`. */
export type LloomEvent = EventOf<LloomEvents>;
