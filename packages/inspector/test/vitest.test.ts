import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { MachineCoverageConfig } from '../src/reporter.ts';

const root = fileURLToPath(new URL('fixtures', import.meta.url));
const vitestFolder = dirname(createRequire(import.meta.url).resolve('vitest/package.json'));
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

interface Annotation {
  readonly message: string;
  readonly type: string;
  readonly contentType?: string;
  readonly body: string;
}

interface TestResult {
  readonly name: string;
  readonly state: string;
  readonly annotations: readonly Annotation[];
  readonly page?: string;
}

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly tests: readonly TestResult[];
  /** Where pages and coverage are. */
  readonly folder: string;
}

interface Start {
  /** Test files of the project, all of them without a filter. */
  readonly files: readonly string[];
  readonly coverage?: MachineCoverageConfig;
  /** Arguments of Vitest, which filter. */
  readonly args?: readonly string[];
}

/** Runs Vitest on the project in `fixtures`, in a process of its own. */
async function runVitest({ files, coverage = {}, args = [] }: Start): Promise<Outcome> {
  const temporary = mkdtempSync(join(tmpdir(), 'lloom-inspector-'));
  folders.push(temporary);
  const resultsFile = join(temporary, 'results.json');
  const folder = coverage.folder ?? join(temporary, 'machines');
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST'));
  const child = spawn(process.execPath, [join(vitestFolder, 'vitest.mjs'), 'run', ...args], {
    cwd: root,
    env: {
      ...Object.fromEntries(inherited),
      NO_COLOR: '1',
      RESULTS_FILE: resultsFile,
      CACHE_FOLDER: temporary,
      INCLUDE: files.join(','),
      COVERAGE: JSON.stringify({ folder, ...coverage }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const output = Buffer.concat(chunks).toString();
  if (!existsSync(resultsFile)) throw new Error(`Vitest did not get to its end:\n${output}`);
  return { code, output, folder, tests: JSON.parse(readFileSync(resultsFile, 'utf8')) as TestResult[] };
}

interface CoverageFile {
  readonly machines: readonly {
    readonly machine: string;
    readonly transitions: { readonly missed: string[] };
  }[];
}

/** What the run never took, by machine. */
function missedIn({ folder }: Outcome): Record<string, string[]> {
  const { machines } = JSON.parse(readFileSync(join(folder, 'coverage.json'), 'utf8')) as CoverageFile;
  return Object.fromEntries(machines.map(({ machine, transitions }) => [machine, transitions.missed]));
}

const all = { thresholds: { transitions: 100 } };
const lock = 'closed door.lock → locked';

describe.concurrent('pictures and coverage', { timeout: 60_000 }, () => {
  it('are attached to a test that passed, failed or timed out, and its page is written', async () => {
    const { code, tests, folder } = await runVitest({ files: ['outcomes'] });
    expect(code).toBe(1);
    expect(tests.map(({ name, state }) => [name, state])).toEqual([
      ['passes', 'passed'],
      ['fails', 'failed'],
      ['times out while timers are fake', 'failed'],
      ['uses no machine', 'passed'],
    ]);
    for (const test of tests.slice(0, 3)) {
      expect(test.annotations).toMatchObject([
        { message: 'machine door', type: 'machine', contentType: 'image/svg+xml' },
        { message: 'sequence of messages', type: 'machine', contentType: 'image/svg+xml' },
      ]);
      for (const { body } of test.annotations) expect(body).toMatch(/^<svg [^]*<\/svg>$/);
      const page = readFileSync(join(folder, test.page ?? ''), 'utf8');
      expect(page).toContain(`<h1>${test.name}</h1>`);
      expect(page).toContain(`<p>${test.state},`);
    }
    expect(tests[3]).toMatchObject({ annotations: [] });
    expect(tests[3]).not.toHaveProperty('page');
    const index = readFileSync(join(folder, 'index.html'), 'utf8');
    for (const { page } of tests.slice(0, 3)) expect(index).toContain(`href="${page}"`);
  });

  it('are drawn for failed tests only when that is wished, and coverage is counted all the same', async () => {
    const outcome = await runVitest({ files: ['outcomes'], coverage: { pictures: 'failed' } });
    expect(outcome.tests.map(({ annotations }) => annotations.length)).toEqual([0, 2, 2, 0]);
    expect(readdirSync(outcome.folder)).toHaveLength(4);
    expect(missedIn(outcome)).toEqual({ door: ['open door.close → closed'] });
  });

  it('keep to virtual time, though it has been given back when they are drawn', async () => {
    const { tests, folder } = await runVitest({ files: ['virtual'] });
    expect(tests.map(({ state }) => state)).toEqual(['passed', 'passed']);
    for (const { annotations, page } of tests) {
      expect(annotations[0]?.body).toMatch(/>open<\/text><text [^>]*>150 ms</);
      expect(readFileSync(join(folder, page ?? ''), 'utf8')).toContain('<p>passed, 150 ms,');
    }
  });

  it('are drawn with a recorder of the file as well, each of its own test', async () => {
    const { code, output, tests } = await runVitest({ files: ['opens', 'locks'], coverage: all });
    const counts = tests.map(({ name, annotations }) => [name, annotations.length]);
    expect(Object.fromEntries(counts)).toEqual({ opens: 2, closes: 2, locks: 2, 'has a run of its own': 0 });
    // Both files together, in workers of their own, reach what neither does alone.
    expect(output).toMatch(/door +100% +100%/);
    expect(code).toBe(0);
  });
});

describe.concurrent('thresholds', { timeout: 60_000 }, () => {
  it('fail the run that stays below them, and name what was never taken', async () => {
    const outcome = await runVitest({ files: ['opens'], coverage: all });
    expect(outcome.code).toBe(1);
    expect(outcome.tests.every(({ state }) => state === 'passed')).toBe(true);
    expect(outcome.output).toMatch(/door +66\.6% +66\.6% +closed door\.lock → locked/);
    expect(outcome.output).toContain('66.6% of the transitions of "door", 100% are wanted');
    expect(missedIn(outcome)).toEqual({ door: [lock] });
  });

  it.each([
    ['a file', ['opens']],
    ['a name', ['-t', 'opens']],
  ])('are not enforced for a part of the tests, chosen by %s, and the run says so', async (_name, args) => {
    const { code, output } = await runVitest({ files: ['opens', 'locks'], coverage: all, args });
    expect(output).toContain('Machine coverage is not enforced: only a part of the tests ran.');
    expect(code).toBe(0);
  });
});

describe.concurrent('exceptions', { timeout: 60_000 }, () => {
  it('excuse a transition that no test can take', async () => {
    const exceptions = [{ machine: 'door', transition: lock, why: 'the key is lost' }];
    const { code, output } = await runVitest({ files: ['opens'], coverage: { ...all, exceptions } });
    expect(output).toMatch(/door +\S+ +100% +\(1 excepted\)/);
    expect(code).toBe(0);
  });

  it('fail the run when they were taken, or name nothing', async () => {
    const exceptions = [
      { machine: 'door', transition: 'closed door.open → open', why: 'it is stuck' },
      { machine: 'door', transition: 'closed door.paint → closed', why: 'there is no paint' },
    ];
    const { code, output } = await runVitest({ files: ['opens'], coverage: { exceptions } });
    expect(output).toContain('the exception "door: closed door.open → open" was taken: it is none');
    expect(output).toContain('the exception "door: closed door.paint → closed" names no transition');
    expect(code).toBe(1);
  });
});

describe.concurrent('machine files', { timeout: 60_000 }, () => {
  it('fail the run when no test ran or declared their machine', async () => {
    const coverage = { machineFiles: ['*.machine.ts'] };
    const { code, output } = await runVitest({ files: ['opens'], coverage });
    expect(output).toContain('no test ran or declared "window" of window.machine.ts');
    expect(output).not.toContain('no test ran or declared "door"');
    expect(code).toBe(1);
  });

  it('are content with a machine that was declared, which then has missed everything', async () => {
    const folder = join(root, '.vitest', 'machines');
    folders.push(join(root, '.vitest'));
    const coverage = { machineFiles: ['*.machine.ts'], folder: '.vitest/machines' };
    const outcome = await runVitest({ files: ['opens', 'declares'], coverage });
    expect(outcome.code).toBe(0);
    expect(missedIn({ ...outcome, folder })).toEqual({ door: [lock], window: ['shut window.open → open'] });
  });
});
