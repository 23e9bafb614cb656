import { join } from 'node:path';
import { inject, type TestAttachment, type TestContext } from 'vitest';
import { chartSvg } from '../chartSvg.ts';
import { hashOf } from '../internal/hash.ts';
import { pageOf } from '../page.ts';
import type { Run } from '../run.ts';
import { sequenceSvg } from '../sequenceSvg.ts';
import { mergeMachines } from './merge.ts';
import { writePage } from './pageFolder.ts';
import { defaultFolder, type FileTask } from './settings.ts';

const maxCharts = 12;
const caller = 'test';

/** What is known of a test when it is over. */
export type EndedTest = Pick<TestContext, 'task' | 'annotate'>;

/** Counts what machines did among what their file did; it reaches the reporter with the file. */
export function noteMachines({ meta }: FileTask, { machines }: Pick<Run, 'machines'>): void {
  if (machines.length > 0) meta.machines = mergeMachines(meta.machines ?? {}, machines);
}

/**
 * Attaches the pictures of a run to its test, however the test ended, and writes its page. A picture that cannot be
 * drawn is told in the report and fails nothing.
 */
export async function drawTest(test: EndedTest, run: Run): Promise<void> {
  const { task } = test;
  const state = task.result?.state;
  const wanted = inject('machinePictures') ?? 'all';
  const isWanted = wanted === 'all' || (wanted === 'failed' && state === 'fail');
  if (!isWanted || state === 'skip' || run.entries.length === 0) return;
  const visited = run.machines.filter(({ states }) => Object.keys(states).length > 0);
  const shown = visited.slice(0, maxCharts);
  const charts: string[] = [];
  for (const { chart } of shown) {
    charts.push(await attach(test, `machine ${chart.id}`, () => chartSvg(chart, run)));
  }
  if (visited.length > maxCharts) await annotate(test, `and ${visited.length - maxCharts} more machines`);
  const sequence = await attach(test, 'sequence of messages', () => sequenceSvg(run, { caller }));
  try {
    const title = titleOf(task);
    const subtitle = state === 'fail' ? 'failed' : 'passed';
    const page = pageOf({ ...run, machines: shown }, { title, subtitle }, { charts, sequence });
    task.meta.machinePage = writeTestPage(task, page);
  } catch (error) {
    await annotate(test, `The page of this test could not be written: ${String(error)}`);
  }
}

/** Gives back what it attached, nothing when it could not be drawn. */
async function attach(
  test: EndedTest,
  message: string,
  draw: () => Promise<string> | string,
): Promise<string> {
  try {
    const svg = await draw();
    const body = Buffer.from(svg).toString('base64');
    await annotate(test, message, { contentType: 'image/svg+xml', body });
    return svg;
  } catch (error) {
    await annotate(test, `${message} could not be drawn: ${String(error)}`);
    return '';
  }
}

/**
 * Vitest takes annotations only while a test's outcome is open, and looks at that outcome when it is called, so the
 * outcome is open for exactly that call.
 */
function annotate(
  { task, annotate: annotateTest }: EndedTest,
  message: string,
  attachment?: TestAttachment,
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

type Task = TestContext['task'];

function titleOf(task: Task): string {
  const names = [task.name];
  for (let suite = task.suite; suite !== undefined; suite = suite.suite) names.unshift(suite.name);
  return names.join(' › ');
}

function writeTestPage(task: Task, page: string): string {
  const { file } = task;
  const whole = `${file.projectName ?? ''} ${file.name} ${titleOf(task)}`.trim();
  const readable = whole.replaceAll(/[^A-Za-z0-9]+/g, '-').slice(0, 100);
  const name = `${readable}-${hashOf(`${whole} ${task.id}`).slice(0, 8)}.html`;
  // A file's name is its path from the root of its project, if it is below it.
  const isBelow = file.filepath.endsWith(`/${file.name}`);
  const root = isBelow ? file.filepath.slice(0, -file.name.length) : process.cwd();
  writePage(inject('machineFolder') ?? join(root, defaultFolder), name, page);
  return name;
}
