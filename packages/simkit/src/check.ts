import { errorText, orAbort, type Clock } from '@lloom/core';
import { SimkitError } from './errors.ts';
import type { Trace } from './trace.ts';

/** What can be run for many seeds: a network of this package, or a simulator built on one. */
export interface Checkable {
  readonly seed: number;
  readonly trace: Trace;
  /** Its time: a network's. */
  readonly clock?: Clock;
  /** Its time in ms: a simulator's. */
  readonly elapsedMs?: number;
  stop(): Promise<void>;
}

/** What to run, and with which seeds. */
export interface CheckConfig<R extends Checkable> {
  /** How many seeds, from 1 on, or which; at most 100,000. @default 20; or the one of the environment variable `SIM_SEED` alone */
  readonly seeds?: number | readonly number[];
  /** Builds what is run, with that seed. It is stopped when its scenario is over. */
  readonly create: (seed: number) => R | Promise<R>;
  /** Runs, and throws when something does not hold. */
  readonly scenario: (run: R) => unknown;
  /** Told of each seed that has passed. What it throws ends the check. */
  readonly onSeed?: (seed: number, hash: string) => void;
  /**
   * Ends the check, and stops what is run: the signal of a test that may time out, as Vitest and `node:test` give it.
   * @default never
   */
  readonly signal?: AbortSignal;
}

/** What was run. */
export interface CheckResult {
  /** The digest of each trace at the end of its scenario, by seed. */
  readonly hashes: ReadonlyMap<number, string>;
}

/** What to run several times. */
export interface DeterminismConfig<R extends Checkable> extends CheckConfig<R> {
  /** How often each seed is run, from 2 to 100. @default 2 */
  readonly runs?: number;
}

/** What a trace held when its scenario was over, before the stop. */
interface Ending {
  readonly hash: string;
  readonly length: number;
  /** The last lines that were kept. */
  readonly lines: readonly string[];
}

/** Which run it is. */
interface Turn {
  readonly seed: number;
  /** How many seeds have passed before. */
  readonly passed: number;
  /** How many lines of its trace are looked at. */
  readonly keptLines: number;
}

const defaultSeeds = 20;
const maxSeeds = 100_000;
const maxSeed = Number.MAX_SAFE_INTEGER;
const maxRuns = 100;
/** Enough to see what led to a failure, and no more than a terminal shows. */
const shownLines = 25;
/** Enough for what an assertion says. */
const maxReasonLength = 2_000;
const linesBefore = 10;

/** The end of the last run: one network at a time lives in a process, also after a check that was aborted. */
let lastStop: Promise<unknown> = Promise.resolve();

/**
 * Runs a scenario with many seeds, one after the other, up to the first that fails.
 *
 * @throws {SimkitError} `CHECK_FAILED`, with the seed and the end of its trace in the message; its cause is what was
 *   thrown. `INVALID_ARGUMENT`
 * @example
 * ```ts
 * await simCheck({
 *   seeds: 50,
 *   create: (seed) => createTestNetwork({ seed, nodes: 3, link: { delayMs: 50, lossRatio: 0.01 }, createNode }),
 *   scenario: async (network) => {
 *     network.always('nobody is alone', () => [...network.nodes.values()].every((node) => node.getPeers().length > 0));
 *     await network.runFor(60_000);
 *   },
 * });
 * ```
 */
export async function simCheck<R extends Checkable>(config: CheckConfig<R>): Promise<CheckResult> {
  const hashes = new Map<number, string>();
  for (const seed of seedsOf(config)) {
    const { hash } = await runOnce(config, { seed, passed: hashes.size, keptLines: shownLines });
    hashes.set(seed, hash);
    config.onSeed?.(seed, hash);
  }
  return { hashes };
}

/**
 * Runs each seed several times, and compares what happened, line by line as far as the traces are kept.
 *
 * @throws {SimkitError} `NOT_DETERMINISTIC`, with the first line that differs; `CHECK_FAILED` when a run fails;
 *   `INVALID_ARGUMENT`
 * @example
 * ```ts
 * await checkDeterminism({ seeds: 3, create, scenario: (network) => network.runFor(60_000) });
 * ```
 */
export async function checkDeterminism<R extends Checkable>(
  config: DeterminismConfig<R>,
): Promise<CheckResult> {
  const { runs = 2 } = config ?? {};
  if (!Number.isInteger(runs) || runs < 2 || runs > maxRuns) refuse(runs, `runs from 2 to ${maxRuns}`);
  const hashes = new Map<number, string>();
  for (const seed of seedsOf(config)) {
    const turn = { seed, passed: hashes.size, keptLines: Infinity };
    const first = await runOnce(config, turn);
    for (let run = 2; run <= runs; run += 1) {
      const other = await runOnce(config, turn);
      if (other.hash !== first.hash) throw differenceOf(first, other, { seed, run });
    }
    hashes.set(seed, first.hash);
    config.onSeed?.(seed, first.hash);
  }
  return { hashes };
}

