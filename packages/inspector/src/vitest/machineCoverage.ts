import { existsSync, globSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Reporter, TestCase, TestModule, TestRunEndReason, Vitest } from 'vitest/node';
import { coveragePage, type TestLink } from '../coveragePage.ts';
import { percentOf, percentText, type CoverageException, type Share } from '../internal/shares.ts';
import type { MachineRun } from '../run.ts';
import { coverageRows, exceptionProblems, tableText, type CoverageRow } from './coverageTable.ts';
import { mergeMachines, sortedMachines } from './merge.ts';
import { checkFolder, clearFolder, indexName, shownPath, writeFigures, writePage } from './pageFolder.ts';
import { defaultFolder, type MachinePictures } from './settings.ts';

export type { CoverageException };

/** What each machine must reach, in percent. */
export interface CoverageThresholds {
  /** Of its transitions, `always` included. @default no threshold */
  readonly transitions?: number;
  /** Of its states. @default no threshold */
  readonly states?: number;
}

/** What the reporter demands, and where it writes. */
export interface MachineCoverageConfig {
  /** What every machine must reach, or the run fails. Not enforced for a part of the tests. @default none */
  readonly thresholds?: CoverageThresholds;
  /** Transitions that no test can take. One that is taken, or does not exist, fails the run. @default none */
  readonly exceptions?: readonly CoverageException[];
  /**
   * Globs of files that hold one machine each, whose `id` is the file's name up to its first dot. A machine that no
   * test ran or declared fails the run. @default none
   */
  readonly machineFiles?: readonly string[];
  /** Which tests get pictures of the machines they ran. @default 'all' */
  readonly pictures?: MachinePictures;
  /**
   * Where pages and coverage go, from the root of Vitest. What an earlier run wrote there is removed, and nothing
   * else. @default '.vitest/machines'
   */
  readonly folder?: string;
}

/**
 * A reporter of Vitest that says which transitions of which machines no test took, over all files, workers and
 * projects. It prints a table, and writes `coverage.json` and `index.html` with a chart of each machine. Its
 * demands set the exit code.
 *
 * @throws {Error} when Vitest starts and `folder` holds an `index.html` or a `coverage.json` of another's
 * @example
 * ```ts
 * export default defineConfig({
 *   test: { reporters: ['default', new MachineCoverage({ thresholds: { transitions: 100 } })] },
 * });
 * ```
 */
export class MachineCoverage implements Reporter {
  readonly #config: MachineCoverageConfig;
  #vitest: Vitest | undefined;
  #folder = '';
  // In watch mode only files that changed run again: the others did what they did before.
  readonly #modules = new Map<string, TestModule>();

