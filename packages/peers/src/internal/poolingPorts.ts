import type { Clock, Inspector, Random } from '@lloom/core';

import type { CloseCause } from '../events.ts';
import type { Log, NetworkConnection, RoleSource, UsageSource } from '../ports.ts';
import type { ConnectionLimits } from '../types.ts';

/** A connected peer, as the service knows it. */
export interface PooledPeer {
  readonly peerId: string;
  readonly isMaintained: boolean;
  /** Open ones, never empty. */
  readonly connections: readonly NetworkConnection[];
}

/** What the pool needs of the service. */
export interface PoolingPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly inspect: { readonly inspect?: Inspector };
  /** This node's own: two nodes keep the same of two connections between them by comparing their ids. */
  readonly selfPeerId: string;
  /** Complete, relays included. */
  readonly roles: RoleSource;
  readonly usage: UsageSource | undefined;
  limits(): ConnectionLimits;
  /** Those with an open connection that nobody is closing. */
  connected(): readonly PooledPeer[];
  /** Known peers that are neither connected, being dialled, banned nor cooling down, with what is known of where they are. */
  known(): readonly string[];
  reputationOf(peerId: string): number;
  /** How much other services hold of a peer: the sum of its tags. */
  tagValueOf(peerId: string): number;
  close(peerId: string, connectionId: string, cause: CloseCause): void;
  /** Resolves when connected. `isRenewal`: a new connection beside the one there is. */
  dial(
    peerId: string,
    addresses: readonly string[],
    config: { readonly signal: AbortSignal; readonly isRenewal: boolean },
  ): Promise<void>;
  readonly log: Log;
}