/** Checks what was given, and says which seeds are run. */
function seedsOf<R extends Checkable>(config: CheckConfig<R>): readonly number[] {
  if (typeof config !== 'object' || config === null) return refuse(config, 'an object');
  const { seeds = defaultSeeds, create, scenario, onSeed, signal } = config;
  if (typeof create !== 'function') return refuse(typeof create, 'create to be a function');
  if (typeof scenario !== 'function') return refuse(typeof scenario, 'scenario to be a function');
  if (onSeed !== undefined && typeof onSeed !== 'function')
    return refuse(typeof onSeed, 'onSeed to be a function');
  if (signal !== undefined && !(signal instanceof AbortSignal))
    return refuse(typeof signal, 'an AbortSignal');
  const only = process.env['SIM_SEED'];
  if (only !== undefined && only !== '')
    return [isSeed(Number(only)) ? Number(only) : refuse(only, 'SIM_SEED to be a seed')];
  if (typeof seeds === 'number') {
    const isCount = Number.isInteger(seeds) && seeds >= 1 && seeds <= maxSeeds;
    return isCount
      ? Array.from({ length: seeds }, (_, index) => index + 1)
      : refuse(seeds, `1 to ${maxSeeds} seeds`);
  }
  const isList = Array.isArray(seeds) && seeds.length >= 1 && seeds.length <= maxSeeds && seeds.every(isSeed);
  return isList ? [...new Set(seeds)] : refuse(seeds, `1 to ${maxSeeds} whole numbers from 0 to 2^53 - 1`);
}

const isSeed = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxSeed;

function refuse(got: unknown, wanted: string): never {
  throw new SimkitError('INVALID_ARGUMENT', { act: 'check a scenario', got: errorText(got), wanted });
}

async function runOnce<R extends Checkable>(
  config: CheckConfig<R>,
  { seed, passed, keptLines }: Turn,
): Promise<Ending> {
  await lastStop;
  const { scenario, signal = new AbortController().signal } = config;
  let run: R | undefined;
  const errors: unknown[] = [];
  try {
    signal.throwIfAborted();
    run = await config.create(seed);
    checkRun(run, seed);
    const built = run;
    await orAbort((async () => scenario(built))(), signal);
  } catch (error) {
    errors.push(error);
  }
  // A stop adds lines of its own, which would hide what led to the failure.
  const atMs = run?.clock?.elapsed() ?? run?.elapsedMs;
  const ending = endingOf(run?.trace, keptLines);
  const stopping = (async () => run?.stop?.())();
  lastStop = stopping.catch(() => undefined);
  await stopping.catch((error: unknown) => errors.push(error));
  if (errors.length === 0) return ending;
  const [cause] = errors;
  // The caller's mistake, whatever the seed.
  if (SimkitError.is(cause, 'INVALID_ARGUMENT') && cause.data.act === buildAct) throw cause;
  const reasons = errors.map((error) => errorText(error, maxReasonLength));
  const tail = ending.lines.slice(-shownLines);
  throw new SimkitError(
    'CHECK_FAILED',
    { seed, passed, atMs, reasons, tail, events: ending.length },
    { cause },
  );
}

const buildAct = 'check what was created';

/** Refuses what cannot be run, or would run with another seed than the one it is blamed on. */
function checkRun(run: Checkable, seed: number): void {
  const given = run as Partial<Checkable> | undefined | null;
  if (typeof given?.stop !== 'function' || typeof given.trace?.hash !== 'function') {
    throw new SimkitError('INVALID_ARGUMENT', { act: buildAct, got: typeof run, wanted: 'a network' });
  }
  if (given.seed === seed) return;
  const wanted = `${seed}: pass it on`;
  throw new SimkitError('INVALID_ARGUMENT', { act: buildAct, got: `seed ${String(given.seed)}`, wanted });
}

function endingOf(trace: Trace | undefined, keptLines: number): Ending {
  if (typeof trace?.hash !== 'function') return { hash: '', length: 0, lines: [] };
  return { hash: trace.hash(), length: trace.length, lines: trace.tail(keptLines) };
}

/** Finds the first line that differs, among those that both runs kept. */
function differenceOf(
  first: Ending,
  other: Ending,
  { seed, run }: { seed: number; run: number },
): SimkitError {
  const lineAt = ({ lines, length }: Ending, index: number): string | undefined =>
    lines[index - length + lines.length];
  const unseen = Math.max(first.length - first.lines.length, other.length - other.lines.length);
  const events = Math.max(first.length, other.length);
  const data = { seed, run, unseen, events };
  let index = unseen;
  while (index < events && lineAt(first, index) === lineAt(other, index)) index += 1;
  // What differs at once has differed before, unless nothing was before.
  const isFound = index < events && (index > unseen || unseen === 0);
  if (!isFound)
    return new SimkitError('NOT_DETERMINISTIC', {
      ...data,
      line: undefined,
      lines: [undefined, undefined],
      before: [],
    });
  const from = Math.max(unseen, index - linesBefore);
  const before = Array.from({ length: index - from }, (_, offset) => lineAt(first, from + offset)!);
  const lines = [lineAt(first, index), lineAt(other, index)] as const;
  return new SimkitError('NOT_DETERMINISTIC', { ...data, line: index + 1, lines, before });
}
