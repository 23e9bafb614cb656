import type { PeerId } from '@libp2p/interface';
import type { EventSource } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { NatEvents } from './events.ts';
import type {
  AutonatConfig,
  CallConfig,
  NatExplanation,
  NatStatus,
  RelayClientConfig,
  RelayedCircuit,
  RelayedConnection,
  RelayServerConfig,
} from './types.ts';

/** Knows whether this node can be reached, and has it reached through relays and NATs. */
export interface Nat extends EventSource<NatEvents> {
  /**
   * Asks peers from now on whether they can reach this node, and answers those who ask. Called again, it changes the
   * configuration and keeps what is known, as far as the new one admits it. Before the node starts, and after it has stopped, this
   * and the other calls that enable something resolve at once: it is kept for the next start.
   *
   * @throws {ConfigError} `INVALID_CONFIG`; nothing was changed then
   * @example
   * ```ts
   * await nat.enableAutonat({ confidenceThreshold: 3, throttleIntervalMs: 10_000 });
   * nat.addEventListener('nat:changed', ({ detail }) => console.log(detail.status.kind));
   * ```
   */
  enableAutonat(config?: AutonatConfig): Promise<void>;
  /** Asks nobody any more, and answers nobody. The status is `unknown` from then on; verified addresses are taken back. */
  disableAutonat(): Promise<void>;
  /** Whether others can reach this node, as far as it is known. */
  natStatus(): NatStatus;
  /** Everything that is known of how this node can be reached: for people, logs and tests. */
  explainNat(): NatExplanation;
  /**
   * Keeps places at relays from now on, so that this node can be reached through them: lost ones are asked for again, with
   * growing pauses, for as long as it takes. Resolves when that has begun; `relay:reserved` tells of each place. Called again,
   * it changes the configuration; what both have in common stays. Without this call it begins by itself, with the
   * configuration of the service, when this node turns out to be private.
   *
   * @throws {ConfigError} `INVALID_CONFIG`; nothing was changed then
   * @throws {AddressError} for a relay's address that cannot be used
   * @throws {NatError} `RELAY_DISABLED`
   */
  enableRelayClient(config?: RelayClientConfig): Promise<void>;
  /** Gives every place up, and does not begin by itself again. Connections through relays stay until they end. */
  disableRelayClient(): Promise<void>;
  /** Where others can dial this node through relays now, each ending in `/p2p-circuit`. */
  relayAddresses(): string[];
  /**
   * Opens a connection to a peer through a relay. One through this relay that is there already and still carries something is
   * given instead, and `undefined` when there is one without a relay. Takes at most 10 s.
   * The user's word counts as for `dialPeer`: a peer that was disconnected a moment ago is dialled all the same.
   *
   * @param relayAddr the relay's address with its peer id, with or without `/p2p-circuit/p2p/<peer id>` behind it
   * @throws {ConfigError} for a signal that is none
   * @throws {AddressError} for an address or peer id that cannot be used
   * @throws {NatError} `INVALID_RELAY_ADDRESS`, `RELAY_DIAL_FAILED`, `PEER_REFUSED`, `RELAY_DISABLED`, `CANCELLED`, `STOPPED`
   */
  dialPeerThroughRelay(
    peer: PeerId | string,
    relayAddr: Multiaddr | string,
    config?: CallConfig,
  ): Promise<RelayedConnection | undefined>;
  /**
   * Carries connections for others from now on. Called again, it changes the configuration: places that were taken stay for as
   * long as they were promised. It works on a node that is not public as well, and warns, for some networks are private.
   *
   * @throws {ConfigError} `INVALID_CONFIG`; nothing was changed then
   * @throws {NatError} `RELAY_DISABLED`, `NOT_PUBLIC`
   */
  enableRelayServer(config?: RelayServerConfig): Promise<void>;
  /** Ends all places and all connections that go through this node. */
  disableRelayServer(): Promise<void>;
  /**
   * The connections that this node carries for others now, the oldest first; at most 4,096, and none while it does not relay. A
   * relay sees who talks to whom and how much, and nothing of what.
   *
   * @param peer only those that this peer has asked for, or is reached by. @default those of all
   */
  relayedCircuits(peer?: PeerId | string): readonly RelayedCircuit[];
  /**
   * Those that ended within the last 30 s, however they did: the last 256, the one that ended first at the front. They are told
   * also when this node does not relay any more.
   *
   * @param peer only those that this peer had asked for, or was reached by. @default those of all
   */
  endedCircuits(peer?: PeerId | string): readonly RelayedCircuit[];
  /**
   * How many bytes a connection to a peer still carries, both ways together: of several connections, the one that carries most.
   * `undefined` when no limit is known: as many as one likes, and also no connection, or none of that name. 0 from 5 s before a
   * relay would end the last one for its age. Asked often: it is quick.
   *
   * For data in chunks of 2 KiB and more: what those cost beside their bytes is taken off. Count 40 bytes more for each smaller
   * chunk that is sent by itself, and 400 for each stream that is opened. Streams share what is left: what was promised to
   * others and not sent yet is not taken off, nor what the peer has sent and did not arrive.
   *
   * @param connectionId the connection that is meant, as libp2p names it. @default the one that carries most
   */
  bytesLeft(peer: PeerId | string, connectionId?: string): number | undefined;
  /**
   * Makes room for so many bytes where a relay would let too few through: a direct connection, or else another one through the
   * same relay when that would let them through. Resolves with whether there is room now. Several callers share one attempt,
   * which takes at most 10 s. The connection that was replaced is closed when nothing runs on it any more.
   *
   * @throws {NatError} `CANCELLED`
   */
  makeRoom(peer: PeerId | string, bytes: number, config?: CallConfig): Promise<boolean>;
  /** Whether a connection to the peer is needed, for it is a relay that this node is reached through, or to be upgraded. */
  isNeeded(peer: PeerId | string): boolean;
}
