/**
 * Simulated marketplaces as a fixture of Vitest: stopped with the test, explained when it fails.
 *
 * @packageDocumentation
 */
import { withRuns, type Build } from '@lloom/simkit/vitest';
import { test as vitestTest, type TestAPI } from 'vitest';
import { NetworkSimulator } from './networkSimulator.ts';
import type { SimulationConfig } from './types.ts';

/** What the fixture adds to a test. */
export interface SimulatorFixture {
  /**
   * Creates a simulator. It is stopped when the test ends; when the test has failed, the seed of its last one, its virtual time and
   * the end of its trace are printed. One runs at a time: stop one before the next one runs.
   */
  readonly createSimulator: (config: SimulationConfig) => NetworkSimulator;
}

/**
 * A `test` whose tests also get `createSimulator`, beside the fixtures it has already.
 *
 * @example
 * ```ts
 * const test = withSimulators(vitestTest);
 * ```
 */
export function withSimulators<Context extends object>(
  base: TestAPI<Context>,
): TestAPI<Context & SimulatorFixture> {
  const create =
    (build: Build): SimulatorFixture['createSimulator'] =>
    (config) =>
      build(() => new NetworkSimulator(config));
  return withRuns<Context, SimulatorFixture>(base, { name: 'createSimulator', create });
}

/**
 * Vitest's `test` with {@link SimulatorFixture}.
 *
 * @example
 * ```ts
 * test('clients are answered', async ({ createSimulator }) => {
 *   const sim = createSimulator({ numNodes: 2 });
 *   sim.spawnExecutorNodes(1);
 *   sim.spawnClientNodes(1);
 *   sim.load({ untilMs: 10_000 });
 *   await sim.runFor(15_000);
 *   expect(sim.metrics().requests).toMatchObject({ pending: 0, failed: 0 });
 * });
 * ```
 */
export const test: TestAPI<SimulatorFixture> = withSimulators(vitestTest);
