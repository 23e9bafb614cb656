import type { NodeRole, SimulationFidelity, SimulationMetrics } from '../types.ts';

/** A fault, or something else that was done to the network. */
export interface TimelineEvent {
  readonly atMs: number;
  /** When it was over: a partition that was lifted, a node that came back. Absent while it lasts, and where nothing lasts. */
  readonly untilMs?: number;
  readonly kind:
    | 'partition'
    | 'hold'
    | 'link'
    | 'crash'
    | 'restart'
    | 'spawn'
    | 'pricing'
    | 'load'
    | 'churn'
    | 'note';
  /** In words. */
  readonly text: string;
  /** Names of the nodes that it concerns; none when it concerns all. */
  readonly nodes: readonly string[];
}

/** The network at a moment. Counts are from the beginning to then. */
export interface ReportSample {
  readonly atMs: number;
  readonly up: number;
  readonly links: number;
  readonly connectedShare: number;
  readonly discoveredShare: number;
  readonly offersSeenShare: number;
  readonly asked: number;
  readonly answered: number;
  readonly failed: number;
  readonly pending: number;
  /** Of the requests answered since the sample before, in ms; absent when there were none. */
  readonly latencyP50Ms?: number;
  readonly latencyP99Ms?: number;
  readonly bytes: number;
}

/** Who is connected with whom at a moment. Numbers are places in `nodes` of the report. */
export interface TopologyFrame {
  readonly atMs: number;
  /** The nodes that are up. */
  readonly up: readonly number[];
  readonly links: readonly (readonly [number, number])[];
}

/** A point of a curve that grows from 0 to a share of 1. */
export type CurvePoint = readonly [x: number, share: number];

/** One request, for the picture of all of them. */
export interface ReportRequest {
  readonly atMs: number;
  readonly latencyMs: number;
  /** `answered`, or the code of the error. */
  readonly outcome: string;
}

/** What became of a property. */
export interface PropertyResult {
  readonly what: string;
  readonly when: 'always' | 'eventually' | 'finally';
  /** Never true of what is not decided. */
  readonly holds: boolean;
  /** Whether the run has come far enough to tell: one that was ended early leaves open what was still to be asked. */
  readonly isDecided: boolean;
  /** When that was decided, or the run ended, in ms. */
  readonly atMs: number;
  /** What was measured, and what was wanted. */
  readonly detail: string;
}

/** How to show a report. */
export interface ReportConfig {
  /** The command that runs it again. @default `lloom simulate` with the scenario's name and the seed */
  readonly command?: string;
}

/** A simulation from its beginning to its end: plain JSON, described by `@lloom/simulator/schemas/report.v1.json`. */
export interface SimulationReport {
  readonly version: 1;
  /** The scenario's name; 'simulation' when there was none. */
  readonly name: string;
  readonly description: string;
  readonly seed: number;
  readonly fidelity: SimulationFidelity;
  /** How nodes were connected, in words. */
  readonly network: string;
  readonly durationMs: number;
  /** SHA-256 over all that happened: the same for the same seed. */
  readonly traceHash: string;
  /** How many things happened. */
  readonly traceLength: number;
  /** The last of them. */
  readonly traceTail: readonly string[];
  readonly metrics: SimulationMetrics;
  readonly nodes: readonly {
    readonly name: string;
    readonly role: NodeRole;
    /** Where it was, when nodes lived in regions. */
    readonly region?: string;
    readonly peerId: string;
  }[];
  readonly timeline: readonly TimelineEvent[];
  /** At most 600, evenly spread. */
  readonly samples: readonly ReportSample[];
  /** At most 60, of networks of up to 200 nodes; larger ones have none. */
  readonly topology: readonly TopologyFrame[];
  /** Share of the nodes that have got a message so many ms after its publishing: the mean over all messages. At most 200 points. */
  readonly gossipReach: readonly CurvePoint[];
  /** Share of the answered requests that took at most so many ms. At most 200 points. */
  readonly requestLatency: readonly CurvePoint[];
  /** At most 2,000, evenly drawn. */
  readonly requests: readonly ReportRequest[];
  readonly properties: readonly PropertyResult[];
  /** How many of these lists were longer than is shown. */
  readonly leftOut: { readonly timeline: number; readonly requests: number };
}
