import type { Inspector, LloomBehaviour, NetworkConfig, PricingInfo } from '@lloom/behaviour';
import type {
  BandwidthClass,
  CrashConfig,
  Fidelity,
  HostBandwidth,
  LinkConfig,
  LinkPreset,
  Property,
  RegionMatrix,
  RestartConfig,
  Trace,
  WaitConfig,
} from '@lloom/simkit';
import type { Measurement, MeasureFilter, MeasureName } from './measures.ts';
import type { SimulationReport } from './report/types.ts';

/** What a node does in the marketplace. A relay carries connections of others, and is where nodes join. */
export type NodeRole = 'executor' | 'client' | 'validator' | 'relay';

/**
 * How much of a node runs: those of `@lloom/simkit`, and
 *
 * - `model`: `fast`, where nodes know one another's protocols and addresses at once and the DHT is one table that all share:
 *   for a thousand nodes.
 */
export type SimulationFidelity = Fidelity | 'model';

/**
 * Whose address nodes are given to begin with:
 *
 * - `bootstrap`: that of the first nodes, one for each 50 of `numNodes`, relays and validators first;
 * - `random`: those of three others, drawn from the nodes spawned before;
 * - `ring`: that of the node spawned before;
 * - pairs of names: the first is given the address of the second.
 */
export type Topology = 'bootstrap' | 'random' | 'ring' | readonly (readonly [string, string])[];

/** How to build a {@link NetworkSimulator}. */
export interface SimulationConfig {
  /** How many nodes there may be, of all roles together: 1 to 10,000. The specification's `num_nodes`. */
  readonly numNodes: number;
  /** How long a byte is under way, one way, in ms. @default that of `link`, else 0 - the specification's `network_delay` */
  readonly networkDelayMs?: number;
  /** Which share of segments is lost, 0 to 0.9. @default that of `link`, else 0 - the specification's `packet_loss` */
  readonly packetLoss?: number;
  /** How much longer a byte may be under way, in ms. @default that of `link`, else 0 */
  readonly jitterMs?: number;
  /**
   * How all nodes are connected: a preset, or a link of your own. In `global`, nodes live in regions, in turn unless they are
   * given one. The three fields above go before it.
   * @default a perfect link
   */
  readonly link?: LinkPreset | LinkConfig;
  /**
   * Links of your own between regions, those of `global` or your own, at most 100: a link for each pair, or its delay alone, one
   * way, in ms. Both ways, unless the other way is given as well. With it the links are `global`; nodes live in your regions in
   * turn when it names no others. Regions of your own need a link to each region where there are nodes, themselves included.
   * @default {} - as in `global`
   */
  readonly regions?: RegionMatrix<string>;
  /** What all chance follows from. @default 1, or the environment variable `SIM_SEED` */
  readonly seed?: number;
  /** How much of a node runs. @default 'fast' */
  readonly fidelity?: SimulationFidelity;
  /** Who knows whom at the beginning. @default 'bootstrap' */
  readonly topology?: Topology;
  /** Configuration of every node; those of single nodes go before it. @default as in production, under the policy `lan` */
  readonly node?: NetworkConfig;
  /** How often the network is looked at for `report()`, in virtual ms: 10 to 3,600,000. @default 1_000 */
  readonly sampleIntervalMs?: number;
  /** How many lines of the trace are kept. @default 1_000 */
  readonly keptTraceLines?: number;
  /** Told each line of the trace when it is written. @default nobody */
  readonly onTrace?: (line: string) => void;
  /**
   * Sees the state machines of all nodes. A recorder of `@lloom/inspector` can be given as it is, and then knows whose each
   * machine is. What is seen changes nothing of the run. @default nobody
   */
  readonly inspect?: Inspector | NodeInspector;
}

/** What tells the machines of one node from those of another. */
export interface NodeInspector {
  /** What sees the machines of a node; called once a node, with `{ node, role }`, as `{ node: 'e0', role: 'executor' }`. */
  inspectAs(labels: { readonly node: string; readonly role: NodeRole }): Inspector;
}

/** What nodes of every role may be given. */
export interface NodeOptions {
  /** What they are called, with a number each. @default 'e', 'c', 'v' or 'r', by role */
  readonly group?: string;
  /** Where they are, when the links are `global`: a region of it, or one that `regions` names. @default each region in turn */
  readonly region?: string;
  /** What their machines can send and receive. @default unlimited */
  readonly bandwidth?: BandwidthClass | HostBandwidth;
  /** Configuration of these nodes; goes before that of all. */
  readonly config?: NetworkConfig;
}

