import type * as Package from '@lloom/simulator';
import type { Scenario, ScenarioRunConfig, SimulationFidelity, SimulationReport } from '@lloom/simulator';
import { exitCodes, usageError } from '../errors.ts';
import type { OutputOptions } from '../options.ts';
import type { Session } from '../session.ts';
import { requireWritable, TraceFile, writeText } from './files.ts';
import { ProgressTeller } from './progress.ts';
import { counted } from '../doctor/finding.ts';
import { commandOf, descriptionLines, resultLine } from './words.ts';

/** What `lloom simulate` takes. */
export interface SimulateOptions extends OutputOptions {
  readonly scenario?: string;
  readonly list?: boolean;
  readonly nodes?: number;
  readonly seed?: number;
  /** How many seeds. */
  readonly seeds?: number;
  /** In virtual ms. */
  readonly duration?: number;
  readonly fidelity?: SimulationFidelity;
  readonly report?: string;
  readonly trace?: string;
}

/** What runs scenarios. */
export type Simulator = Pick<
  typeof Package,
  'loadScenario' | 'reportHtml' | 'reportText' | 'runScenario' | 'scenarioNames'
>;

/**
 * Runs a scenario, or lists those that there are; gives the exit code. `simulator` runs it.
 * @throws {CliError} `USAGE`, `FILE_FAILED`
 * @throws {SimulatorError} `UNKNOWN_SCENARIO`, `INVALID_SCENARIO`
 */
export async function simulate(
  options: SimulateOptions,
  session: Session,
  simulator?: Simulator,
): Promise<number> {
  // Loaded here and by nobody else: while it runs, the time of this process is virtual.
  const used = simulator ?? (await import('@lloom/simulator'));
  if (options.list === true) return list(used, session);
  if (options.scenario === undefined) {
    const names = used.scenarioNames().join(', ');
    throw usageError('There is no scenario to run', `Add --scenario and a JSON file, or one of: ${names}.`);
  }
  for (const file of [options.report, options.trace]) if (file !== undefined) await requireWritable(file);
  const scenario = await used.loadScenario(options.scenario);
  const simulation = new Simulation({ options, scenario, simulator: used }, session);
  return options.seeds === undefined ? simulation.runOnce() : simulation.runSeeds(options.seeds);
}

async function list(simulator: Simulator, { output }: Session): Promise<number> {
  const names = simulator.scenarioNames();
  const width = Math.max(...names.map(({ length }) => length));
  for (const name of names) {
    const { description, durationMs, nodes } = await simulator.loadScenario(name);
    const numNodes = nodes.reduce((sum, { count }) => sum + count, 0);
    const data = { name, description, durationMs, numNodes };
    output.event('scenario', data, descriptionLines({ name, description, width }));
  }
  return exitCodes.ok;
}

interface Plan {
  readonly options: SimulateOptions;
  readonly scenario: Scenario;
  readonly simulator: Simulator;
}

/** One call of the command: a scenario, run once or often. */
class Simulation {
  readonly #options: SimulateOptions;
  readonly #scenario: Scenario;
  readonly #simulator: Simulator;
  readonly #session: Session;
  readonly #firstSeed: number;

  constructor({ options, scenario, simulator }: Plan, session: Session) {
    this.#options = options;
    this.#scenario = scenario;
    this.#simulator = simulator;
    this.#session = session;
    this.#firstSeed = options.seed ?? scenario.seed ?? 1;
  }

  /** Runs one seed and shows all of it. */
  async runOnce(): Promise<number> {
    const { output, interruption } = this.#session;
    const seed = this.#firstSeed;
    output.event('started', { scenario: this.#scenario.name, seed });
    output.note(`Scenario ${this.#scenario.name}, seed ${seed}.`);
    const startedAt = performance.now();
    const report = await this.#run(seed, new ProgressTeller(output));
    const realMs = Math.round(performance.now() - startedAt);
    await this.#writeReport(report);
    this.#tell(report);
    output.note(`${report.durationMs / 1_000} s of virtual time took ${(realMs / 1_000).toFixed(1)} s.`);
    interruption.signal.throwIfAborted();
    return exitCodeOf(report);
  }

  /** Runs several seeds, a line each, up to the first in which something does not hold. That one is shown. */
  async runSeeds(count: number): Promise<number> {
    const { output, interruption } = this.#session;
    const first = this.#firstSeed;
    output.note(`Scenario ${this.#scenario.name}, ${counted(count, 'seed')} from ${first} on.`);
    for (let done = 0; done < count; done += 1) {
      const seed = first + done;
      const title = `seed ${seed}, ${done + 1} of ${count}`;
      const report = await this.#run(seed, new ProgressTeller(output, { title, isBrief: true }));
      const isLast = done === count - 1;
      if (isLast || !holds(report) || interruption.signal.aborted) await this.#writeReport(report);
      interruption.signal.throwIfAborted();
      const { properties, traceHash } = report;
      const data = { seed, holds: holds(report), properties, traceHash };
      output.event('seed', data, [resultLine(report)]);
      if (holds(report)) continue;
      output.event('summary', { seeds: done + 1, passed: done, failedSeed: seed }, ['']);
      this.#tell(report);
      return exitCodes.failure;
    }
    output.event('summary', { seeds: count, passed: count }, [`All held with ${counted(count, 'seed')}.`]);
    return exitCodes.ok;
  }

  async #run(seed: number, progress: ProgressTeller): Promise<SimulationReport> {
    const { nodes, duration, fidelity, trace } = this.#options;
    const file = trace === undefined ? undefined : new TraceFile(trace);
    const config: ScenarioRunConfig = {
      seed,
      ...(nodes !== undefined && { numNodes: nodes }),
      ...(duration !== undefined && { durationMs: duration }),
      ...(fidelity !== undefined && { fidelity }),
      ...(file !== undefined && { onTrace: (line) => file.add(line) }),
      onProgress: (state) => progress.tell(state),
      signal: this.#session.interruption.signal,
    };
    let report: SimulationReport;
    try {
      report = await this.#simulator.runScenario(this.#scenario, config);
    } catch (error) {
      this.#session.output.note(`It broke off. Again: ${this.#commandOf(seed)}`);
      throw error;
    } finally {
      file?.close();
    }
    return report;
  }

  /** The whole report. */
  #tell(report: SimulationReport): void {
    const command = this.#commandOf(report.seed);
    const lines = this.#simulator.reportText(report, { command }).trimEnd().split('\n');
    this.#session.output.event('report', { report, command }, lines);
  }

  async #writeReport(report: SimulationReport): Promise<void> {
    const { report: file } = this.#options;
    if (file === undefined) return;
    await writeText(file, this.#simulator.reportHtml(report, { command: this.#commandOf(report.seed) }));
    this.#session.output.event('written', { file });
    this.#session.output.note(`Wrote ${file}.`);
  }

  /** What shows that run again. */
  #commandOf(seed: number): string {
    return commandOf({ ...this.#options, seed });
  }
}

/** Whether nothing failed; what a shortened run leaves open has not. */
const holds = ({ properties }: SimulationReport): boolean =>
  properties.every((property) => property.holds || !property.isDecided);

const exitCodeOf = (report: SimulationReport): number => (holds(report) ? exitCodes.ok : exitCodes.failure);
