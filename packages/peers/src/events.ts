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
 * - `LIMIT`: this node keeps fewer connections to that peer
 * - `STOPPED`: this node stops
 * - `BANNED`: this node bans the peer
 * - `IDLE`: this node closed it because nobody used it
 * - `EXPIRED`: this node closed it because it was old
 * - `RESET`: the peer, or the network between, cut it; neither says why
 * - `TIMEOUT`: the peer stopped answering
 * - `ERROR`: something else, told in the message
 */
export type CloseCode =
  | 'DISCONNECTED'
  | 'LIMIT'
  | 'STOPPED'
  | 'BANNED'
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

/** Every event of the package: its name and its detail. */
export interface PeersEvents {
  /** A connection is open. The peer's protocols are known a little later, see `peerInfo`. Once per connection. */
  'connection:established': { readonly peerId: string; readonly endpoint: ConnectionEndpoint };
  /** A connection has ended; without `cause` one of both sides closed it properly. Once per connection. */
  'connection:closed': { readonly peerId: string; readonly cause?: CloseCause };
}
