import type { EventSource } from '@lloom/core';
import type { PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';

import type { Ban, PeersEvents } from './events.ts';
import type {
  ConnectionInfo,
  ConnectionLimits,
  ConnectionPoolConfig,
  DialConfig,
  PeerExplanation,
  PeerFact,
  PeerInfo,
  PeersSnapshot,
} from './types.ts';

/** Connections of a node: opens, keeps within limits, closes and describes them. */
export interface Peers extends EventSource<PeersEvents> {
  /**
   * Connects to a peer, or gives the connection that there is. Concurrent calls for one peer share one dial.
   *
   * A success means that the handshake is complete on this side. A peer that refuses afterwards (it is full, or does
   * not want this node) shows as `connection:closed` a round trip later: it cannot say no earlier.
   *
   * @param peerId the peer; an address that leads to another one fails
   * @param addresses where to try, one or several; those that the user himself knows may be private even under the policy `public`.
   * Empty: what the peer store and the peer routing know, as far as the policy admits it
   * @throws {AddressError} `INVALID_PEER_ID` or `INVALID_MULTIADDR`
   * @throws {ConfigError} when `config` cannot be used
   * @throws {PeersError} `DIAL_FAILED`, `WRONG_PEER`, `NO_ADDRESS`, `ADDRESS_REFUSED`, `PEER_REFUSED`, `OWN_PEER`,
   * `LIMIT_REACHED`, `BANNED`, `DIAL_TIMEOUT`, `CANCELLED`, `STOPPED`
   * @example
   * ```ts
   * const { remoteAddress } = await node.services.peers.dialPeer(peerId, ['/dns4/node.example/tcp/4001']);
   * ```
   */
  dialPeer(
    peerId: PeerId | string,
    addresses?: Multiaddr | string | readonly (Multiaddr | string)[],
    config?: DialConfig,
  ): Promise<ConnectionInfo>;

  /**
   * Closes every connection to a peer, and keeps it closed: it is not maintained any more, loses its `keep-alive` tags, and
   * for `disconnectCooldownMs` neither side gets a new connection through, unless `dialPeer` asks for one. Resolves when
   * all are closed; at once when there are none.
   *
   * @throws {AddressError} `INVALID_PEER_ID`
   * @throws {PeersError} `CLOSE_FAILED`, `OWN_PEER`, `LIMIT_REACHED`; `STORE_FAILED` when it was maintained, and may be again after a
   * restart: it is disconnected all the same
   */
  disconnectPeer(peerId: PeerId | string): Promise<void>;

  /**
   * Has nothing to do with a peer for a while: closes every connection, and lets neither side open one, directly or through a
   * relay, nor uses the peer as a relay. Requests under way end as on a lost connection. A second call replaces the first.
   * Resolves when all connections are closed and, with the port `datastore`, the ban would survive the end of the process.
   *
   * @param durationMs for how long, at least 1 and at most a hundred years
   * @param reason for the log, the event and `explainPeer`; never sent. Cut to 256 characters
   * @throws {AddressError} `INVALID_PEER_ID`
   * @throws {ConfigError} when the duration or the reason cannot be used
   * @throws {PeersError} `OWN_PEER`; `LIMIT_REACHED` when `maxBans` peers are banned by the user; `STORE_FAILED`, `CLOSE_FAILED`:
   * the ban holds all the same
   */
  banPeer(peerId: PeerId | string, durationMs: number, reason?: string): Promise<void>;

  /**
   * Ends a ban, whoever gave it. A reputation that led to it is forgotten; before the node has started, when it is not read yet
   * who is banned and why, whatever is kept of one. Resolves when, with the port `datastore`, both would survive the end of the
   * process; at once when the peer is not banned.
   *
   * @throws {AddressError} `INVALID_PEER_ID`
   * @throws {PeersError} `STORE_FAILED`: it has ended all the same
   */
  unbanPeer(peerId: PeerId | string): Promise<void>;

  /** The bans that hold now, the one that ends first at the front. */
  bannedPeers(): Ban[];

  /**
   * Keeps a connection to a peer: dials it now, and again whenever the connection is lost, more and more slowly while it
   * fails, for as long as it takes. The pool never closes it. Ends with `releaseConnection` and with `disconnectPeer`; a ban
   * suspends it. Resolves when the wish is recorded and, with the port `datastore`, would survive the end of the process;
   * that it is connected is told by `connection:established`.
   *
   * @throws {AddressError} `INVALID_PEER_ID`
   * @throws {PeersError} `OWN_PEER`; `LIMIT_REACHED` when `maxMaintainedPeers` are; `STORE_FAILED`: it is maintained all the same
   */
  maintainConnection(peerId: PeerId | string): Promise<void>;

  /**
   * Ends that. An open connection stays, and is closed when the pool sees fit.
   *
   * @throws {AddressError} `INVALID_PEER_ID`
   * @throws {PeersError} `STORE_FAILED`: it has ended all the same
   */
  releaseConnection(peerId: PeerId | string): Promise<void>;

  /** The peers to which connections are maintained. */
  maintainedPeers(): string[];

  /** Whether a connection to the peer is open. */
  isConnected(peerId: PeerId | string): boolean;

  /** The peers with an open connection. */
  connectedPeers(): string[];

  /** What is known of a peer; `undefined` when nothing is. Complete soon after `connection:established`. */
  peerInfo(peerId: PeerId | string): PeerInfo | undefined;

  /**
   * Remembers where a peer is: for as long as the node runs, and with the port `datastore` for good. libp2p forgets addresses
   * after an hour and whenever a peer announces others; those given here are put back before each dial of that peer, whoever
   * dials. The newest 16 of each peer count. Taken back by `removePeerAddr`.
   *
   * @throws {AddressError} `INVALID_PEER_ID` or `INVALID_MULTIADDR`
   * @throws {PeersError} `WRONG_PEER`, `ADDRESS_REFUSED`, `OWN_PEER`; `NO_ADDRESS` when no transport of this node can dial it, for
   * want of a port, say; `STORE_FAILED`: it is remembered until the node stops
   */
  addPeerAddr(peerId: PeerId | string, address: Multiaddr | string): Promise<void>;

  /**
   * Forgets an address that was added by `addPeerAddr`, or all that were added of the peer. What the peer announces itself
   * stays known, or comes back; open connections stay. Resolves when, with the port `datastore`, it would not come back after the
   * end of the process; at once when there is nothing to forget.
   *
   * @param address with or without the peer at its end. Absent: all that were added
   * @throws {AddressError} `INVALID_PEER_ID` or `INVALID_MULTIADDR`
   * @throws {PeersError} `OWN_PEER`; `STORE_FAILED`: it is forgotten until the node stops
   */
  removePeerAddr(peerId: PeerId | string, address?: Multiaddr | string): Promise<void>;

  /** The addresses that this node is bound to; empty until it listens. */
  listenedAddresses(): string[];

  /**
   * Changes limits at run time. Absent fields stay. Connections beyond a lowered limit are closed: per peer at once, others
   * as soon as they are not in use, the least valuable first.
   *
   * @throws {ConfigError} listing every problem; nothing has changed then
   */
  setConnectionLimits(limits: Partial<ConnectionLimits>): void;

  /** The limits that hold now. */
  readonly connectionLimits: ConnectionLimits;

  /**
   * Keeps a pool of connections from now on: not too few, not too many, none that nobody uses, none that is too old. Replaces
   * the pool that there was; `undefined` ends it, and leaves connections as they are.
   *
   * @throws {ConfigError} listing every problem; nothing has changed then
   */
  setConnectionPool(pool: ConnectionPoolConfig | undefined): void;

  /** The pool that holds now, complete; `undefined` without one. */
  readonly connectionPool: Required<ConnectionPoolConfig> | undefined;

  /**
   * Counts what a peer did for its reputation, which fades by half every `reputationHalfLifeMs`. Failures alone never make it
   * low enough to be disconnected; violations do, and then lead to a ban. Unknown ids are taken as well, and any text.
   *
   * @throws {AddressError} `INVALID_PEER_ID` for what is neither a text nor a peer id
   * @throws {ConfigError} when there is no such fact
   */
  reportPeer(peerId: PeerId | string, fact: PeerFact): void;

  /**
   * From -100 to 100: what is held of a peer. 0 of whom nothing is known, -100 of the banned. Quick; takes any text.
   * @throws {AddressError} `INVALID_PEER_ID` for what is neither a text nor a peer id
   */
  reputationOf(peerId: PeerId | string): number;

  /**
   * Why a peer is treated as it is.
   * @throws {AddressError} `INVALID_PEER_ID`
   */
  explainPeer(peerId: PeerId | string): PeerExplanation;

  /**
   * Everybody who is known, in short: cheaper than {@link Peers.peerInfo} of each.
   * @param limit how many are described at most. @default 1_000
   */
  snapshot(limit?: number): PeersSnapshot;

  /** Opens no connections by itself any more: the node is about to stop. What others ask for is still done. */
  drain(): void;
}
