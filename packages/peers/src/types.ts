import type { EventSource } from '@lloom/core';
import type { PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';

import type { ConnectionEndpoint, PeersEvents } from './events.ts';

/** An open connection, as it was when it was asked for. */
export interface ConnectionInfo extends ConnectionEndpoint {
  /** When it was opened, in ms since 1970. */
  readonly openedAt: number;
  /** The latest round trip, in ms; absent until libp2p has measured one. */
  readonly rttMs?: number;
}

/** What is known of a peer. What the peer said itself (addresses, protocols, agentVersion) is not proven. */
export interface PeerInfo {
  readonly peerId: string;
  /** Addresses that the peer announced or that were added, without `/p2p/<peer id>`. */
  readonly addresses: readonly string[];
  /** Protocols that the peer says to speak; empty until it was identified. */
  readonly protocols: readonly string[];
  /** The program that the peer says to be; absent until it was identified. Cut to 256 characters. */
  readonly agentVersion?: string;
  /** What the port `services` knows of it; empty without that port. */
  readonly services: readonly unknown[];
  /** Its open connections; empty when it is not connected. */
  readonly connections: readonly ConnectionInfo[];
}

/** How many connections this node keeps. */
export interface ConnectionLimits {
  /** In all. Beyond it inbound connections are refused, and libp2p closes the least valuable idle ones. */
  readonly maxConnections: number;
  /** To one peer, both directions together. */
  readonly maxConnectionsPerPeer: number;
  /** Not yet established: dials of this package under way, and separately inbound handshakes. */
  readonly maxPendingConnections: number;
}

/** How to dial. */
export interface DialConfig {
  /** Gives up waiting when it aborts; the dial goes on for others who wait for the same peer. */
  readonly signal?: AbortSignal;
  /**
   * Who told the addresses: the user, whose addresses may be private under any policy but `loopback`, or other peers,
   * to whose addresses the policy applies.
   * @default 'user'
   */
  readonly toldBy?: 'user' | 'peers';
}

/** Connections of a node: opens, keeps within limits, closes and describes them. */
export interface Peers extends EventSource<PeersEvents> {
  /**
   * Connects to a peer, or gives the connection that there is. Concurrent calls for one peer share one dial.
   *
   * A success means that the handshake is complete on this side. A peer that refuses afterwards (it is full, or does
   * not want this node) shows as `connection:closed` a round trip later: it cannot say no earlier.
   *
   * @param peerId the peer; an address that leads to another one fails
   * @param addresses where to try; those that the user himself knows may be private even under the policy `public`.
   * Empty: what the peer store and the peer routing know, as far as the policy admits it
   * @throws {AddressError} `INVALID_PEER_ID` or `INVALID_MULTIADDR`
   * @throws {PeersError} `DIAL_FAILED`, `WRONG_PEER`, `NO_ADDRESS`, `ADDRESS_REFUSED`, `PEER_REFUSED`, `OWN_PEER`,
   * `LIMIT_REACHED`, `DIAL_TIMEOUT`, `CANCELLED`, `STOPPED`
   * @example
   * ```ts
   * const { remoteAddress } = await node.services.peers.dialPeer(peerId, ['/dns4/node.example/tcp/4001']);
   * ```
   */
  dialPeer(
    peerId: PeerId | string,
    addresses?: readonly (Multiaddr | string)[],
    config?: DialConfig,
  ): Promise<ConnectionInfo>;

  /**
   * Closes every connection to a peer, and keeps it closed: the peer loses its `keep-alive` tags, and for
   * `disconnectCooldownMs` neither side gets a new connection through, unless `dialPeer` asks for one. Resolves when
   * all are closed; at once when there are none.
   *
   * @throws {AddressError} `INVALID_PEER_ID`
   * @throws {PeersError} `CLOSE_FAILED`, `OWN_PEER`, `LIMIT_REACHED`
   */
  disconnectPeer(peerId: PeerId | string): Promise<void>;

  /** Whether a connection to the peer is open. */
  isConnected(peerId: PeerId | string): boolean;

  /** The peers with an open connection. */
  connectedPeers(): string[];

  /** What is known of a peer; `undefined` when nothing is. Complete soon after `connection:established`. */
  peerInfo(peerId: PeerId | string): PeerInfo | undefined;

  /**
   * Remembers where a peer is, for as long as the node runs. libp2p forgets addresses after an hour and whenever a
   * peer announces others; those given here are put back before each dial of that peer, whoever dials.
   *
   * @throws {AddressError} `INVALID_PEER_ID` or `INVALID_MULTIADDR`
   * @throws {PeersError} `WRONG_PEER`, `ADDRESS_REFUSED`, `OWN_PEER`
   */
  addPeerAddr(peerId: PeerId | string, address: Multiaddr | string): Promise<void>;

  /** The addresses that this node is bound to; empty until it listens. */
  listenedAddresses(): string[];

  /**
   * Changes limits at run time. Absent fields stay. Connections beyond a lowered limit are closed: per peer at once,
   * in all as soon as they are idle.
   *
   * @throws {ConfigError} listing every problem; nothing has changed then
   */
  setConnectionLimits(limits: Partial<ConnectionLimits>): void;

  /** The limits that hold now. */
  readonly connectionLimits: ConnectionLimits;
}
