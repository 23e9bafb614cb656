import type {
  PricingInfo,
  RegistryModel,
  RegistryStatistics,
  ServiceDescriptor,
  ServiceType,
} from '@lloom/codec';

/** What one looks for: executors, executors of one model, or validators. */
export type ServiceQuery =
  | { readonly kind: 'executor'; readonly model?: string }
  | { readonly kind: 'validator' };

/** The two kinds of service. */
export type ServiceKind = ServiceType['kind'];

/** A peer that said, signed and lately, that it offers what was asked for. */
export interface Provider {
  readonly peerId: string;
  /** Where it can be reached, in its own words; what others say when it names nothing that can be used. */
  readonly addresses: readonly string[];
  /** Its offer. */
  readonly info: ServiceType;
  /** When this node heard it say so, in ms since 1970. */
  readonly heardAt: number;
  /** What it runs, in its own words. */
  readonly agentVersion?: string;
}

/** How one search is made. */
export interface FindConfig {
  /** Ends the search as soon as so many providers are confirmed, 1 to 1,024. @default 1,024 */
  readonly limit?: number;
  /** Gives up. */
  readonly signal?: AbortSignal;
  /** How long it may take, in ms. @default the service's `queryTimeoutMs` */
  readonly timeoutMs?: number;
  /**
   * How old a peer's word may be to count without the peer being asked again, in ms. When the same was looked for within
   * that time, the network is not asked at all. 0 asks everybody.
   * @default the service's `announcementIntervalMs` for lists, 0 for what is iterated
   */
  readonly maxAgeMs?: number;
}

/** How to wait for something that goes on without the one who waits. */
export interface WaitConfig {
  /** Stops the wait, not what is waited for. */
  readonly signal?: AbortSignal;
}

/** A provider that did not count, and why. */
export interface Rejection {
  readonly peerId: string;
  /**
   * `NOT_OFFERED`; `UNREACHABLE`; the reason of a `DESCRIPTOR_REFUSED`; an {@link Unsuitable} when one was to be selected;
   * `DUPLICATE`, `WRONG_PEER`, `NOT_AVAILABLE` or `TOO_MANY` in the answer of a registry.
   */
  readonly reason: string;
}

/** A bootstrap address that did not work, and why. */
export interface AddressFailure {
  readonly address: string;
  readonly reason: string;
}

/** A peer that the DHT names: a hint, until the peer itself confirms it. */
export interface FoundPeer {
  readonly peerId: string;
  readonly addresses: readonly string[];
}

/** Who else is wanted. */
export interface AlternativeQuery {
  /** The peer for which somebody is to stand in. It is never the answer. */
  readonly peerId: string;
  /** What they must serve. @default any model that the peer is known to serve */
  readonly model?: string;
  /** What they must be able to do beyond chat, as they offer it. @default nothing */
  readonly features?: readonly string[];
  /** Peers that are not wanted either. @default nobody */
  readonly exclude?: readonly string[];
}

/** What counts when one executor of several is chosen. */
export type Preference = 'price' | 'latency' | 'throughput';

/** How much each counts, from 0; only their ratios matter. What is absent counts nothing. */
export type PreferenceWeights = { readonly [P in Preference]?: number };

/** What the chosen executor must be like. */
export interface SelectionQuery {
  readonly model: string;
  /**
   * The most that a token may cost, in wei as a decimal text: one bound for both prices, or one for each. Executors that
   * name no price do not suit then.
   * @default any price
   */
  readonly maxPrice?: string | PricingInfo;
  /** How many tokens question and answer have together, at least. Who does not say does not suit. @default any */
  readonly minContext?: number;
  /** What it must be able to do beyond chat. @default nothing */
  readonly features?: readonly string[];
  /** What counts most. @default all three alike */
  readonly prefer?: Preference | PreferenceWeights;
  /** Peers that are not wanted. @default nobody */
  readonly exclude?: readonly string[];
}

/** Why a provider of the model was not selected from. */
export type Unsuitable =
  | 'EXCLUDED'
  | 'PRICE_UNKNOWN'
  | 'PRICE_TOO_HIGH'
  | 'CONTEXT_UNKNOWN'
  | 'CONTEXT_TOO_SHORT'
  | 'FEATURE_MISSING'
  /** Its reputation is -50 or less. */
  | 'REPUTATION';

/** One figure of a candidate. */
export interface RankedFigure {
  /** As it is known. What is not counts like the middle of the others; a price that is not named, like the highest. */
  readonly value?: number;
  /** From 0, the worst of all who suit, to 1, the best; those that are only excluded count among them. */
  readonly score: number;
}

