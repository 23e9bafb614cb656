import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const fixture = fileURLToPath(new URL('../test/fixtures/node/door.fixture.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lloom-node-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let output = '';
let pages: string[] = [];

/** Runs Node's own runner on the fixture, once for all tests. */
beforeAll(async () => {
  const env = { ...process.env, MACHINES: 'others', NO_COLOR: '1', NODE_OPTIONS: '' };
  // A file of tests runs them by itself: with `--test` it would be another process that does.
  const args = ['--conditions=@lloom/source', '--test-reporter=tap', fixture];
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  await new Promise((resolve) => child.on('close', resolve));
  pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'));
});

const pageOf = (name: string): string => {
  const page = pages.find((file) => file.includes(name));
  return page === undefined ? '' : readFileSync(join(folder, page), 'utf8');
};

test("tests of Node's own runner end as they would, and get pages of what they did", () => {
  expect(output).toMatch(/^# pass 4$/m);
  expect(output).toMatch(/^# fail 1$/m);
  expect(output).toMatch(/^# cancelled 1$/m);
  expect(pages.filter((page) => page.startsWith(join('.node-test', 'machines')))).toHaveLength(1);
  expect(pages.filter((page) => page.startsWith('others'))).toHaveLength(2);
  expect(pageOf('opens')).toContain('passed');
  expect(pageOf('fails')).toContain('failed');
  expect(pageOf('times-out')).toContain('timed out');
});

test('the report says where each page is, and that one could not be written', () => {
  for (const page of pages) expect(output).toContain(`# Machines: ${page}`);
  expect(output).toMatch(/# The page of machines could not be written: Error: E(NOTDIR|NOENT)/);
});

test('time is that of the timers which a test replaces', () => {
  expect(pageOf('fails')).toContain('1.2 s');
});