  constructor(config: MachineCoverageConfig = {}) {
    this.#config = config;
  }

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
    this.#folder = resolve(vitest.config.root, this.#config.folder ?? defaultFolder);
    // Shards that are merged wrote their pages before.
    if (vitest.config.mergeReports) checkFolder(this.#folder);
    else clearFolder(this.#folder);
    vitest.provide('machineFolder', this.#folder);
    if (this.#config.pictures !== undefined) vitest.provide('machinePictures', this.#config.pictures);
  }

  async onTestRunEnd(
    modules: readonly TestModule[],
    _errors: readonly unknown[],
    reason: TestRunEndReason,
  ): Promise<void> {
    const vitest = this.#vitest;
    if (vitest === undefined) return;
    for (const module of modules) this.#modules.set(module.id, module);
    for (const [id, { moduleId }] of this.#modules) if (!existsSync(moduleId)) this.#modules.delete(id);
    const { thresholds, exceptions = [], machineFiles = [] } = this.#config;
    const machines = Object.values(
      [...this.#modules.values()].reduce<Record<string, MachineRun>>(
        (merged, module) => mergeMachines(merged, Object.values(module.meta().machines ?? {})),
        {},
      ),
    );
    const rows = coverageRows(machines, exceptions);
    if (rows.length > 0) {
      await this.#write(machines, rows);
      const index = shownPath(join(this.#folder, indexName));
      vitest.logger.log(`\n${tableText(rows)}\n\n Machines: ${index}\n`);
    }
    if (thresholds === undefined && exceptions.length + machineFiles.length === 0) return;
    // Files that were not reached, as after a crash of their worker.
    const isCut = modules.some((module) => ['queued', 'pending'].includes(module.state()));
    const isOver =
      !isCut && (reason === 'passed' || (reason === 'failed' && (vitest.config.bail ?? 0) === 0));
    if (!isOver || !(await this.#isWhole(vitest))) {
      vitest.logger.log(' Machine coverage is not enforced: only a part of the tests ran.\n');
      return;
    }
    const problems = [
      ...this.#missingMachines(vitest.config.root, rows),
      ...exceptionProblems(machines, exceptions),
      ...rows.flatMap((row) => this.#thresholdProblems(row)),
    ];
    for (const problem of problems) vitest.logger.error(` Machine coverage: ${problem}`);
    if (problems.length > 0 && !vitest.config.watch) process.exitCode = 1;
  }

  /** Whether nothing was left out: no filter by file, project, name, tag, shard or change. */
  async #isWhole(vitest: Vitest): Promise<boolean> {
    const { project, shard, tagsFilter } = vitest.config;
    if (project.length > 0 || shard !== undefined || (tagsFilter ?? []).length > 0) return false;
    if (vitest.getGlobalTestNamePattern() !== undefined) return false;
    const all = await vitest.globTestSpecifications();
    return all.length <= this.#modules.size;
  }

  #missingMachines(root: string, rows: readonly CoverageRow[]): string[] {
    const { machineFiles = [] } = this.#config;
    const known = new Set(rows.map(({ machine }) => machine));
    return globSync([...machineFiles], { cwd: root })
      .map((file) => file.replaceAll('\\', '/'))
      .toSorted()
      .flatMap((file) => {
        const id = basename(file).split('.')[0] ?? '';
        return known.has(id) ? [] : [`no test ran or declared "${id}" of ${file}`];
      });
  }

  #thresholdProblems({ machine, states, transitions }: CoverageRow): string[] {
    const demands = [
      { what: 'states', share: states, least: this.#config.thresholds?.states },
      { what: 'transitions', share: transitions, least: this.#config.thresholds?.transitions },
    ];
    return demands.flatMap(({ what, share, least }) => {
      if (least === undefined || percentOf(share) >= least) return [];
      const missed = share.missed.map(({ shown }) => `\n   ${shown}`).join('');
      return [`${percentText(share)} of the ${what} of "${machine}", ${least}% are wanted. Missed:${missed}`];
    });
  }

  async #write(machines: readonly MachineRun[], rows: readonly CoverageRow[]): Promise<void> {
    const namesOf = ({ total, reached, missed }: Share): object => ({
      total,
      reached,
      missed: missed.map(({ name }) => name),
    });
    const figures = {
      machines: rows.map((row) => ({
        ...row,
        states: namesOf(row.states),
        transitions: namesOf(row.transitions),
        statesPercent: percentOf(row.states),
        transitionsPercent: percentOf(row.transitions),
      })),
    };
    const { exceptions = [] } = this.#config;
    const tests = [...this.#modules.values()].flatMap((module) => linksOf(module, this.#folder));
    writeFigures(this.#folder, figures);
    writePage(this.#folder, indexName, await coveragePage(sortedMachines(machines), { exceptions, tests }));
  }
}

/** The pages of a file's tests, each attempt of a test for itself; those of other shards may be elsewhere. */
function linksOf(module: TestModule, folder: string): TestLink[] {
  return [...module.children.allTests()].flatMap((test) => {
    const pages = test.meta().machinePages ?? [];
    const written = pages.filter(({ name }) => existsSync(join(folder, name)));
    return written.map(({ name, attempt, outcome, machines }) => ({
      name: `${titleOf(test)}${attempt === 1 ? '' : `, attempt ${attempt}`}`,
      href: encodeURI(name),
      state: outcome,
      machines,
    }));
  });
}

/** As the page of the test is headed. */
function titleOf(test: TestCase): string {
  const names = [test.name];
  for (let at = test.parent; at.type === 'suite'; at = at.parent) names.unshift(at.name);
  return names.join(' › ');
}
