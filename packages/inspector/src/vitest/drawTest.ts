import { join } from 'node:path';
import { inject, type TestAnnotation, type TestContext } from 'vitest';
import { chartSvg } from '../chartSvg.ts';
import { hashOf } from '../internal/hash.ts';
import { pageOf } from '../page.ts';
import type { Run } from '../run.ts';
import { sequenceSvg } from '../sequenceSvg.ts';
import type { MachinesConfig } from '../testConfig.ts';
import { mergeMachines } from './merge.ts';
import { shownPath, writePage } from './pageFolder.ts';
import { defaultFolder, type FileTask } from './settings.ts';

const maxCharts = 12;
// Of a test that is retried or repeated. Whoever fails so often fails alike.
const maxFailedAttempts = 4;
const caller = 'test';

/** What is known of a test when it is over. */
export type EndedTest = Pick<TestContext, 'task' | 'annotate'>;

/** Counts what machines did among what their file did; it reaches the reporter with the file. */
export function noteMachines({ meta }: FileTask, { machines }: Pick<Run, 'machines'>): void {
  if (machines.length > 0) meta.machines = mergeMachines(meta.machines ?? {}, machines);
}

/** One go at a test, which may have several. */
interface Attempt {
  /** Counts from 1. */
  readonly number: number;
  readonly hasFailed: boolean;
  /** How it ended, in words. */
  readonly outcome: string;
}

/** What a test is shown with. */
interface Picture {
  readonly message: string;
  readonly attachment?: Attachment;
}

type Attachment = NonNullable<TestAnnotation['attachment']>;

/**
 * Attaches the pictures of a run to its test, however the test ended, and writes its page. A picture that cannot be
 * drawn is told in the report and fails nothing.
 */
export async function drawTest(test: EndedTest, run: Run, config: MachinesConfig = {}): Promise<void> {
  const { task } = test;
  const attempt = attemptOf(task);
  if (attempt === undefined || run.entries.length === 0 || !isWanted(task, attempt)) return;
  const visited = run.machines.filter(({ states }) => Object.keys(states).length > 0);
  const shown = { ...run, machines: visited.slice(0, maxCharts) };
  const nth = nthText(attempt);
  const pictures: Picture[] = [];
  const charts: string[] = [];
  for (const { chart } of shown.machines) {
    charts.push(await draw(pictures, `chart of ${chart.id}${nth}`, () => chartSvg(chart, run)));
  }
  if (visited.length > maxCharts)
    pictures.push({ message: `and ${visited.length - maxCharts} more machines` });
  const sequence = await draw(pictures, `sequence of messages${nth}`, () =>
    sequenceSvg(run, { ...config, caller }),
  );
  try {
    const subtitle = `${attempt.outcome}${nth}`;
    const page = pageOf(shown, { title: titleOf(task), subtitle, caller }, { charts, sequence });
    const name = writeTestPage(task, attempt, page);
    const machines = shown.machines.map(({ chart }) => chart.id);
    const { number, hasFailed, outcome } = attempt;
    task.meta.machinePages = [
      ...(task.meta.machinePages ?? []),
      { name, attempt: number, hasFailed, outcome, machines },
    ];
    const message = `Machines: ${shownPath(join(folderOf(task), name))}`;
    // The page holds the other pictures once more: reports stay small when they carry those of failed tests only.
    pictures.unshift(hasFailed ? { message, attachment: attachmentOf('text/html', page) } : { message });
  } catch (error) {
    pictures.push({ message: `The page of this test could not be written: ${String(error)}` });
  }
  if (attempt.hasFailed && drawnLike(task, attempt) === maxFailedAttempts) {
    pictures.push({ message: 'Further attempts that fail are not drawn.' });
  }
  for (const picture of pictures) await annotate(test, picture);
}

type Task = TestContext['task'];

/** How the attempt that is over now has ended; `undefined` when it was skipped. */
function attemptOf({ result, fails }: Task): Attempt | undefined {
  if (result === undefined || result.state === 'skip') return undefined;
  const { state, errors = [], retryCount = 0, repeatCount = 0 } = result;
  // A test that has to fail passes by failing.
  const hasFailed = (state === 'fail') !== (fails === true);
  const isLate = errors.at(-1)?.message.startsWith('Test timed out') === true;
  const outcome = hasFailed ? (isLate ? 'timed out' : 'failed') : 'passed';
  return { number: 1 + retryCount + repeatCount, hasFailed, outcome };
}

function nthText({ number }: Attempt): string {
  return number === 1 ? '' : `, attempt ${number}`;
}

/** Of many attempts the first that passed says the most, and those that failed. */
function isWanted(task: Task, attempt: Attempt): boolean {
  const { hasFailed } = attempt;
  const wanted = inject('machinePictures') ?? 'all';
  if (wanted === 'none' || (wanted === 'failed' && !hasFailed)) return false;
  return drawnLike(task, attempt) < (hasFailed ? maxFailedAttempts : 1);
}

/** How many attempts that ended alike have been drawn. */
function drawnLike({ meta }: Task, { hasFailed }: Attempt): number {
  return (meta.machinePages ?? []).filter((page) => page.hasFailed === hasFailed).length;
}

/** Adds a picture to those of the test and gives back its text, nothing when it could not be drawn. */
async function draw(
  pictures: Picture[],
  message: string,
  picture: () => Promise<string> | string,
): Promise<string> {
  try {
    const svg = await picture();
    pictures.push({ message, attachment: attachmentOf('image/svg+xml', svg) });
    return svg;
  } catch (error) {
    pictures.push({ message: `${message} could not be drawn: ${String(error)}` });
    return '';
  }
}

function attachmentOf(contentType: string, text: string): Attachment {
  return { contentType, body: Buffer.from(text).toString('base64') };
}

/**
 * Vitest takes annotations only while a test's outcome is open, and looks at that outcome when it is called, so the
 * outcome is open for exactly that call.
 */
function annotate(
  { task, annotate: annotateTest }: EndedTest,
  { message, attachment }: Picture,
): Promise<unknown> {
  const { result } = task;
  const state = result?.state;
  if (result !== undefined) result.state = 'run';
  try {
    return attachment === undefined
      ? annotateTest(message, 'machine')
      : annotateTest(message, 'machine', attachment);
  } finally {
    if (result !== undefined && state !== undefined) result.state = state;
  }
}

function titleOf(task: Task): string {
  const names = [task.name];
  for (let suite = task.suite; suite !== undefined; suite = suite.suite) names.unshift(suite.name);
  return names.join(' › ');
}

function writeTestPage(task: Task, attempt: Attempt, page: string): string {
  const { file } = task;
  const whole = `${file.projectName ?? ''} ${file.name} ${titleOf(task)}`.trim();
  const readable = whole.replaceAll(/[^A-Za-z0-9]+/g, '-').slice(0, 100);
  const hash = hashOf(`${whole} ${task.id}${nthText(attempt)}`).slice(0, 8);
  const name = `${readable}-${hash}.html`;
  writePage(folderOf(task), name, page);
  return name;
}

function folderOf({ file }: Task): string {
  // A file's name is its path from the root of its project, if it is below it.
  const isBelow = file.filepath.endsWith(`/${file.name}`);
  const root = isBelow ? file.filepath.slice(0, -file.name.length) : process.cwd();
  return inject('machineFolder') ?? join(root, defaultFolder);
}
