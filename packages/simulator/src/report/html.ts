import type { SimulationReport } from './types.ts';

/** A report as one HTML page that needs nothing else: pictures, tables, light and dark. */
export function reportHtml(_report: SimulationReport): string {
  throw new Error('not there yet');
}
