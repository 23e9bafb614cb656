import { isCodedError, LloomError, type CodeTable } from '@lloom/core';
import type { NatStatus } from './types.ts';

/** The data of each {@link NatError} code. */
export interface NatErrorData {
  /** The address does not lead through a relay to that peer. */
  INVALID_RELAY_ADDRESS: { readonly got: string; readonly wanted: string };
  /** The peer could not be reached through that relay. */
  RELAY_DIAL_FAILED: { readonly peerId: string; readonly relay: string; readonly reason: string };
  /** The peer, or the relay, is one that this node does not dial: it is banned, or its address is not allowed. */
  PEER_REFUSED: { readonly peerId: string; readonly reason: string };
  /** Relays are switched off. */
  RELAY_DISABLED: { readonly act: string };
  /** Only a public node was to relay, and this one is not known to be. */
  NOT_PUBLIC: { readonly status: NatStatus['kind'] };
  /** The caller's signal fired. */
  CANCELLED: { readonly act: string };
  /** The service is not started, or stopped meanwhile. */
  STOPPED: { readonly act: string };
}

/** Closed codes of {@link NatError}. */
export type NatErrorCode = keyof NatErrorData;

const table: CodeTable<NatErrorData> = {
  INVALID_RELAY_ADDRESS: {
    message: ({ got, wanted }) => `Cannot dial through ${got}: want ${wanted}`,
    retryable: false,
    hint: 'Give the address of the relay with its peer id: /ip4/…/tcp/…/p2p/<relay>, with or without /p2p-circuit/p2p/<peer> behind it.',
  },
  RELAY_DIAL_FAILED: {
    message: ({ peerId, relay, reason }) => `Cannot reach ${peerId} through relay ${relay}: ${reason}`,
    retryable: true,
    hint: 'The peer must keep a place at this relay (enableRelayClient), and both must be connected to it; try another of its addresses.',
  },
  PEER_REFUSED: {
    message: ({ peerId, reason }) => `Cannot dial ${peerId}: this node refuses it: ${reason}`,
    retryable: false,
    hint: 'A ban, the address policy or a gater of this node says so, and no relay: call unbanPeer, or allow the address.',
  },
  RELAY_DISABLED: {
    message: ({ act }) => `Cannot do ${act}: relays are switched off`,
    retryable: false,
    hint: 'Set enableRelay to true.',
  },
  NOT_PUBLIC: {
    message: ({ status }) => `Cannot relay for others: this node is ${status}, want public`,
    retryable: true,
    hint: 'Wait for nat:changed, or leave onlyIfPublic out where you know that this node can be reached.',
  },
  CANCELLED: {
    message: ({ act }) => `Cannot finish ${act}: the caller cancelled it`,
    retryable: true,
    hint: 'Call again without aborting the signal.',
  },
  STOPPED: {
    message: ({ act }) => `Cannot do ${act}: the nat service is not started`,
    retryable: false,
    hint: 'Start the node before the call, and keep it running until the call ends.',
  },
};

/** What relays and reachability could not do. Compare `code`, never the message. */
export class NatError<C extends NatErrorCode = NatErrorCode> extends LloomError<C, NatErrorData[C]> {
  constructor(code: C, data: NatErrorData[C], options: { cause?: unknown } = {}) {
    super('NatError', table[code], { code, data, ...options });
  }

  /** Whether `error` is a `NatError`, with that code when one is given. */
  static is<C extends NatErrorCode>(error: unknown, code?: C): error is NatError<C> {
    return isCodedError(error, 'NatError', code);
  }
}
