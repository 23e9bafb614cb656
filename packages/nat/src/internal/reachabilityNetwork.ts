/** How far an IP address can be reached from. */
export type IpScope = 'global' | 'private' | 'loopback';

/** An IP address as somebody sees it. */
export interface SeenIp {
  readonly ip: string;
  readonly family: 4 | 6;
  readonly scope: IpScope;
}

/** An address of this node that names an IP address. */
export interface Endpoint extends SeenIp {
  /** As a multiaddr, without a peer id. */
  readonly address: string;
}

/** What a peer says it sees this node at. */
export interface Sighting extends SeenIp {
  /** The IP address of the peer. */
  readonly by: string;
}

/** A peer that tries addresses for others. */
export interface AddressServer extends SeenIp {
  readonly peerId: string;
  /** Its network: whoever has one address of it can have more of them. */
  readonly network: string;
}

/** What is known of this node's addresses, and of those who can be asked about them. */
export interface ReachabilityView {
  /** Where it listens; on all interfaces is one for each. */
  readonly listening: readonly Endpoint[];
  /** What the user lets others know. */
  readonly announced: readonly Endpoint[];
  /** One for each direct connection whose peer has said it. */
  readonly sightings: readonly Sighting[];
  /** Peers with a direct connection that try addresses for others. */
  readonly servers: readonly AddressServer[];
}

/** Which peer is asked to try which address: only one, so that the peer has no choice. */
export interface ReachabilityQuestion {
  readonly peerId: string;
  readonly address: string;
  readonly signal: AbortSignal;
}

/** What a peer found. */
export type ReachabilityAnswer =
  /** It got through to this node, and that was proven. That it did at the address is its word. */
  | { readonly kind: 'reachable' }
  /** It did not get through. Nobody can prove that. */
  | { readonly kind: 'unreachable' }
  /** It cannot, or may not, dial the address. */
  | { readonly kind: 'refused' }
  /** It says nothing that counts. */
  | { readonly kind: 'silent'; readonly reason: string };

/** How others are answered. */
export interface ReachabilityServerConfig {
  readonly throttleIntervalMs: number;
  readonly onlyGlobalIps: boolean;
}

/** What finding out whether this node can be reached takes. */
export interface ReachabilityNetwork {
  /** Watches connections and addresses from now on. `changed` is called when the view may be another one. */
  start(changed: () => void): Promise<void>;
  /** Watches, takes and answers nothing any more, and ends what is under way. */
  stop(): Promise<void>;
  /** Whether the dials of those who are asked are taken. Nothing can be asked else. */
  setAsking(isAsking: boolean): Promise<void>;
  /** How others are answered from now on; `undefined` for not at all, which ends what is under way. */
  setServing(config: ReachabilityServerConfig | undefined): Promise<void>;
  view(): ReachabilityView;
  /** Never rejects. */
  ask(question: ReachabilityQuestion): Promise<ReachabilityAnswer>;
  /** Lets others know of an address, for it was verified. */
  confirm(address: string): void;
  /** Takes that back. */
  withdraw(address: string): void;
}
