import type { SimulationReport } from './types.ts';

/** A report as lines of text: the summary that a terminal shows. */
export function reportText(_report: SimulationReport): string {
  throw new Error('not there yet');
}