/**
 * What an executor does with requests:
 *
 * - `serves`: answers;
 * - `refuses`: says that it does not have the model;
 * - `hangs`: takes the request and says nothing more;
 * - `fails`: breaks off after the first half of the answer.
 */
export type Conduct = 'serves' | 'refuses' | 'hangs' | 'fails';

/** Executors: they announce models, and answer for a price. */
export interface ExecutorOptions extends NodeOptions {
  /** @default ['demo-small'] */
  readonly models?: readonly string[];
  /** How many requests they work on at the same time, 1 to 10,000. @default 4 */
  readonly capacity?: number;
  /** The capacity that they announce, 1 to 100,000. @default `capacity`: the truth */
  readonly announcedCapacity?: number;
  /** How many requests may wait behind those, before the next is told BUSY. @default as in production */
  readonly queue?: number;
  /** In wei per token. @default 1 inbound, 2 outbound */
  readonly pricing?: PricingInfo;
  /** How long until the first token, in ms. @default 200 */
  readonly thinkMs?: number;
  /** How long each token takes, in ms. @default 20 */
  readonly tokenMs?: number;
  /** @default 'serves' */
  readonly conduct?: Conduct;
}

/** Clients: they find executors, ask and pay. */
export type ClientOptions = NodeOptions;

/** Validators: they stake, watch, and keep the register of who offers what. */
export interface ValidatorOptions extends NodeOptions {
  /** In wei, as a decimal text. @default '1' */
  readonly stake?: string;
}

/** Relays: they carry connections of others. */
export type RelayOptions = NodeOptions;

/**
 * Where a simulated node stands: `planned` until its first start, `starting`, `up`, `down` after a crash, `stopped` at the end,
 * `failed` when it could not start.
 */
export type SimulatedNodeState = 'planned' | 'starting' | 'up' | 'down' | 'stopped' | 'failed';

/** One node of a simulation, over crashes and restarts. */
export interface SimulatedNode {
  /** Its group and its number, as `e0`. */
  readonly name: string;
  readonly group: string;
  readonly role: NodeRole;
  /** Follows from seed and name, so it is known before the node starts. */
  readonly peerId: string;
  /** Where it is; `undefined` unless the links are `global`. */
  readonly region: string | undefined;
  readonly state: SimulatedNodeState;
  /**
   * The node itself, to be used inside of `run`.
   * @throws {SimulatorError} `WRONG_STATE` unless it is up
   */
  readonly behaviour: LloomBehaviour;
}

/** Nodes by name or group: `'e0'`, `'e'` for all executors, or several of both. */
export type NodeSet = string | readonly string[];

/** Questions that clients ask. */
export interface LoadConfig {
  /** What it is called in figures; no other load may be, or have been, called so. @default 'load' with a number */
  readonly name?: string;
  /** Who asks, in turn. @default all clients */
  readonly from?: NodeSet;
  /** @default 'demo-small' */
  readonly model?: string;
  /** How many questions a second, from all of them together, at random moments: 0.001 to 10,000. @default 1 */
  readonly requestsPerSecond?: number;
  /** When the first question may come, in ms of virtual time. @default now */
  readonly fromMs?: number;
  /** When no more questions come. @default they go on until `stop()` */
  readonly untilMs?: number;
  /** How many tokens an answer has, 1 to 10,000. @default 20 */
  readonly answerTokens?: number;
  /** The most that a client pays for an answer, in wei. @default no limit */
  readonly maxPrice?: string;
  /** How executors are chosen. @default as `selectExecutor` does */
  readonly prefer?: 'price' | 'latency';
  /** How long a question may take, in ms. @default 30_000 */
  readonly timeoutMs?: number;
  /** How often a question is sent at most. @default 3 */
  readonly maxAttempts?: number;
}

/**
 * Status messages that are published to everybody: `networkMetrics` on the topic of the network's status, with a number as
 * `activeRequests` and `Number.MIN_VALUE` as `averageLatencyMs`, by which they are counted. Others are not.
 */
export interface GossipLoadConfig {
  /** Who publishes, in turn. @default all validators, else all nodes */
  readonly from?: NodeSet;
  /** How long from one message to the next, in ms: 1 to 3,600,000. @default 1_000 */
  readonly intervalMs?: number;
  /** @default now */
  readonly fromMs?: number;
  /** @default they go on until `stop()` */
  readonly untilMs?: number;
}

