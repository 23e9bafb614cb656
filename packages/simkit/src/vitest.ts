/**
 * Simulated networks as a fixture of Vitest: stopped with the test, explained when it fails.
 *
 * @packageDocumentation
 */
import { test as vitestTest, type TestAPI } from 'vitest';
import type { Checkable } from './check.ts';
import { SimkitError } from './errors.ts';
import { beginTestNetwork } from './network.ts';
import type { Stoppable, TestNetwork, TestNetworkConfig } from './types.ts';

/** What the fixture adds to a test. */
export interface NetworkFixture {
  /**
   * Starts a network as `createTestNetwork` does. It is stopped when the test ends; when the test has failed, the
   * seed of its last network and the end of that trace are printed. Inside `simCheck`, a check that times out ends so.
   */
  readonly createNetwork: <N extends Stoppable>(config: TestNetworkConfig<N>) => Promise<TestNetwork<N>>;
}

const shownLines = 25;

/** What a fixture looks after: a network, or what is built on one. */
export interface FixtureRun extends Checkable {
  /** Whether it was stopped, in an orderly way or not. */
  readonly isStopped: boolean;
}

/** A fixture that builds what lives in virtual time. */
export interface RunFixture {
  /** What tests call it. */
  readonly name: string;
  /** Gives what tests are handed. It builds everything through `build`, which notes what is to be looked after. */
  readonly create: (build: Build) => unknown;
}

/** Builds something, unless the test is over; gives it, and has it looked after from now on. */
export type Build = <R extends FixtureRun>(begin: () => R) => R;

/**
 * A `test` with a fixture for something that is built on networks: what it builds is stopped with the test, and explained when the
 * test fails. Only one of them lives at a time.
 */
export function withRuns<Context extends object, Added extends object>(
  base: TestAPI<Context>,
  { name, create }: RunFixture,
): TestAPI<Context & Added> {
  const extended = (base as unknown as TestAPI).extend(name, ({ task }, { onCleanup }) => {
    // One lives at a time, so it is the last one that the test has failed in.
    let last: FixtureRun | undefined;
    let isOver = false;
    onCleanup(async () => {
      isOver = true;
      if (last === undefined) return;
      const { state, errors } = task.result ?? {};
      // A check has told all that itself, and of the right seed.
      const isTold = errors?.some((error) => error['code'] === 'CHECK_FAILED') ?? false;
      if (state === 'fail' && !isTold) process.stderr.write(explain(task.name, last));
      // One that the test has stopped itself has told the test how that ended.
      if (!last.isStopped) await last.stop();
    });
    return create((begin) => {
      // A test that has timed out goes on, and would be in the way of the next one.
      if (isOver) throw new SimkitError('STOPPED', { act: 'start a network when its test is over' });
      const run = begin();
      last = run;
      return run;
    });
  });
  return extended as unknown as TestAPI<Context & Added>;
}

/**
 * A `test` whose tests also get `createNetwork`, beside the fixtures it has already. One that reads time when a test is
 * over, as the recorder of `@lloom/inspector` does, goes around this one, so that it is still virtual then.
 *
 * @example
 * ```ts
 * const test = withMachines(withNetworks(vitestTest));
 * ```
 */
export function withNetworks<Context extends object>(
  base: TestAPI<Context>,
): TestAPI<Context & NetworkFixture> {
  const create =
    (build: Build): NetworkFixture['createNetwork'] =>
    async <N extends Stoppable>(config: TestNetworkConfig<N>) => {
      // A test may time out while its network is started.
      let started: Promise<TestNetwork<N>> | undefined;
      build(() => {
        const beginning = beginTestNetwork(config);
        started = beginning.started;
        return beginning.network;
      });
      return started!;
    };
  return withRuns<Context, NetworkFixture>(base, { name: 'createNetwork', create });
}

/**
 * Vitest's `test` with {@link NetworkFixture}.
 *
 * @example
 * ```ts
 * test('two nodes hear each other', async ({ createNetwork }) => {
 *   const network = await createNetwork({ nodes: 2, link: { delayMs: 50 }, createNode });
 *   await network.runUntil(() => network.node('n0').getPeers().length === 1);
 * });
 * ```
 */
export const test: TestAPI<NetworkFixture> = withNetworks(vitestTest);

function explain(name: string, { seed, trace, clock, elapsedMs = 0 }: FixtureRun): string {
  const seconds = ((clock?.elapsed() ?? elapsedMs) / 1_000).toFixed(3);
  return [
    `\n"${name}" failed with seed ${seed}, after ${seconds} s of virtual time and ${trace.length} events. The last:`,
    ...trace.tail(shownLines).map((line) => `  ${line}`),
    '',
    '',
  ].join('\n');
}
