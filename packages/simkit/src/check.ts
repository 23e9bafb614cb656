import type { Trace } from './trace.ts';

/** What can be run for many seeds: a network of this package, or a simulator built on one. */
export interface Checkable {
  readonly seed: number;
  readonly trace: Trace;
  stop(): Promise<void>;
}

/** What to run, and with which seeds. */
export interface CheckConfig<R extends Checkable> {
  /** How many seeds, from 1 on, or which. @default 20; or the one of the environment variable `SIM_SEED` alone */
  readonly seeds?: number | readonly number[];
  /** Builds what is run. It is stopped when its scenario is over. */
  readonly create: (seed: number) => R | Promise<R>;
  /** Runs, and throws when something does not hold. */
  readonly scenario: (run: R) => unknown;
  /** Told of each seed that has passed. */
  readonly onSeed?: (seed: number, hash: string) => void;
}

/** What was run. */
export interface CheckResult {
  /** The digest of each trace, by seed. */
  readonly hashes: ReadonlyMap<number, string>;
}

/** What to run several times. */
export interface DeterminismConfig<R extends Checkable> extends CheckConfig<R> {
  /** How often each seed is run, from 2 on. @default 2 */
  readonly runs?: number;
}

/**
 * Runs a scenario with many seeds, one after the other, up to the first that fails.
 * @throws {SimkitError} `CHECK_FAILED`, with the seed and the end of its trace in the message; its cause is what was thrown
 */
export async function simCheck<R extends Checkable>(_config: CheckConfig<R>): Promise<CheckResult> {
  throw new Error('not there yet');
}

/**
 * Runs each seed several times, and compares what happened.
 * @throws {SimkitError} `NOT_DETERMINISTIC`, with the first line that differs; `CHECK_FAILED`
 */
export async function checkDeterminism<R extends Checkable>(
  _config: DeterminismConfig<R>,
): Promise<CheckResult> {
  throw new Error('not there yet');
}
