import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MachineCoverageConfig } from '../src/reporter.ts';

/** The project whose tests are run. */
export const fixtures = fileURLToPath(new URL('fixtures', import.meta.url));
const vitestFolder = dirname(createRequire(import.meta.url).resolve('vitest/package.json'));
const folders: string[] = [];

/** A folder that `removeFolders` removes. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lloom-inspector-'));
  folders.push(folder);
  return folder;
}

export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

export interface Annotation {
  readonly message: string;
  readonly type: string;
  readonly contentType?: string;
  readonly body: string;
}

export interface TestResult {
  readonly name: string;
  /** Where it is in Vitest's report. */
  readonly link: string;
  readonly state: string;
  readonly annotations: readonly Annotation[];
  readonly pages: readonly string[];
}

export interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly tests: readonly TestResult[];
  /** Where pages and coverage are. */
  readonly folder: string;
  /** Vitest's own report in HTML, when it was asked for. */
  readonly report: string;
}

export interface Start {
  /** Test files of the project, all of them without a filter. */
  readonly files: readonly string[];
  readonly coverage?: MachineCoverageConfig;
  /** Arguments of Vitest besides `run`, which filter. */
  readonly args?: readonly string[];
  readonly wantsReport?: boolean;
  /** Where results are put to be merged with those of other runs. */
  readonly blob?: string;
}

/** Runs Vitest on the project in `fixtures`, in a process of its own. */
export async function runVitest(start: Start): Promise<Outcome> {
  const { files, coverage = {}, args = [], wantsReport, blob = '' } = start;
  const temporary = temporaryFolder();
  const resultsFile = join(temporary, 'results.json');
  const report = join(temporary, 'report');
  const folder = coverage.folder ?? join(temporary, 'machines');
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST'));
  const child = spawn(process.execPath, [join(vitestFolder, 'vitest.mjs'), 'run', ...args], {
    cwd: fixtures,
    env: {
      ...Object.fromEntries(inherited),
      NO_COLOR: '1',
      RESULTS_FILE: resultsFile,
      CACHE_FOLDER: temporary,
      INCLUDE: files.join(','),
      COVERAGE: JSON.stringify({ folder, ...coverage }),
      BLOB_FILE: blob,
      REPORT_FOLDER: wantsReport === true ? report : '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const output = Buffer.concat(chunks).toString();
  if (!existsSync(resultsFile)) throw new Error(`Vitest did not get to its end:\n${output}`);
  const tests = JSON.parse(readFileSync(resultsFile, 'utf8')) as TestResult[];
  return { code, output, folder, tests, report: join(report, 'index.html') };
}

interface CoverageFile {
  readonly machines: readonly {
    readonly machine: string;
    readonly transitions: { readonly missed: string[] };
  }[];
}

/** What the run never took, by machine. */
export function missedIn({ folder }: Pick<Outcome, 'folder'>): Record<string, string[]> {
  const { machines } = JSON.parse(readFileSync(join(folder, 'coverage.json'), 'utf8')) as CoverageFile;
  return Object.fromEntries(machines.map(({ machine, transitions }) => [machine, transitions.missed]));
}
