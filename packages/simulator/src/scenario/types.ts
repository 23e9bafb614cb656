import type { NetworkConfig, PricingInfo } from '@lloom/behaviour';
import type { LinkConfig } from '@lloom/simkit';
import type { MeasureFilter, MeasureName } from '../measures.ts';
import type {
  ChurnConfig,
  ClientOptions,
  ExecutorOptions,
  GossipLoadConfig,
  LoadConfig,
  NodeSet,
  RelayOptions,
  SimulationConfig,
  ValidatorOptions,
} from '../types.ts';

/** Configuration of nodes, without what a simulation decides by itself. */
export type ScenarioNodeConfig = Omit<
  NetworkConfig,
  | 'listenAddresses'
  | 'announceAddresses'
  | 'bootstrapPeers'
  | 'datastorePath'
  | 'datastoreSync'
  | 'logLevel'
  | 'maxLogRecordsPerSecond'
>;

/** Nodes of one role that are alike. */
export type ScenarioGroup = {
  /** What they are called, with a number each; its last character is no digit. */
  readonly group: string;
  readonly count: number;
  /** When they come, in ms. @default 0 - from the beginning */
  readonly atMs?: number;
  /** Configuration of these nodes; goes before that of all. */
  readonly config?: ScenarioNodeConfig;
} & (
  | ({ readonly role: 'executor' } & Omit<ExecutorOptions, 'group' | 'config'>)
  | ({ readonly role: 'client' } & Omit<ClientOptions, 'group' | 'config'>)
  | ({ readonly role: 'validator' } & Omit<ValidatorOptions, 'group' | 'config'>)
  | ({ readonly role: 'relay' } & Omit<RelayOptions, 'group' | 'config'>)
);

/** Something that happens at a moment. Nodes that are down, or up, already are left as they are. */
export type ScenarioEvent = { readonly atMs: number } & (
  | { readonly type: 'partition'; readonly groups: readonly NodeSet[] }
  | { readonly type: 'partitionOneWay'; readonly from: NodeSet; readonly to: NodeSet }
  | { readonly type: 'heal' }
  | { readonly type: 'hold' | 'release'; readonly between: readonly [string, string] }
  | {
      readonly type: 'link';
      readonly between: readonly [NodeSet, NodeSet];
      readonly link: LinkConfig;
    }
  | { readonly type: 'crash'; readonly nodes: NodeSet; readonly isSilent?: boolean }
  | { readonly type: 'restart'; readonly nodes: NodeSet; readonly datastore?: 'kept' | 'empty' }
  | { readonly type: 'pricing'; readonly executors: NodeSet; readonly pricing: PricingInfo }
);

/**
 * What must hold: a measure within its bounds. `always` is asked after each sample from `fromMs` on, as long as there is enough to
 * measure; `eventually` must hold after some sample up to `withinMs`; `finally` is asked at the end. What was never asked, for want
 * of time or of things to measure, does not hold.
 */
export interface ScenarioProperty {
  /** What users may rely on, in words. */
  readonly what: string;
  readonly when: 'always' | 'eventually' | 'finally';
  /** `eventually`: the moment by which it must have held, in ms. @default the end */
  readonly withinMs?: number;
  /** `always` and `eventually`: the moment from which on it is asked, in ms. @default 0 */
  readonly fromMs?: number;
  readonly measure: MeasureName;
  /** What it is taken of. @default everything */
  readonly of?: MeasureFilter;
  readonly atLeast?: number;
  readonly atMost?: number;
  /**
   * How many things there must be to measure, so that a property does not hold of nothing. @default 1, for `staleOffers` and
   * `bytesPerNodeSecond` 0
   */
  readonly minCount?: number;
}

/** A whole simulation as data, described by `@lloom/simulator/schemas/scenario.v1.json`. */
export interface Scenario {
  readonly $schema?: string;
  readonly version: 1;
  readonly name: string;
  /** What it shows, for people. */
  readonly description: string;
  /** How long it lasts, in virtual ms. */
  readonly durationMs: number;
  /** @default 1 */
  readonly seed?: number;
  /** How nodes are connected, and how much of them runs. */
  readonly network?: Omit<
    SimulationConfig,
    'numNodes' | 'seed' | 'inspect' | 'keptTraceLines' | 'onTrace' | 'node'
  > & {
    /** Configuration of every node; those of groups go before it. */
    readonly node?: ScenarioNodeConfig;
  };
  readonly nodes: readonly ScenarioGroup[];
  readonly load?: readonly LoadConfig[];
  readonly gossip?: readonly GossipLoadConfig[];
  readonly churn?: readonly ChurnConfig[];
  readonly events?: readonly ScenarioEvent[];
  readonly properties: readonly ScenarioProperty[];
}

/** How to run a {@link Scenario}. */
export interface ScenarioRunConfig {
  /** @default that of the scenario */
  readonly seed?: number;
  /**
   * How many nodes in all: every group grows or shrinks with it, none below one node, and so do the questions a second. What
   * concerns nodes that are not there then is left out. @default as many as it says
   */
  readonly numNodes?: number;
  /** @default that of the scenario */
  readonly durationMs?: number;
  /** @default that of the scenario */
  readonly fidelity?: SimulationConfig['fidelity'];
  /** Told how far it is, after every sample. */
  readonly onProgress?: (progress: ScenarioProgress) => void;
  /** Told each line of the trace that its hash is of. */
  readonly onTrace?: (line: string) => void;
  /** Ends the run early: what has happened until then is reported. */
  readonly signal?: AbortSignal;
}

/** How far a run is. */
export interface ScenarioProgress {
  readonly elapsedMs: number;
  readonly durationMs: number;
  readonly up: number;
  readonly asked: number;
  readonly answered: number;
  readonly failed: number;
}
