import type {
  ComponentLogger,
  ConnectionEncrypter,
  PeerDiscovery,
  PeerId,
  PrivateKey,
  StreamMuxerFactory,
  Transport,
  Upgrader,
} from '@libp2p/interface';
import type { Datastore } from 'interface-datastore';
import type { Clock, Random } from '@lloom/core';
import type { DiscoveryComponents } from './adapters/discovery.ts';
import type { StandIns } from './adapters/standIns.ts';
import type { TransportComponents } from './adapters/transport.ts';
import type { LinkConfig } from './link.ts';
import type { HostBandwidth, LinkEnd, LinkPreset, LinkRule } from './presets.ts';
import type { Trace } from './trace.ts';

/**
 * How much of libp2p runs between two nodes:
 *
 * - `full`: Noise, Yamux and protocol negotiation, as in production;
 * - `wire`: the same without encryption;
 * - `fast`: streams as objects, no encryption and no negotiation: a stream opens one round trip sooner.
 */
export type Fidelity = 'full' | 'wire' | 'fast';

/** What libp2p lends an encryption. */
export interface EncrypterComponents {
  readonly peerId: PeerId;
  readonly privateKey: PrivateKey;
  readonly upgrader: Upgrader;
  readonly logger: ComponentLogger;
}

/** What libp2p lends a muxer. */
export interface MuxerComponents {
  readonly logger: ComponentLogger;
}

/** The parts of a libp2p configuration that tie a node to its simulated host. */
export interface SimStack {
  /** TCP of the simulated network. */
  readonly transports: ((components: TransportComponents) => Transport)[];
  /** Noise, or plaintext. */
  readonly connectionEncrypters: ((components: EncrypterComponents) => ConnectionEncrypter)[];
  /** Yamux. */
  readonly streamMuxers: ((components: MuxerComponents) => StreamMuxerFactory)[];
}

/** One machine of a simulated network: what a node on it is made of. Give all of it to the node. */
export interface SimHost {
  /** `n0`, `n1`, … unless names were given. */
  readonly name: string;
  /** Its number, from 0. */
  readonly index: number;
  /** The address of its network card. */
  readonly ip: string;
  /** Where its node listens: `/ip4/<ip>/tcp/4001`. */
  readonly address: string;
  /** 32 bytes that follow from seed and name: a private key of any kind. Never use it outside a simulation. */
  readonly keyBytes: Uint8Array;
  /** An Ed25519 key from {@link keyBytes}. */
  readonly privateKey: PrivateKey;
  /** Time of the network. */
  readonly clock: Clock;
  /** Chance of this host alone. */
  readonly random: Random;
  /** What its disk holds. In memory; survives `restart`, with what was written until the crash. */
  readonly datastore: Datastore;
  /** Transports, encryption and muxers: spread it into the configuration of `createLibp2p`. */
  readonly stack: SimStack;
  /** In place of mDNS: add it to `peerDiscovery` of `createLibp2p`. */
  readonly localDiscovery: (components: DiscoveryComponents) => PeerDiscovery;
  /** In place of libp2p's own services, for networks of very many nodes. */
  readonly standIns: StandIns;
}

/** What a network needs of a node. A libp2p node has it, and so has a `LloomBehaviour`. */
export interface Stoppable {
  /** Ends it. A promise is awaited. */
  stop(): unknown;
}

/** How to build a network. */
export interface TestNetworkConfig<N extends Stoppable> {
  /** How many nodes, or their names. At most 10,000; none when all are spawned later. */
  readonly nodes: number | readonly string[];
  /**
   * Builds and starts a node on a host. Called for one host after the other, and again when a node is restarted.
   * `others` are the nodes that run already, by name.
   */
  readonly createNode: (host: SimHost, others: ReadonlyMap<string, N>) => Promise<N> | N;
  /** How hosts are connected: a link for all, a preset, or a rule for each pair. @default no delay, no loss */
  readonly link?: LinkConfig | LinkPreset | LinkRule;
  /** What each host can send and receive. Asked once for each host. @default unlimited */
  readonly bandwidth?: (host: LinkEnd) => HostBandwidth;
  /** What all chance follows from. @default 1, or the environment variable `SIM_SEED` */
  readonly seed?: number;
  /** How much of libp2p runs between two nodes. @default 'fast' */
  readonly fidelity?: Fidelity;
  /** How many lines of the trace are kept. @default 1_000 */
  readonly keptTraceLines?: number;
  /** Told each line of the trace when it is written. What it throws breaks the act that was to be noted. @default nobody */
  readonly onTrace?: (line: string) => void;
}

/** How long to wait, and for what. */
export interface WaitConfig {
  /** How much virtual time it may take, in ms. @default 60_000 */
  readonly timeoutMs?: number;
  /** What is waited for, in words, for the error. */
  readonly what?: string;
}

/** How a node goes down. */
export interface CrashConfig {
  /**
   * Whether the whole machine goes down, so that nobody is told. When only the process dies, its system resets every
   * connection.
   * @default false
   */
  readonly isSilent?: boolean;
}

/** How a node comes back. */
export interface RestartConfig {
  /** What its disk holds then. @default 'kept' - what was written until the crash */
  readonly datastore?: 'kept' | 'empty';
}

/** What went over the links of a network so far. */
export interface Traffic {
  /** Attempts to open a connection. */
  readonly dials: number;
  /** Segments sent; those lost count once more for each time that they were sent again. */
  readonly segments: number;
  /** Of those, the lost ones. */
  readonly lostSegments: number;
  /** What nodes sent in them, each byte once, without headers. */
  readonly bytes: number;
}

