/**
 * Sees what XState machines do. Today: which transitions a run took, and which it never took.
 *
 * @packageDocumentation
 */
export { createRecorder, type MachineCoverage, type Recorder } from './coverage.ts';
