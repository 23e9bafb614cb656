import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { checkGenerated } from '../checks/generated.ts';
import { errorsOf, errorsPage } from './errors.ts';
import { paragraph } from './wrap.ts';

const trees: string[] = [];
afterAll(() => trees.forEach((root) => rmSync(root, { recursive: true, force: true })));

/** A repository with one package that has these files. */
function tree(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'lloom-errors-'));
  trees.push(root);
  const all = { 'package.json': '{"name":"@lloom/peers"}', ...files };
  for (const [path, text] of Object.entries(all)) {
    const file = join(root, 'packages/peers', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return root;
}

const source = `
import type { Attempt } from './types.ts';

type Side = 'here' | 'there';

interface Named {
  readonly peerId: string;
}

interface Placed extends Named {
  readonly side: Side;
}

/** The data of each code. */
export interface DoorErrorData {
  /** It is shut, see {@link open}; use
   * the window. */
  SHUT: Placed & { readonly attempts: readonly Attempt[]; readonly untilMs?: number };
  /** Nobody knows. */
  LOST: {};
}

const askAnother = 'Ask at ' + '/dns4/<host>.';
const table: CodeTable<DoorErrorData> = {
  SHUT: { message: () => 'Cannot enter', retryable: true, hint: askAnother },
  LOST: { message: () => 'Cannot say', retryable: false, hint: '' },
};

/** A door that stays shut. */
export class DoorError extends LloomError {}
`;
const types = 'export interface Attempt { readonly address?: string }';
const door = { 'src/errors.ts': source, 'src/types.ts': types };

test('a table of codes is read with meaning, data, retry and hint', () => {
  const [error, ...others] = errorsOf(tree(door));
  expect(others).toEqual([]);
  expect(error).toEqual({
    name: 'DoorError',
    packageName: '@lloom/peers',
    file: 'packages/peers/src/errors.ts',
    about: 'A door that stays shut.',
    types: new Map([
      ['Side', 'is one of `here`, `there`'],
      ['Attempt', 'has `address?: string`'],
    ]),
    codes: [
      {
        code: 'SHUT',
        meaning: 'It is shut, see `open`; use the window.',
        data: ['peerId: string', 'side: Side', 'attempts: Attempt[]', 'untilMs?: number'],
        retryable: true,
        hint: 'Ask at /dns4/<host>.',
      },
      { code: 'LOST', meaning: 'Nobody knows.', data: [], retryable: false, hint: '' },
    ],
  });
});

describe('the page', () => {
  const page = errorsPage(tree(door));

  test('has a heading for each code, so that each can be linked', () => {
    expect(page.match(/^### .*$/gm)).toEqual(['### DoorError `SHUT`', '### DoorError `LOST`']);
  });

  test('lets nothing be taken for HTML', () => {
    expect(page).toContain(String.raw`- Hint: Ask at /dns4/\<host>.`);
  });

  test('has no line of more than 120 characters', () => {
    expect(page.split('\n').filter((line) => line.length > 120)).toEqual([]);
  });
});

describe('the check of what is generated', () => {
  test('finds a page that is missing, writes it, and finds it changed', () => {
    const root = tree(door);
    const stale = [
      { file: 'docs/errors.md', rule: 'generated', message: expect.stringContaining('--write') },
    ];
    expect(checkGenerated(root)).toEqual(stale);
    expect(checkGenerated(root, true)).toEqual([]);
    expect(checkGenerated(root)).toEqual([]);
    const page = join(root, 'docs/errors.md');
    writeFileSync(page, readFileSync(page, 'utf8').replace('Nobody', 'Somebody'));
    expect(checkGenerated(root)).toEqual(stale);
  });

  test('finds a code and a class that nobody explains', () => {
    const root = tree({ ...door, 'src/errors.ts': source.replaceAll(/\/\*\* (?:Nobody|A door).*\n/g, '\n') });
    expect(checkGenerated(root, true).map(({ message }) => message)).toEqual([
      'DoorError: the class has no doc comment',
      'DoorError: LOST has no doc comment',
    ]);
  });

  test('asks nothing of a repository without errors', () => {
    expect(checkGenerated(tree({}))).toEqual([]);
  });
});

describe('a paragraph', () => {
  test('is broken at 120 characters and goes on below its text', () => {
    const lines = paragraph('word '.repeat(40), '- ').split('\n');
    expect(lines.map((line) => line.slice(0, 4))).toEqual(['- wo', '  wo']);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  test('keeps code in one piece', () => {
    expect(paragraph(`${'x'.repeat(110)} \`a: b or c\`, d`)).toBe(`${'x'.repeat(110)}\n\`a: b or c\`, d`);
  });
});
