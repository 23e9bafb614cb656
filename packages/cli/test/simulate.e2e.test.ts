import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scenario, SimulationReport } from '@lloom/simulator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Interruption } from '../src/interruption.ts';
import { Output } from '../src/output.ts';
import { simulate, type SimulateOptions } from '../src/simulate/simulate.ts';
import { parseLines, Running } from './support/lloom.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-simulate-'));
});
afterAll(() => rm(folder, { recursive: true }));

const asked = { measure: 'answeredShare', atLeast: 1, minCount: 3 } as const;
const scenario: Scenario = {
  version: 1,
  name: 'tiny',
  description: 'Two executors and a client.',
  durationMs: 5_000,
  network: { networkDelayMs: 20 },
  nodes: [
    { role: 'executor', group: 'e', count: 2, tokenMs: 1 },
    { role: 'client', group: 'c', count: 1 },
  ],
  load: [{ requestsPerSecond: 3, fromMs: 2_000, untilMs: 4_000, answerTokens: 4 }],
  properties: [{ what: 'Who asks is answered', when: 'finally', ...asked }],
};

async function written(name: string, changes: Partial<Scenario> = {}): Promise<string> {
  const file = join(folder, `${name}.json`);
  await writeFile(file, JSON.stringify({ ...scenario, ...changes }));
  return file;
}

/** The command in this process: starting one takes longer than what it does. */
async function run(options: SimulateOptions): Promise<{ code: number; stdout: string; stderr: string }> {
  const told = { stdout: '', stderr: '' };
  const stdout = { write: (text: string) => (told.stdout += text) };
  const stderr = { write: (text: string) => (told.stderr += text) };
  const { json = false, quiet = false } = options;
  const output = new Output({ stdout, stderr, json, quiet });
  const code = await simulate(options, { output, interruption: new Interruption() });
  return { code, ...told };
}

test('a scenario is run, summed up, shown as a page and written down, the same each time', async () => {
  const file = await written('tiny');
  const [report, trace] = ['report.html', 'trace.txt'].map((name) => join(folder, name));
  const first = await run({ scenario: file, seed: 3, report: report!, trace: trace! });
  expect(first.code).toBe(0);
  expect(first.stdout).toContain('Who asks is answered');
  expect(first.stdout).toMatch(/\bseed\b.*\b3\b/i);
  expect(first.stderr).toContain('100 %  5.0 of 5.0 s  3 up');
  expect(await readFile(report!, 'utf8')).toMatch(/^<!doctype html>[^]*Who asks is answered/i);

  const second = await run({ scenario: file, seed: 3, json: true });
  const told = parseLines(second.stdout).at(-1) as unknown as { event: string; report: SimulationReport };
  expect(told).toMatchObject({ event: 'report', report: { name: 'tiny', seed: 3 } });
  // What was written down the first time has the hash of the second.
  const digest = createHash('sha256')
    .update(await readFile(trace!))
    .digest('hex');
  expect(digest).toBe(told.report.traceHash);
});

test('what does not hold is named with its seed, and the code is 1', async () => {
  const properties = [{ what: 'Nobody is answered', when: 'finally', measure: 'answeredShare', atMost: 0 }];
  const file = await written('wrong', { properties: properties as Scenario['properties'] });
  const { code, stdout } = await run({ scenario: file, seed: 4, seeds: 9, quiet: true });
  expect(code).toBe(1);
  const [line] = stdout.split('\n');
  expect(line).toMatch(/^fail {2}seed 4 {2}trace [\da-f]{12} {2}Nobody is answered$/);
  expect(stdout).toContain(`Again: lloom simulate --scenario ${file} --seed 4`);
});

test('Ctrl-C is heard while time is virtual, and what there is is reported', async () => {
  const report = join(folder, 'early.html');
  const args = ['simulate', '--scenario', await written('long'), '--duration', '20m', '--report', report];
  await using command = new Running(args);
  await command.until(() => command.stderr.includes(' 10 %') || undefined, 'a tenth of its time');
  const { code, stdout, stderr } = await command.stop('SIGINT');
  expect(code).toBe(130);
  expect(stderr).toContain('error INTERRUPTED: Stopped by SIGINT');
  expect(stdout).toContain('Who asks is answered');
  expect(await readFile(report, 'utf8')).toMatch(/^<!doctype html>/i);
});