/** Nodes that come and go. */
export interface ChurnConfig {
  /** @default all executors */
  readonly nodes?: NodeSet;
  /** How long a node is up, on average, in ms; single times are drawn from an exponential distribution. @default 60_000 */
  readonly meanUpMs?: number;
  /** How long it is down, on average, in ms. @default 10_000 */
  readonly meanDownMs?: number;
  /** Whether whole machines go down, so that nobody is told. @default half of them do */
  readonly isSilent?: boolean;
  /** @default now */
  readonly fromMs?: number;
  /** When no more nodes crash; those that are down come back. @default it goes on until `stop()` */
  readonly untilMs?: number;
}

/** How something is distributed. All are 0 when nothing was counted. */
export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** A network in figures, from its beginning to now. */
export interface SimulationMetrics {
  /** Virtual time, in ms. */
  readonly elapsedMs: number;
  readonly nodes: { readonly spawned: number; readonly up: number };
  /** Pairs of nodes with a connection that both of them hold. */
  readonly links: number;
  /** Share of the nodes that are up and in the largest part of the network whose nodes reach one another; 0 when none is up. */
  readonly connectedShare: number;
  /** Share of the pairs of nodes that are up in which the first knows the second; 1 for one node alone, 0 when none is up. */
  readonly discoveredShare: number;
  readonly requests: {
    readonly asked: number;
    readonly pending: number;
    readonly answered: number;
    readonly failed: number;
    /** By the code of the error that ended them. */
    readonly failures: Readonly<Record<string, number>>;
    /** From the question to the end of the answer, in ms; of those answered. */
    readonly latencyMs: Spread;
    /** From the question to the first token, in ms. */
    readonly firstTokenMs: Spread;
    /** How often handlers of executors ran. */
    readonly executions: number;
    /** How often a handler ran again for a request that the same executor had taken already. */
    readonly duplicateExecutions: number;
    /** Answers that cost more than their tokens at the offered prices. */
    readonly overbilled: number;
    /** In wei, as a decimal text. */
    readonly spent: string;
  };
  readonly gossip: {
    readonly published: number;
    readonly delivered: number;
    /** Share of the nodes, up from the publishing to now, that have got a message; the mean over all messages. */
    readonly reach: number;
    /** From the publishing to each delivery, in ms. */
    readonly latencyMs: Spread;
    /** Copies that nodes got beyond the first one of each message, of all topics. */
    readonly duplicates: number;
  };
  readonly traffic: {
    readonly bytes: number;
    readonly segments: number;
    readonly lostSegments: number;
    readonly dials: number;
  };
}

/** A part of {@link NetworkSimulator}'s interface that scenarios and reports build on; the class documents each call. */
export interface Simulation {
  readonly seed: number;
  readonly trace: Trace;
  readonly nodes: readonly SimulatedNode[];
  readonly elapsedMs: number;
  node(name: string): SimulatedNode;
  runFor(ms: number): Promise<void>;
  runUntil(isDone: () => boolean, config?: WaitConfig): Promise<void>;
  run<T>(act: Promise<T> | (() => Promise<T> | T), config?: WaitConfig): Promise<T>;
  at(elapsedMs: number, act: () => unknown): void;
  always(what: string, isTrue: () => boolean, config?: { fromMs?: number; everyMs?: number }): Property;
  eventually(what: string, isTrue: () => boolean, config: { withinMs: number; everyMs?: number }): Property;
  partition(...groups: readonly NodeSet[]): () => void;
  partitionOneWay(from: NodeSet, to: NodeSet): () => void;
  heal(): void;
  hold(a: string, b: string): void;
  release(a: string, b: string): void;
  setLink(a: NodeSet, b: NodeSet, link: LinkConfig): void;
  crash(nodes: NodeSet, config?: CrashConfig): void;
  restart(nodes: NodeSet, config?: RestartConfig): Promise<void>;
  churn(config?: ChurnConfig): () => void;
  load(config?: LoadConfig): () => void;
  gossipLoad(config?: GossipLoadConfig): () => void;
  /** Has executors ask another price from now on, and say so. */
  setPricing(executors: NodeSet, pricing: PricingInfo): Promise<void>;
  isConnected(): boolean;
  allDiscovered(): boolean;
  allNodesConnected(): boolean;
  measure(name: MeasureName, filter?: MeasureFilter): Measurement;
  metrics(): SimulationMetrics;
  report(): SimulationReport;
  stop(): Promise<void>;
}
