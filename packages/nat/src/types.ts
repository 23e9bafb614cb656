/** Whether others can reach this node from outside, as far as it is known. */
export type NatStatus =
  /** Somebody who was asked to has dialled the address, and got through. */
  | { readonly kind: 'public'; readonly address: string }
  /** Somebody tried every address that could be the node's, and got through to none. */
  | { readonly kind: 'private' }
  /** Nobody has tried yet, nobody could, or what was tried is too long ago. */
  | { readonly kind: 'unknown' };

/** What a NAT does with the port of a connection that leaves from one local port. */
export type NatMapping =
  /** There is none: peers see the address that the machine has. */
  | 'none'
  /** The same port outside whoever is dialled: peers behind two such NATs can meet. */
  | 'endpoint-independent'
  /** Another port for every peer, also called symmetric: nobody can be told where to dial. */
  | 'endpoint-dependent'
  /** Too few peers have said what they see. */
  | 'unknown';

/** How others are asked whether they can reach this node, and how this node answers them. Every field is optional. */
export interface AutonatConfig {
  /**
   * Whether this node answers others who ask whether they can be reached: it dials them for it.
   * @default true - the specification's `enable_server`
   */
  readonly enableServer?: boolean;
  /**
   * How sure a verdict can become: so many verdicts to the contrary, in a row, overturn one that was confirmed as often or
   * more often. The first verdict counts at once. From 1 to 100.
   * @default 3 - the specification's `confidence_threshold`
   */
  readonly confidenceThreshold?: number;
  /**
   * How long this node waits before it asks the same peer again, and before it dials for the same peer again, in ms: from
   * 10 to an hour.
   * @default 10_000 - the specification's `throttle_interval`
   */
  readonly throttleIntervalMs?: number;
  /**
   * Whether only addresses that the whole internet can route are asked for and dialled. `false` is for networks of their own,
   * such as those of tests: there any address counts that is not unspecified, loopback too.
   * @default true - the specification's `only_global_ips`
   */
  readonly onlyGlobalIps?: boolean;
}

/** Through which relays this node can be reached. Every field is optional. */
export interface RelayClientConfig {
  /**
   * Addresses of relays, each ending in `/p2p/<peer id>`, several for one relay allowed. A reservation is kept at each of these
   * relays, and none is searched for. At most 64 addresses of 16 relays.
   * @default [] - relays are searched for among the peers that are known and in the DHT
   */
  readonly relays?: readonly string[];
  /**
   * At how many relays that were found a place is kept: from 1 to 16.
   * @default 2 - one may go
   */
  readonly maxReservations?: number;
}

/** How much this node carries for others. Every field is optional. */
export interface RelayServerConfig {
  /**
   * How many peers may be reached through this node: from 1 to 10,000.
   * @default 128 - libp2p has 15
   */
  readonly maxReservations?: number;
  /**
   * How long a place is kept without being renewed, in ms: from a minute to a day.
   * @default 3_600_000 - an hour, as relays of Go
   */
  readonly reservationTtlMs?: number;
  /**
   * How many bytes one connection may carry each way, as circuit relay v2 has it: from 1,024 to 2^40. `Infinity` for no limit of
   * bytes or time.
   * @default 67_108_864 - 64 MiB, 500,000 streamed tokens at 130 bytes; libp2p has 128 KiB, which cuts a long answer
   */
  readonly maxConnectionBytes?: number;
  /**
   * How long one connection may last, in ms: from 10 s to a day.
   * @default 1_800_000 - half an hour; libp2p has two minutes, which cuts a slow answer
   */
  readonly maxConnectionMs?: number;
  /**
   * Whether to refuse to start while nobody has found this node to be public.
   * @default false - it starts, and warns where it is not known to be public
   */
  readonly onlyIfPublic?: boolean;
}

/** A connection through a relay. */
export interface RelayedConnection {
  readonly peerId: string;
  /** The relay in between. */
  readonly relay: string;
  /** The whole way, as a multiaddr. */
  readonly remoteAddress: string;
  /** What the relay still lets through; absent when it has no limit. */
  readonly limits?: RelayLimits;
}

/** What a relay still lets through on one connection. */
export interface RelayLimits {
  /** Both ways together. */
  readonly bytes?: number;
  readonly ms?: number;
}

/** A connection between two others that goes through this node. */
export interface RelayedCircuit {
  /** Who has asked for it. */
  readonly from: string;
  /** Who is reached by it, and keeps a place here. */
  readonly to: string;
  /** Since when bytes pass, in ms since 1970. */
  readonly openedAt: number;
  /** How many bytes have passed so far, both ways together: encrypted, with all that the two say to each other beside. */
  readonly bytes: number;
  /** How many more pass before it ends, on the way that has less left; absent when there is no limit. */
  readonly bytesLeft?: number;
  /** When it ended, in ms since 1970; absent while it is open. */
  readonly endedAt?: number;
}

/** How a call may be cut short. */
export interface CallConfig {
  /** Ends the call. */
  readonly signal?: AbortSignal;
}

/** Where the search for a way to a peer that does without a relay stands. */
export type UpgradeState = 'waiting' | 'dialing' | 'agreeing' | 'punching' | 'direct' | 'relayed';

/** How a connection came to do without its relay. */
export type UpgradeWay =
  /** This node dialled an address of the peer that can be reached by everybody. */
  | 'dialed'
  /** The peer did that with an address of this node. */
  | 'reversed'
  /** Both dialled at once, through their NATs. */
  | 'punched';

/** Why a connection goes on through its relay. */
export type StaysRelayedReason =
  /** This node's NAT gives each connection a port of its own: nobody can be told where to dial. */
  | 'own NAT is symmetric'
  /** The peer said no address that could be dialled; its NAT may be of that kind. */
  | 'peer has no address to punch'
  /** This node has none. */
  | 'no address to punch'
  /** The peer does not speak DCUtR, or does not answer. */
  | 'peer does not take part'
  /** All was tried, and nothing came through. */
  | 'nothing came through'
  /** It is switched off here. */
  | 'disabled';

/** Where a place at a relay stands. */
export type ReservationState = 'connecting' | 'reserving' | 'reserved' | 'waiting' | 'ended';

/** All that is known of how this node can be reached. For people and logs: fields may be added. */
export interface NatExplanation {
  readonly status: NatStatus;
  /** How often the status was confirmed: from 0 to `confidenceThreshold`. */
  readonly confidence: number;
  readonly mapping: NatMapping;
  /** What may be this node's addresses, and what was found. */
  readonly candidates: readonly {
    readonly address: string;
    readonly verdict: 'reachable' | 'unreachable' | 'untested';
    /** Who tried it last. */
    readonly triedBy?: string;
    /** In ms since 1970. */
    readonly triedAt?: number;
  }[];
  /** How many peers could be asked. */
  readonly servers: number;
  readonly isAutonatEnabled: boolean;
  readonly isAutonatServer: boolean;
  readonly isRelayClient: boolean;
  readonly isRelayServer: boolean;
  readonly relays: readonly {
    readonly relay: string;
    readonly state: ReservationState;
    readonly addresses: readonly string[];
    /** When the place is lost unless it is renewed, in ms since 1970. */
    readonly expiresAt?: number;
    /** How often in a row it failed. */
    readonly failures: number;
    readonly lastFailure?: string;
    /** When it is asked again, in ms since 1970. */
    readonly retryAt?: number;
  }[];
  readonly upgrades: readonly {
    readonly peerId: string;
    readonly state: UpgradeState;
    readonly reason?: StaysRelayedReason;
    /** When it is tried again, in ms since 1970. */
    readonly retryAt?: number;
  }[];
}
