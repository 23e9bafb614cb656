import type { SimulationReport } from '../report/types.ts';
import type { Scenario, ScenarioRunConfig } from './types.ts';

/**
 * Runs a scenario from its beginning to its end.
 * @throws {SimulatorError} `INVALID_SCENARIO`
 */
export async function runScenario(
  _scenario: Scenario,
  _config: ScenarioRunConfig = {},
): Promise<SimulationReport> {
  throw new Error('not there yet');
}
