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
export {
  createLive,
  type LiveActor,
  type LiveChanges,
  type LiveConfig,
  type LiveMachine,
  type LiveMachines,
  type LiveStep,
} from './live.ts';
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
export { sequenceSvg, type SequenceConfig } from './sequenceSvg.ts';