/** Something that must hold of a network. */
export interface Property {
  readonly what: string;
  /** `pending`: not decided yet. */
  readonly status: 'pending' | 'holds' | 'violated';
  /** When it was decided, in ms of virtual time. */
  readonly decidedAtMs: number | undefined;
  /** Asks no more. An `always` that was never violated holds then. */
  end(): void;
}

/** When a property is asked. */
export interface AlwaysConfig {
  /** The moment from which on it must hold, in ms of virtual time. @default now */
  readonly fromMs?: number;
  /** How often it is asked, in ms. @default 0 - after every instant */
  readonly everyMs?: number;
}

/** When a property must have come true, and how often it is asked. */
export interface EventuallyConfig {
  /** How much virtual time it has from now on, in ms. */
  readonly withinMs: number;
  /** How often it is asked, in ms. @default 0 - after every instant */
  readonly everyMs?: number;
}

/** Nodes in virtual time, and the faults that may befall them. */
export interface TestNetwork<N extends Stoppable> {
  /** What all chance follows from. */
  readonly seed: number;
  /** What happened so far. */
  readonly trace: Trace;
  /** Whether it was stopped, in an orderly way or not. */
  readonly isStopped: boolean;
  /** Time of the network: `elapsed()` is 0 when it begins. */
  readonly clock: Clock;
  /** The nodes that run, by name. */
  readonly nodes: ReadonlyMap<string, N>;
  /** The names of all hosts, in order, also of those whose node is down. */
  readonly hosts: readonly string[];
  /** What went over the links so far. */
  readonly traffic: Traffic;
  /**
   * What a host sent so far.
   * @throws {SimkitError} `UNKNOWN_NODE`
   */
  trafficOf(name: string): Traffic;
  /**
   * Adds a host, and starts a node on it with `createNode`. Time passes for it as it does in {@link restart}; several may
   * be spawned at once. Partitions that are in force do not concern it, since it is in none of their groups; a machine
   * that is down is down for it as well. When its node does not start, the host stays, down, and may be restarted.
   * @throws {SimkitError} `INVALID_ARGUMENT` for a name that is taken or none, and for more than 10,000 hosts
   * @throws what `createNode` threw
   */
  spawn(name: string): Promise<N>;
  /**
   * From now on `isTrue` must say yes whenever it is asked. The first no ends the run of that time with `PROPERTY_VIOLATED`.
   * @throws {SimkitError} `INVALID_ARGUMENT`
   */
  always(what: string, isTrue: () => boolean, config?: AlwaysConfig): Property;
  /**
   * `isTrue` must say yes once within a time, while others let it pass. When it did not, the run of that moment ends with
   * `PROPERTY_VIOLATED`.
   * @throws {SimkitError} `INVALID_ARGUMENT`
   */
  eventually(what: string, isTrue: () => boolean, config: EventuallyConfig): Property;
  /**
   * The node of that name.
   * @throws {SimkitError} `UNKNOWN_NODE`; `WRONG_STATE` while it is down
   */
  node(name: string): N;
  /**
   * Lets virtual time pass.
   * @throws what a callback threw; {@link SimkitError} when time cannot move
   */
  runFor(ms: number): Promise<void>;
  /**
   * Lets virtual time pass until `isDone` says yes. It is asked after every instant.
   * @throws {SimkitError} `TIMEOUT`
   */
  runUntil(isDone: () => boolean, config?: WaitConfig): Promise<void>;
  /**
   * Lets virtual time pass until a promise settles, and returns what it held. The way to await anything that the
   * nodes do: without it time stands still, and so do they.
   * @throws what the promise was rejected with; {@link SimkitError} `TIMEOUT`
   */
  run<T>(act: Promise<T> | (() => Promise<T> | T), config?: WaitConfig): Promise<T>;
  /**
   * Calls `fn` when the clock's `elapsed()` is `elapsedMs`, or at once when that has passed. What it throws, or what a
   * promise that it returns is rejected with, ends the run of that time.
   * @throws {SimkitError} `INVALID_ARGUMENT`
   */
  at(elapsedMs: number, fn: () => unknown): void;
  /**
   * Nothing is sent from one group to another; what is on its way arrives. Hosts in no group reach everybody. Returns
   * what lifts it.
   * @throws {SimkitError} `UNKNOWN_NODE`, `INVALID_ARGUMENT`
   */
  partition(...groups: readonly (readonly string[])[]): () => void;
  /** Nothing gets from the hosts `from` to the hosts `to`; the other way is open. Returns what lifts it. */
  partitionOneWay(from: readonly string[], to: readonly string[]): () => void;
  /** Lifts every partition. */
  heal(): void;
  /**
   * Holds back what two hosts send each other, for as long as you like: no connection breaks. What is on its way
   * arrives.
   */
  hold(a: string, b: string): void;
  /** Lets pass what was held back. */
  release(a: string, b: string): void;
  /** Changes the link between two hosts, both ways; fields that are left out stay. */
  setLink(a: string, b: string, link: LinkConfig): void;
  /**
   * Ends a node without a goodbye.
   * @throws {SimkitError} `UNKNOWN_NODE`, `INVALID_ARGUMENT`, `WRONG_STATE` when it is down
   */
  crash(name: string, config?: CrashConfig): void;
  /**
   * Starts a crashed node again: same host, same key. Time passes for it; while time runs already, as in {@link at}
   * or inside {@link run}, it passes with that.
   * @throws {SimkitError} `UNKNOWN_NODE`, `INVALID_ARGUMENT`, `WRONG_STATE` when it is up
   */
  restart(name: string, config?: RestartConfig): Promise<N>;
  /**
   * Ends a run that is under way, stops all nodes and gives the process its real time back. May be called again, and by
   * several callers.
   * @throws {SimkitError} `STOP_FAILED` when nodes failed to stop, `TIMEOUT` when they did not within ten minutes
   */
  stop(): Promise<void>;
}
