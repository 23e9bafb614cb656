import { isCodedError, LloomError, type CodeTable } from '@lloom/core';

/**
 * What became of one address.
 *
 * - `nobodyListens`: the machine there refuses the port
 * - `unreachable`: the network has no way there
 * - `unknownHost`: the name has no address
 * - `timeout`: nothing came back in time
 * - `wrongPeer`: another peer lives there
 * - `closed`: the other side closed before the handshake was complete. It may be full, limit its rate, not want this
 *   node, or speak something else: it does not say which
 * - `refusedHere`: a gate or limit of this node closed it
 * - `other`: told in the message
 */
export type DialReason =
  | 'nobodyListens'
  | 'unreachable'
  | 'unknownHost'
  | 'timeout'
  | 'wrongPeer'
  | 'closed'
  | 'refusedHere'
  | 'other';

/** One address that was tried. */
export interface DialAttempt {
  /** Absent when another part of the node had begun the dial, so that it is not known which address it was. */
  readonly address?: string;
  readonly reason: DialReason;
  /** What the network library said, cut to 256 characters. */
  readonly message: string;
}

/** The data of each {@link PeersError} code. */
export interface PeersErrorData {
  /** Every address failed, not all for the same reason that has a code of its own. */
  DIAL_FAILED: { readonly peerId: string; readonly attempts: readonly DialAttempt[] };
  /** The address leads to another peer, or names one. */
  WRONG_PEER: { readonly peerId: string; readonly address?: string; readonly foundPeerId?: string };
  /** No address is known, or none that a transport of this node can dial; those are `unusable`. */
  NO_ADDRESS: { readonly peerId: string; readonly unusable: readonly string[] };
  /** This node may not dial any of the addresses. Nothing was sent. */
  ADDRESS_REFUSED: {
    readonly peerId: string;
    readonly refusals: readonly { readonly address: string; readonly reason: string }[];
  };
  /** The node's own connection gater refuses the peer. Nothing was sent. */
  PEER_REFUSED: { readonly peerId: string };
  /** The peer is banned by this node until `until`, in ms since 1970. Nothing was sent. */
  BANNED: { readonly peerId: string; readonly until: number; readonly reason?: string };
  /** The peer id is this node's own. */
  OWN_PEER: { readonly peerId: string };
  /** A limit of this node is reached. Nothing was sent. */
  LIMIT_REACHED: {
    readonly peerId: string;
    readonly limit:
      | 'maxConnections'
      | 'maxOutboundConnections'
      | 'maxPendingConnections'
      | 'trackedPeers'
      | 'maxDialQueueLength'
      | 'maxBans'
      | 'maxMaintainedPeers';
    /** Absent when libp2p keeps the limit and does not tell it. */
    readonly value?: number;
  };
  /** No address answered in time. `limitMs` is absent when libp2p's own limit per address ended each attempt. */
  DIAL_TIMEOUT: {
    readonly peerId: string;
    readonly limitMs?: number;
    readonly attempts: readonly DialAttempt[];
  };
  /** The caller's signal, `disconnectPeer` or `banPeer` ended the dial. */
  CANCELLED: { readonly peerId: string; readonly by: 'signal' | 'disconnectPeer' | 'banPeer' };
  /** A connection could not be closed; it is not known whether it still is open. */
  CLOSE_FAILED: { readonly peerId: string; readonly reason: string };
  /** What was asked for holds until the node stops, but could not be written down. */
  STORE_FAILED: {
    readonly peerId: string;
    readonly what: 'ban' | 'addresses' | 'maintained' | 'reputation';
    readonly reason: string;
  };
  /** The node is not running, or stopped meanwhile. */
  STOPPED: { readonly peerId: string };
}

/** Closed codes of {@link PeersError}. */
export type PeersErrorCode = keyof PeersErrorData;

/** The plain form of an error: what a state machine can hold. */
export type PeersFailure = {
  [C in PeersErrorCode]: { readonly code: C; readonly data: PeersErrorData[C] };
}[PeersErrorCode];

const reasons: Record<DialReason, string> = {
  nobodyListens: 'nobody listens there',
  unreachable: 'there is no way there',
  unknownHost: 'the name is unknown',
  timeout: 'no answer in time',
  wrongPeer: 'another peer lives there',
  closed: 'the other side closed during the handshake',
  refusedHere: 'this node closed it',
  other: 'failed otherwise',
};

