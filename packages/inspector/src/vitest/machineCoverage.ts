import { globSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Reporter, TestModule, TestRunEndReason, TestSpecification, Vitest } from 'vitest/node';
import { chartSvg } from '../chartSvg.ts';
import { escapeText } from '../internal/svgText.ts';
import { chartSection, htmlPage } from '../page.ts';
import type { MachineRun } from '../run.ts';
import {
  coverageRows,
  exceptionProblems,
  percentOf,
  percentText,
  tableText,
  type CoverageException,
  type CoverageRow,
} from './coverageTable.ts';
import { machineKey, mergeMachines } from './merge.ts';
import { clearFolder, indexName, writeFigures, writePage } from './pageFolder.ts';
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

interface TestPage {
  readonly name: string;
  readonly page: string;
  readonly state: string;
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
  #testFiles = 0;

  constructor(config: MachineCoverageConfig = {}) {
    this.#config = config;
  }

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
    this.#folder = resolve(vitest.config.root, this.#config.folder ?? defaultFolder);
    clearFolder(this.#folder);
    vitest.provide('machineFolder', this.#folder);
    if (this.#config.pictures !== undefined) vitest.provide('machinePictures', this.#config.pictures);
  }

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    this.#testFiles = specifications.length;
  }

  async onTestRunEnd(
    modules: readonly TestModule[],
    _errors: readonly unknown[],
    reason: TestRunEndReason,
  ): Promise<void> {
    const vitest = this.#vitest;
    if (vitest === undefined) return;
    const { thresholds, exceptions = [], machineFiles = [] } = this.#config;
    const machines = Object.values(
      modules.reduce<Record<string, MachineRun>>(
        (merged, module) => mergeMachines(merged, Object.values(module.meta().machines ?? {})),
        {},
      ),
    );
    const rows = coverageRows(machines, exceptions);
    const hasDemands = thresholds !== undefined || exceptions.length + machineFiles.length > 0;
    const isWhole = reason !== 'interrupted' && (!hasDemands || (await this.#isWhole(vitest)));
    if (rows.length > 0) {
      vitest.logger.log(`\n${tableText(rows)}\n`);
      await this.#write(machines, { rows, pages: pagesOf(modules) });
    }
    if (!hasDemands) return;
    if (!isWhole) {
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
    return all.length <= this.#testFiles;
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
      const missed = share.missed.map((name) => `\n   ${name}`).join('');
      return [`${percentText(share)} of the ${what} of "${machine}", ${least}% are wanted. Missed:${missed}`];
    });
  }

  async #write(
    machines: readonly MachineRun[],
    { rows, pages }: { rows: readonly CoverageRow[]; pages: readonly TestPage[] },
  ): Promise<void> {
    const figures = {
      machines: rows.map((row) => ({
        ...row,
        statesPercent: percentOf(row.states),
        transitionsPercent: percentOf(row.transitions),
      })),
    };
    const sorted = machines.toSorted((a, b) => (machineKey(a) < machineKey(b) ? -1 : 1));
    const sections: string[] = [];
    for (const machine of sorted) {
      sections.push(chartSection(machine, await chartSvg(machine.chart, { machines: [machine] })));
    }
    const failed = pages.filter(({ state }) => state === 'failed');
    const others = pages.filter(({ state }) => state !== 'failed');
    const body = [
      `<header><h1>Machine coverage</h1></header>${tableHtml(rows)}`,
      failed.length === 0 ? '' : `<section><h2>Failed tests</h2>${linksHtml(failed)}</section>`,
      ...sections,
      others.length === 0 ? '' : `<details><summary>Other tests</summary>${linksHtml(others)}</details>`,
    ].join('\n');
    writeFigures(this.#folder, figures);
    writePage(this.#folder, indexName, htmlPage('Machine coverage', body));
  }
}

function pagesOf(modules: readonly TestModule[]): TestPage[] {
  return modules.flatMap((module) =>
    [...module.children.allTests()].flatMap((test) => {
      const { machinePage: page } = test.meta();
      return page === undefined ? [] : [{ name: test.fullName, page, state: test.result().state }];
    }),
  );
}

function linksHtml(pages: readonly TestPage[]): string {
  const items = pages.map(
    ({ name, page }) => `<li><a href="${encodeURI(page)}">${escapeText(name)}</a></li>`,
  );
  return `<ul>${items.join('')}</ul>`;
}

function tableHtml(rows: readonly CoverageRow[]): string {
  const lines = rows.map(({ machine, states, transitions }) => {
    const look = transitions.missed.length > 0 ? ' low' : '';
    return (
      `<tr><td>${escapeText(machine)}</td><td class="number">${percentText(states)}</td>` +
      `<td class="number${look}">${percentText(transitions)}</td><td>${escapeText(transitions.missed.join(', '))}</td></tr>`
    );
  });
  return `<table><tr><th>machine</th><th>states</th><th>transitions</th><th>never taken</th></tr>${lines.join('')}</table>`;
}
