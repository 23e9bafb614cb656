import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PropertyResult, Scenario, ScenarioRunConfig, SimulationReport } from '@lloom/simulator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Interruption } from '../interruption.ts';
import { Output } from '../output.ts';
import { simulate, type SimulateOptions, type Simulator } from './simulate.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-simulate-'));
});
afterAll(() => rm(folder, { recursive: true }));

const usage = expect.objectContaining({ name: 'CliError', code: 'USAGE' }) as Error;
const scenario: Scenario = {
  version: 1,
  name: 'calm',
  description: 'Nothing happens, and that for a long time, so that this text needs a second line to be told.',
  durationMs: 60_000,
  seed: 5,
  nodes: [
    { role: 'executor', group: 'e', count: 2 },
    { role: 'client', group: 'c', count: 3 },
  ],
  properties: [],
};
const held: PropertyResult = {
  what: 'peace',
  when: 'always',
  ...{ holds: true, isDecided: true },
  ...{ atMs: 60_000, detail: '1 of 1' },
};
const broken: PropertyResult = { ...held, what: 'order', holds: false };

/** A simulator whose runs take no time: with these seeds something does not hold. */
function standIn({ failing = [] as readonly number[], onSample = (_seed: number): void => undefined } = {}) {
  const runs: ScenarioRunConfig[] = [];
  const simulator: Simulator = {
    scenarioNames: () => ['calm', 'price-war'],
    loadScenario: async (name) => ({ ...scenario, name }),
    reportHtml: ({ seed }) => `<title>${seed}</title>`,
    reportText: ({ name, seed }, config) => `Report of ${name}, seed ${seed}\n${config?.command}\n`,
    runScenario: async ({ name }, given) => {
      const config = given ?? {};
      runs.push(config);
      const { seed = 0, durationMs = 60_000 } = config;
      let elapsedMs = 0;
      while (elapsedMs < durationMs && config.signal?.aborted !== true) {
        elapsedMs += durationMs / 20;
        config.onTrace?.(`${elapsedMs} seed ${seed}`);
        config.onProgress?.({ elapsedMs, durationMs, up: 5, asked: 9, answered: 7, failed: 1 });
        onSample(seed);
      }
      const properties = [held, ...(failing.includes(seed) ? [broken] : [])];
      const report = {
        version: 1,
        name,
        seed,
        durationMs: elapsedMs,
        properties,
        traceHash: `${seed}`.repeat(64),
      };
      return report as unknown as SimulationReport;
    },
  };
  return { simulator, runs };
}

const summary = 'Report of calm, seed 5\nlloom simulate --scenario calm --seed 5\n';

interface Setting {
  readonly simulator?: Simulator;
  readonly interruption?: Interruption;
  readonly isTTY?: boolean;
}

function run(options: SimulateOptions, setting: Setting = {}) {
  const { simulator = standIn().simulator, interruption = new Interruption(), isTTY = false } = setting;
  const written = { stdout: '', stderr: '' };
  const stdout = { write: (text: string) => (written.stdout += text) };
  const stderr = { isTTY, columns: 60, write: (text: string) => (written.stderr += text) };
  const { json = false, quiet = false } = options;
  const output = new Output({ stdout, stderr, json, quiet });
  return { written, code: simulate(options, { output, interruption }, simulator) };
}

const eventsOf = (stdout: string): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('which scenario', () => {
  test('--list shows names and what they show, in lines that a terminal has room for', async () => {
    const { code, written } = run({ list: true });
    expect(await code).toBe(0);
    expect(written.stdout.split('\n')).toEqual([
      'calm       Nothing happens, and that for a long time, so that this text needs a',
      '           second line to be told.',
      'price-war  Nothing happens, and that for a long time, so that this text needs a',
      '           second line to be told.',
      '',
    ]);
  });

  test('--list --json tells programs', async () => {
    const { code, written } = run({ list: true, json: true });
    await code;
    const { description } = scenario;
    expect(eventsOf(written.stdout)[0]).toEqual({
      event: 'scenario',
      name: 'calm',
      description,
      durationMs: 60_000,
      numNodes: 5,
    });
  });

  test('without one, those that there are are named', async () => {
    await expect(run({}).code).rejects.toThrow(usage);
    await expect(run({}).code).rejects.toMatchObject({
      data: { suggestion: expect.stringContaining('calm, price-war') as string },
    });
  });
});

