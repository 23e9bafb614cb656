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
import type { Vitest } from 'vitest/node';
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
