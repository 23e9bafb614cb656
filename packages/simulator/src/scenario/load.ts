import type { Scenario } from './types.ts';

/** The names of the scenarios that come with this package. */
export function scenarioNames(): readonly string[] {
  throw new Error('not there yet');
}

/**
 * The scenario of that name, or in that JSON file.
 * @throws {SimulatorError} `UNKNOWN_SCENARIO`, `INVALID_SCENARIO`
 */
export async function loadScenario(_nameOrPath: string): Promise<Scenario> {
  throw new Error('not there yet');
}

/**
 * Checks that something is a scenario.
 * @throws {SimulatorError} `INVALID_SCENARIO`, listing every problem
 */
export function parseScenario(_value: unknown): Scenario {
  throw new Error('not there yet');
}
