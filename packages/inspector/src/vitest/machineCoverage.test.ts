import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TestModule, Vitest } from 'vitest/node';
import { MachineCoverage } from './machineCoverage.ts';
import { writeFigures, writePage } from './pageFolder.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lloom-inspector-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** What Vitest does with a reporter when it starts. */
function start(folder: string): void {
  const vitest = { config: { root }, provide: () => undefined };
  new MachineCoverage({ folder }).onInit(vitest as unknown as Vitest);
}

test('the root as folder keeps everything that the reporter did not write', () => {
  mkdirSync(join(root, 'src'));
  const files = { 'package.json': '{}', 'src/main.ts': 'run();', 'about.html': '<!doctype html>' };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  start('.');
  const kept = Object.keys(files).map((name) => [name, readFileSync(join(root, name), 'utf8')]);
  expect(Object.fromEntries(kept)).toEqual(files);
});

test('what an earlier run wrote is removed, and what others put beside it is kept', () => {
  const folder = join(root, 'machines');
  writePage(folder, 'index.html', '<!doctype html>');
  writePage(folder, 'opens-0123abcd.html', '<!doctype html>');
  writeFigures(folder, { machines: [] });
  writeFileSync(join(folder, 'notes-0123abcd.html'), '<!doctype html>');
  writeFileSync(join(folder, '.gitignore'), '*');
  mkdirSync(join(folder, 'old.html'));
  writePage(join(folder, 'old.html'), 'closes-0123abcd.html', '<!doctype html>');
  start('machines');
  expect(readdirSync(folder).toSorted()).toEqual(['.gitignore', 'notes-0123abcd.html', 'old.html']);
  expect(readdirSync(join(folder, 'old.html'))).toHaveLength(1);
});

test.each(['index.html', 'coverage.json'])(
  'an %s that the reporter did not write stops Vitest before it could be replaced, and nothing is removed',
  (name) => {
    writePage(root, 'opens-0123abcd.html', '<!doctype html>');
    writeFileSync(join(root, name), 'of another tool');
    expect(() => start('.')).toThrow(join(root, name));
    expect(readFileSync(join(root, name), 'utf8')).toBe('of another tool');
    expect(existsSync(join(root, 'opens-0123abcd.html'))).toBe(true);
  },
);

test('a link in the folder is not followed, though it leads to a page of the reporter', () => {
  writePage(join(root, 'elsewhere'), 'opens-0123abcd.html', '<!doctype html>');
  mkdirSync(join(root, 'machines'));
  symlinkSync(join(root, 'elsewhere', 'opens-0123abcd.html'), join(root, 'machines', 'opens.html'));
  start('machines');
  expect(existsSync(join(root, 'machines', 'opens.html'))).toBe(true);
});

test('a folder that is not there yet is no problem', () => {
  start('machines');
  expect(existsSync(join(root, 'machines'))).toBe(false);
});

interface Given {
  readonly config?: object;
  readonly pattern?: RegExp;
  /** How many files the project has; the run has two. */
  readonly files?: number;
  readonly states?: readonly string[];
  readonly reason?: 'passed' | 'failed' | 'interrupted';
}

/** Lets a run of two files end in which no machine ran, and gives back what is said about it. */
async function endOf({
  config,
  pattern,
  files = 2,
  states = ['passed', 'passed'],
  reason,
}: Given): Promise<string> {
  const said: string[] = [];
  const vitest = {
    config: { root, project: [], watch: true, ...config },
    provide: () => undefined,
    getGlobalTestNamePattern: () => pattern,
    globTestSpecifications: () => Array.from({ length: files }),
    logger: { log: (text: string) => said.push(text), error: (text: string) => said.push(text) },
  };
  const reporter = new MachineCoverage({
    exceptions: [{ machine: 'door', transition: 'closed door.open → open', why: 'it is stuck' }],
  });
  reporter.onInit(vitest as unknown as Vitest);
  const modules = states.map((state, index) => ({
    id: String(index),
    moduleId: root,
    state: () => state,
    meta: () => ({}),
    children: { allTests: () => [] },
  }));
  await reporter.onTestRunEnd(modules as unknown as TestModule[], [], reason ?? 'passed');
  return said.join('');
}

test('demands are made of whole runs, whether their tests passed or failed', async () => {
  expect(await endOf({})).toContain('names no transition');
  expect(await endOf({ reason: 'failed' })).toContain('names no transition');
});

test.each<[string, Given]>([
  ['files', { files: 3 }],
  ['names', { pattern: /opens/ }],
  ['projects', { config: { project: ['rpc'] } }],
  ['tags', { config: { tagsFilter: ['slow'] } }],
  ['a shard', { config: { shard: { index: 1, count: 2 } } }],
  ['an interruption', { reason: 'interrupted' }],
  ['the first failures', { config: { bail: 1 }, reason: 'failed' }],
  ['a crash', { states: ['passed', 'pending'], reason: 'failed' }],
])('no demand is made of a part of a run, cut by %s', async (_name, given) => {
  expect(await endOf(given)).toContain('not enforced: only a part of the tests ran');
});