describe('one run', () => {
  test('the summary goes to stdout, progress to stderr in ten lines', async () => {
    const { code, written } = run({ scenario: 'calm' });
    expect(await code).toBe(0);
    expect(written.stdout).toBe(summary);
    const lines = written.stderr.split('\n');
    expect(lines[0]).toBe('Scenario calm, seed 5.');
    expect(lines[1]).toBe(' 10 %   6 of 60 s  5 up  9 asked, 7 answered, 1 failed');
    expect(lines.filter((line) => line.includes(' % '))).toHaveLength(10);
    expect(lines.at(-2)).toMatch(/^60 s of virtual time took \d+\.\d s\.$/);
  });

  test('on a terminal progress is one line, that fits and is gone at the end', async () => {
    const { code, written } = run({ scenario: 'calm' }, { isTTY: true });
    await code;
    const shown = written.stderr.split('\r').slice(1);
    expect(shown).toHaveLength(21);
    for (const line of shown.slice(0, -1)) expect(line.replace('\u001b[K', '').length).toBeLessThan(60);
    expect(shown.at(-1)?.startsWith('\u001b[K60 s of virtual time')).toBe(true);
  });

  test('--quiet leaves the summary alone', async () => {
    for (const isTTY of [true, false]) {
      const { code, written } = run({ scenario: 'calm', quiet: true }, { isTTY });
      await code;
      expect(written).toEqual({ stdout: summary, stderr: '' });
    }
  });

  test('--json: a line for each event, at the end the report as its schema has it', async () => {
    const { code, written } = run({ scenario: 'calm', json: true, report: join(folder, 'a.html') });
    await code;
    const events = eventsOf(written.stdout);
    const names = ['started', ...Array<string>(10).fill('progress'), 'written', 'report'];
    expect(events.map(({ event }) => event)).toEqual(names);
    expect(events[1]).toEqual({
      event: 'progress',
      elapsedMs: 6_000,
      durationMs: 60_000,
      up: 5,
      asked: 9,
      answered: 7,
      failed: 1,
    });
    expect(events.at(-1)).toMatchObject({ report: { version: 1, seed: 5, properties: [held] } });
  });

  test('what the command line says goes before the scenario', async () => {
    const { simulator, runs } = standIn();
    await run({ scenario: 'calm', seed: 9, nodes: 40, duration: 5_000, fidelity: 'model' }, { simulator })
      .code;
    await run({ scenario: 'calm' }, { simulator }).code;
    expect(runs[0]).toMatchObject({ seed: 9, numNodes: 40, durationMs: 5_000, fidelity: 'model' });
    expect(runs[1]).toMatchObject({ seed: 5 });
    for (const name of ['numNodes', 'durationMs', 'fidelity', 'onTrace'])
      expect(runs[1]).not.toHaveProperty(name);
  });

  test('the code is 1 when something does not hold, and what shows it again is told as a shell takes it', async () => {
    const { simulator } = standIn({ failing: [5] });
    const { code, written } = run({ scenario: "it's.json", nodes: 40, duration: 5_000 }, { simulator });
    expect(await code).toBe(1);
    const again = String.raw`lloom simulate --scenario 'it'\''s.json' --seed 5 --nodes 40 --duration 5s`;
    expect(written.stdout).toContain(again);
  });

  test('what breaks is told with its seed, and thrown on', async () => {
    const { simulator } = standIn();
    const runScenario = async (): Promise<never> => {
      throw new Error('out of order');
    };
    const { code, written } = run({ scenario: 'calm' }, { simulator: { ...simulator, runScenario } });
    await expect(code).rejects.toThrow('out of order');
    expect(written.stderr).toContain('It broke off. Again: lloom simulate --scenario calm --seed 5\n');
  });
});

