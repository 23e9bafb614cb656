/**
 * Sees what XState machines do: exact runs, which transitions were taken and which never, and pictures of both.
 *
 * @packageDocumentation
 */
export {
  machineChart,
  type ChartState,
  type ChartTransition,
  type MachineChart,
  type TransitionKind,
} from './chart.ts';
export { chartSvg } from './chartSvg.ts';
export { coveragePage, type CoveragePageConfig, type TestLink } from './coveragePage.ts';
export type { CoverageException } from './internal/shares.ts';
export { filterRun, type RunFilter } from './filter.ts';
export {
  createLive,
  type LiveActor,
  type LiveChanges,
  type LiveConfig,
  type LiveMachine,
  type LiveMachines,
  type LiveStep,
} from './live.ts';
export { chartMermaid } from './mermaid.ts';
export { runPage, type PageConfig } from './page.ts';
export {
  createRecorder,
  type MachineCoverage,
  type LabelledActor,
  type Recorder,
  type RecorderConfig,
} from './recorder.ts';
export type {
  DroppedParts,
  EntryBase,
  IgnoredEntry,
  Labels,
  MachineRun,
  Run,
  RunActor,
  RunEntry,
  SentEntry,
  StartedEntry,
  StateCount,
  StoppedEntry,
  TakenEntry,
  TransitionCount,
} from './run.ts';
export { sequenceMermaid, type SequenceMermaidConfig } from './sequenceMermaid.ts';
export type { SequenceConfig } from './sequence.ts';
export { sequenceSvg } from './sequenceSvg.ts';
