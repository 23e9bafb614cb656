/**
 * Coverage of state machines for Vitest, merged over all files and workers.
 *
 * @packageDocumentation
 */
export {
  MachineCoverage,
  type CoverageException,
  type CoverageThresholds,
  type MachineCoverageConfig,
} from './vitest/machineCoverage.ts';
export type { MachinePictures } from './vitest/settings.ts';
