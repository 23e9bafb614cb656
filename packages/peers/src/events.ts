/** Where a connection leads, and how it came about. */
export interface ConnectionEndpoint {
  /** Who dialled: `outbound` is this node. */
  readonly direction: 'inbound' | 'outbound';
  /** The address at the other end, as a multiaddr. For `inbound` its port is a passing one. */
  readonly remoteAddress: string;
  /** What carries the bytes: `tcp`, `ws`, `wss`, `quic-v1`, `webrtc-direct`, `memory`, … For a relayed one, up to the relay. */
  readonly transport: string;
  /** Whether a relay stands between. */
  readonly relayed: boolean;
  /** What the relay announced that it lets through; absent when it announced nothing. Relays are known to err in the unit. */
  readonly limits?: { readonly bytes?: number; readonly seconds?: number };
}

/**
 * Why a connection ended, in one word.
 *
 * - `DISCONNECTED`: this node called `disconnectPeer`
 * - `LIMIT`: this node keeps fewer connections: to that peer, of that direction, or in all
 * - `STOPPED`: this node stops
 * - `BANNED`: this node bans the peer
 * - `REPUTATION`: this node thinks too little of the peer
 * - `IDLE`: this node closed it because nobody used it
 * - `EXPIRED`: this node closed it because it was old; one that is needed was replaced before
 * - `RESET`: the peer, or the network between, cut it; neither says why
 * - `TIMEOUT`: the peer stopped answering: to this node's pings, or to anything
 * - `ERROR`: something else, told in the message
 */
export type CloseCode =
  | 'DISCONNECTED'
  | 'LIMIT'
  | 'STOPPED'
  | 'BANNED'
  | 'REPUTATION'
  | 'IDLE'
  | 'EXPIRED'
  | 'RESET'
  | 'TIMEOUT'
  | 'ERROR';

/** Why a connection ended, as far as this node knows: the reason of the other side is never transmitted. */
export interface CloseCause {
  readonly code: CloseCode;
  readonly message: string;
}

/** A peer that this node has nothing to do with for a while: neither side gets a connection through, nor does a relay. */
export interface Ban {
  readonly peerId: string;
  /** In ms since 1970. */
  readonly since: number;
  /** In ms since 1970. A node that runs counts what is left itself: a clock that is set meanwhile does not change it. */
  readonly until: number;
  /** What was given to `banPeer`, or what the peer did. Cut to 256 characters. */
  readonly reason?: string;
  /** Who said so: the user, or the peer's reputation. A peer that the user has banned is not judged by its reputation. */
  readonly by: 'user' | 'reputation';
}

/** Every event of the package: its name and its detail. */
export interface PeersEvents {
  /** A connection is open. The peer's protocols are known a little later, see `peerInfo`. Once per connection. */
  'connection:established': { readonly peerId: string; readonly endpoint: ConnectionEndpoint };
  /** A connection has ended; without `cause` one of both sides closed it properly. Once per connection. */
  'connection:closed': {
    readonly peerId: string;
    readonly endpoint: ConnectionEndpoint;
    readonly cause?: CloseCause;
  };
  /**
   * A peer is banned, or its ban has changed. When it is told, no connection to it is open, unless the ban has ended while they were
   * being closed: then it is told right before `peer:unbanned`. Bans of an earlier run are not told again.
   */
  'peer:banned': Ban;
  /**
   * A ban has ended.
   *
   * - `user`: `unbanPeer` was called
   * - `time`: its time is over
   * - `room`: it was one of a reputation, and had to make room for another one because there are `maxBans`
   */
  'peer:unbanned': { readonly peerId: string; readonly by: 'user' | 'time' | 'room' };
}
