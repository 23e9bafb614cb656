import type { ServiceType } from '@lloom/codec';
import type { DiscoveryError } from './errors.ts';
import type { Provider, ServiceQuery } from './types.ts';

/** What the discovery service tells. */
export type DiscoveryEvents = {
  /** A peer that takes part in the DHT became known, or told new addresses. */
  'routing:updated': { readonly peerId: string; readonly addresses: readonly string[] };
  /** A search ended: what was looked for, and every provider that confirmed it. The list may be empty. */
  'service:discovered': { readonly service: ServiceQuery; readonly providers: readonly Provider[] };
  /** An offer of this node is in the DHT: after it was advertised or updated, not after each renewal. */
  'service:advertised': { readonly service: ServiceType };
  /** An offer of this node is not in the DHT yet; it is tried again after `delayMs`. */
  'service:retrying': {
    readonly service: ServiceType;
    readonly delayMs: number;
    readonly error: DiscoveryError<'PUBLISH_FAILED'>;
  };
  /** An offer of this node was withdrawn. Others may still name this node for a while; it tells them no. */
  'service:withdrawn': { readonly service: ServiceType };
  /** At least one bootstrap peer answered. */
  'bootstrap:joined': {
    /** Those that answered. */
    readonly peerIds: readonly string[];
    /** How many peers the look-up of this node's own id found; 0 when there is no DHT. */
    readonly foundPeers: number;
  };
  /** No bootstrap peer answered; it is tried again after `delayMs`. */
  'bootstrap:retrying': { readonly delayMs: number; readonly error: DiscoveryError<'BOOTSTRAP_FAILED'> };
  /** A peer on the local network was sighted, and takes part in this network. */
  'peer:discovered': { readonly peerId: string; readonly addresses: readonly string[] };
  /** A peer on the local network was not sighted for `localPeerTtlMs`. */
  'peer:expired': { readonly peerId: string };
};