const listAttempts = (attempts: readonly DialAttempt[]): string =>
  attempts.map(({ address, reason }) => `${address ?? 'one address'}: ${reasons[reason]}`).join('; ') ||
  'nothing was tried';

const table: CodeTable<PeersErrorData> = {
  DIAL_FAILED: {
    message: ({ peerId, attempts }) => `Cannot dial "${peerId}": ${listAttempts(attempts)}`,
    retryable: true,
    hint: 'See the reason of each address; "closed" may mean that the peer is full or does not want this node.',
  },
  WRONG_PEER: {
    message: ({ peerId, address, foundPeerId }) =>
      `Cannot use ${address === undefined ? 'the address' : `"${address}"`} for "${peerId}": it belongs to ` +
      (foundPeerId === undefined ? 'another peer' : `"${foundPeerId}"`),
    retryable: false,
    hint: 'Compare the peer id with what the peer prints; the address may have been given to another one.',
  },
  NO_ADDRESS: {
    message: ({ peerId, unusable }) =>
      unusable.length === 0
        ? `Cannot dial "${peerId}": no address of it is known`
        : `Cannot dial "${peerId}": no transport of this node can use ${unusable.join(', ')}`,
    retryable: true,
    hint: 'Pass an address, add one with addPeerAddr, or let discovery find one first.',
  },
  ADDRESS_REFUSED: {
    message: ({ peerId, refusals }) =>
      `Cannot use addresses of "${peerId}": ${refusals.map((r) => `${r.address}: ${r.reason}`).join('; ')}`,
    retryable: false,
    hint: 'Choose another addressPolicy, or pass the address to dialPeer yourself; loopback admits no exception.',
  },
  PEER_REFUSED: {
    message: ({ peerId }) => `Cannot dial "${peerId}": the node's connection gater refuses it`,
    retryable: false,
    hint: 'Look at denyDialPeer of the connectionGater that was given to the node.',
  },
  BANNED: {
    message: ({ peerId, until }) =>
      `Cannot dial "${peerId}": it is banned until ${new Date(until).toISOString()}`,
    retryable: false,
    hint: 'Wait until the ban ends, or lift it.',
  },
  OWN_PEER: {
    message: ({ peerId }) => `Cannot use "${peerId}": it is this node itself`,
    retryable: false,
    hint: 'Leave out the own peer id.',
  },
  LIMIT_REACHED: {
    message: ({ peerId, limit, value }) =>
      `Cannot take on "${peerId}": ${limit} is reached${value === undefined ? '' : `, it is ${value}`}`,
    retryable: true,
    hint: 'Disconnect from somebody, wait for dials to end, or raise the limit with setConnectionLimits.',
  },
  DIAL_TIMEOUT: {
    message: ({ peerId, limitMs, attempts }) =>
      limitMs === undefined
        ? `Cannot dial "${peerId}": ${listAttempts(attempts)}`
        : `Cannot dial "${peerId}": waited ${limitMs} ms, which is the limit`,
    retryable: true,
    hint: 'The peer may be off, behind a firewall, or slow; try a relay, or raise dialTimeoutMs.',
  },
  CANCELLED: {
    message: ({ peerId, by }) => `Cannot dial "${peerId}": ended by ${by === 'signal' ? 'its signal' : by}`,
    retryable: false,
    hint: 'Dial again when the peer is wanted.',
  },
  CLOSE_FAILED: {
    message: ({ peerId, reason }) => `Cannot close connections to "${peerId}": ${reason}`,
    retryable: true,
    hint: 'Call disconnectPeer again.',
  },
  STORE_FAILED: {
    message: ({ peerId, what, reason }) => `Cannot write down ${what} of "${peerId}": ${reason}`,
    retryable: true,
    hint: 'Look after the disk, then call again: until the node stops it holds without.',
  },
  STOPPED: {
    message: ({ peerId }) => `Cannot dial "${peerId}": the node is not running`,
    retryable: false,
    hint: 'Start the node first.',
  },
};

/** A connection that cannot be had, or cannot be got rid of. Says who refused, and what is not known. */
export class PeersError<C extends PeersErrorCode = PeersErrorCode> extends LloomError<C, PeersErrorData[C]> {
  constructor(code: C, data: PeersErrorData[C], options: { cause?: unknown } = {}) {
    super('PeersError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `PeersError`, with that code when one is given. */
  static is<C extends PeersErrorCode>(error: unknown, code?: C): error is PeersError<C> {
    return isCodedError(error, 'PeersError', code);
  }
}