/** One who could have been selected. */
export interface RankedCandidate {
  readonly provider: Provider;
  /**
   * From 0 to 1, less what a reputation below 0 costs: a twentieth of it a point. Among those that are equally free, the highest
   * is selected.
   */
  readonly score: number;
  /** What is held of it, from -100 to 100; absent when nothing is known. */
  readonly reputation?: number;
  /** Whether others are the better choice now, as far as this node has seen: these come last. @default false */
  readonly isAvoided?: boolean;
  /**
   * Whether it would begin at once: it has free slots, or does not say, and has less of this node than its capacity. Those that
   * would not come behind.
   */
  readonly isFree: boolean;
  /** The price in wei of a token of the question and three of the answer, latency in ms, tokens per second. */
  readonly figures: Readonly<Record<Preference, RankedFigure>>;
}

/** Why one was selected. */
export interface SelectionExplanation {
  readonly query: SelectionQuery;
  /** What counted, as shares of 1. */
  readonly weights: Readonly<Record<Preference, number>>;
  /** All who suited, the selected one first. */
  readonly candidates: readonly RankedCandidate[];
  /** All others of whom it is known why not. */
  readonly rejected: readonly Rejection[];
  /** The same for people: a line for the choice, and one for each candidate and each reason. */
  readonly text: string;
}

/** The executor that was selected. */
export interface Selection extends Provider {
  /** Why this one, and why not the others. */
  explain(): SelectionExplanation;
}

/** Why a descriptor that arrived was dropped. */
export type DropReason =
  /** It cannot be read, or is valid for too long. */
  | 'MALFORMED'
  /** Its signature proves nothing. */
  | 'FORGED'
  /** It is signed by somebody else than the peer that it is about, or told by a peer that may tell only its own. */
  | 'FOREIGN'
  /** It has expired, is not valid yet, or a newer one is known. */
  | 'STALE'
  /** It is known already, and told by somebody else than its peer: it proves no life. */
  | 'REPLAYED'
  /** Its peer announces too often. */
  | 'TOO_MANY';

/** What is known of others, in numbers. */
export interface DescriptorCounts {
  /** Peers whose offer is known and believed now. */
  readonly live: number;
  /** Peers of whom anything is kept. */
  readonly kept: number;
  /** Descriptors that were believed, since the service was created. */
  readonly accepted: number;
  /** Descriptors that were not, by reason. */
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/** Everything that is under way, as plain JSON. */
export interface DiscoverySnapshot {
  /** Whether the service is started. */
  readonly running: boolean;
  /** Every recorded offer with the state of its machine. */
  readonly advertisements: readonly { readonly service: ServiceType; readonly state: string }[];
  readonly announcement: { readonly state: string };
  readonly bootstrap: { readonly state: string; readonly peers: readonly string[] };
  readonly refresh: { readonly state: string; readonly interests: readonly ServiceQuery[] };
  readonly registry: { readonly state: string };
  /** Every name that is joined with the state of its machine. */
  readonly rendezvous: readonly { readonly name: string; readonly state: string }[];
  readonly descriptors: DescriptorCounts;
  /** Peers that were sighted on the local network and have not expired. */
  readonly localPeers: readonly string[];
}

/** An executor in the registry of a validator: proven by its own signature, the rest is the validator's word. */
export interface RegisteredExecutor {
  /** Proven: what the executor itself signed. The validator can leave it out, but not change it. */
  readonly descriptor: ServiceDescriptor;
  /** When the executor signed it, by its own clock, in ms since 1970. */
  readonly signedAt: number;
  /** Whether the validator says to be connected to it. */
  readonly isConnected: boolean;
  /** When the validator says to have heard of it last, in ms since 1970. */
  readonly lastSeenAt: number;
  /** In how many of the validator's sweeps the executor was heard, as it says: a share from 0 to 1. */
  readonly successRate?: number;
}

/**
 * What a validator says of the network: a convenience, never an authority. Executors are proven one by one; models and
 * statistics are its word.
 */
export type RegistryAnswer =
  | {
      readonly type: 'modelList';
      readonly models: readonly RegistryModel[];
      /** How many there are on all pages. */
      readonly totalCount: number;
    }
  | {
      readonly type: 'executorList';
      readonly executors: readonly RegisteredExecutor[];
      /** Those whose descriptor proves nothing, or does not match the question. */
      readonly refused: readonly Rejection[];
      readonly totalCount: number;
    }
  | {
      readonly type: 'executorDetails';
      /** `undefined` when the validator does not know it, or shows nothing that proves it. */
      readonly executor: RegisteredExecutor | undefined;
      readonly refused: readonly Rejection[];
    }
  | ({ readonly type: 'statistics' } & RegistryStatistics);
