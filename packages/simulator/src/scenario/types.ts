import type { PricingInfo } from '@lloom/behaviour';
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

/** Nodes of one role that are alike. */
export type ScenarioGroup = {
  /** What they are called, with a number each. */
  readonly group: string;
  readonly count: number;
  /** When they come, in ms. @default 0 - from the beginning */
  readonly atMs?: number;
} & (
  | ({ readonly role: 'executor' } & Omit<ExecutorOptions, 'group'>)
  | ({ readonly role: 'client' } & Omit<ClientOptions, 'group'>)
  | ({ readonly role: 'validator' } & Omit<ValidatorOptions, 'group'>)
  | ({ readonly role: 'relay' } & Omit<RelayOptions, 'group'>)
);

/** Something that happens at a moment. */
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
 * What must hold: a measure at its bounds. `always` is asked after each sample from `fromMs` on; `eventually` must hold at some
 * moment up to `withinMs`; `finally` is asked at the end.
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
  /** How many things there must be to measure, so that a property does not hold of nothing. @default 1 for requests and messages */
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
  readonly network?: Omit<SimulationConfig, 'numNodes' | 'seed' | 'inspect' | 'keptTraceLines'>;
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
  /** How many nodes in all: every group grows or shrinks with it, none below one node. @default as many as it says */
  readonly numNodes?: number;
  /** @default that of the scenario */
  readonly durationMs?: number;
  /** @default that of the scenario */
  readonly fidelity?: SimulationConfig['fidelity'];
  /** Told how far it is, after every sample. */
  readonly onProgress?: (progress: ScenarioProgress) => void;
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