describe('files', () => {
  test('the report replaces what was there', async () => {
    const report = join(folder, 'report.html');
    await writeFile(report, 'something longer than the report');
    const { code, written } = run({ scenario: 'calm', report });
    await code;
    expect(await readFile(report, 'utf8')).toBe('<title>5</title>');
    expect(written.stderr).toContain(`Wrote ${report}.`);
  });

  test('the trace has every line', async () => {
    const trace = join(folder, 'trace.txt');
    await run({ scenario: 'calm', trace }).code;
    const lines = (await readFile(trace, 'utf8')).split('\n');
    expect(lines).toHaveLength(21);
    expect(lines[0]).toBe('3000 seed 5');
  });

  test.each([
    ['a report in a folder that is not there', { report: 'missing/report.html' }],
    ['a report that is a folder', { report: '.' }],
    ['a trace that is a folder', { trace: '.' }],
  ])('%s is refused before anything runs', async (_, files) => {
    const { simulator, runs } = standIn();
    const options = Object.fromEntries(
      Object.entries(files).map(([name, file]) => [name, join(folder, file)]),
    );
    await expect(run({ scenario: 'calm', ...options }, { simulator }).code).rejects.toMatchObject({
      name: 'CliError',
      code: 'FILE_FAILED',
    });
    expect(runs).toEqual([]);
  });

  // Only Linux has a file that is always full.
  test.runIf(existsSync('/dev/full'))('a trace without room fails the command, not what runs', async () => {
    const { simulator, runs } = standIn();
    const { code } = run({ scenario: 'calm', trace: '/dev/full' }, { simulator });
    await expect(code).rejects.toMatchObject({ code: 'FILE_FAILED', data: { file: '/dev/full' } });
    expect(runs).toHaveLength(1);
  });
});

describe('--seeds', () => {
  test('each has a line when all hold, and nothing more', async () => {
    const { simulator, runs } = standIn();
    const { code, written } = run({ scenario: 'calm', seed: 1, seeds: 3 }, { simulator });
    expect(await code).toBe(0);
    expect(runs.map(({ seed }) => seed)).toEqual([1, 2, 3]);
    expect(written.stdout.split('\n')).toEqual([
      'ok    seed 1  trace 111111111111',
      'ok    seed 2  trace 222222222222',
      'ok    seed 3  trace 333333333333',
      'All held with 3 seeds.',
      '',
    ]);
    expect(written.stderr).toBe('Scenario calm, 3 seeds from 1 on.\n');
  });

  test('the first that fails ends it, and is shown, written and named', async () => {
    const { simulator, runs } = standIn({ failing: [2, 3] });
    const files = { report: join(folder, 'seeds.html'), trace: join(folder, 'seeds.txt') };
    const { code, written } = run({ scenario: 'calm', seed: 1, seeds: 9, ...files }, { simulator });
    expect(await code).toBe(1);
    expect(runs).toHaveLength(2);
    expect(written.stdout.split('\n')).toEqual([
      'ok    seed 1  trace 111111111111',
      'fail  seed 2  trace 222222222222  order',
      '',
      'Report of calm, seed 2',
      'lloom simulate --scenario calm --seed 2',
      '',
    ]);
    expect(await readFile(files.report, 'utf8')).toBe('<title>2</title>');
    expect(await readFile(files.trace, 'utf8')).toMatch(/^3000 seed 2\n/);
  });

  test('--json tells programs the same', async () => {
    const { simulator } = standIn({ failing: [2] });
    const { code, written } = run({ scenario: 'calm', seed: 1, seeds: 9, json: true }, { simulator });
    await code;
    const events = eventsOf(written.stdout);
    expect(events.map(({ event }) => event)).toEqual(['seed', 'seed', 'summary', 'report']);
    expect(events[1]).toMatchObject({ seed: 2, holds: false, properties: [held, broken] });
    expect(events[2]).toEqual({ event: 'summary', seeds: 2, passed: 1, failedSeed: 2 });
  });
});

describe('a signal', () => {
  test.each([{}, { seeds: 3 }])('ends it early, and what there is is written: %j', async (options) => {
    const interruption = new Interruption();
    const { simulator, runs } = standIn({ onSample: () => interruption.stop('SIGINT') });
    const report = join(folder, 'early.html');
    const { code, written } = run({ scenario: 'calm', report, ...options }, { simulator, interruption });
    await expect(code).rejects.toMatchObject({ name: 'AbortError' });
    expect(runs).toHaveLength(1);
    expect(await readFile(report, 'utf8')).toBe('<title>5</title>');
    expect(written.stdout).not.toContain('ok');
    await rm(report);
  });
});
