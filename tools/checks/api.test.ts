import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, expect, test } from 'vitest';

import { changedLines, checkApi } from './api.ts';

const trees: string[] = [];
afterEach(() => trees.splice(0).forEach((root) => rmSync(root, { recursive: true, force: true })));

const exported = {
  '.': { types: './dist/index.d.ts' },
  './more': { types: './dist/more.d.ts' },
  './package.json': './package.json',
};
const types = `export interface Named {
  readonly a: number;
}
interface Unnamed {
  readonly b: string;
}
/** Both. */
export declare function make(named: Named): Unnamed;
`;
const built = {
  'package.json': JSON.stringify({ name: '@lloom/core', exports: exported }),
  'dist/index.d.ts': "export { make, type Named } from './types.js';\n",
  'dist/more.d.ts': "import type { Named } from './types.js';\nexport declare const given: Named;\n",
  'dist/types.d.ts': types,
};

/** A repository with one package, built. */
function tree(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'lloom-api-test-'));
  trees.push(root);
  for (const [path, text] of Object.entries(files)) write(root, `packages/core/${path}`, text);
  return root;
}

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

test('the check of public names writes a page for each entry point, and says what has changed since and has no name', () => {
  const root = tree(built);
  const noName =
    '"Unnamed" is part of what "." declares and has no name for users: export it from src/index.ts';

  expect(checkApi(root, true).map(({ message }) => message)).toEqual([noName]);
  const page = (name: string): string => readFileSync(join(root, 'docs/api', `${name}.api.md`), 'utf8');
  expect(page('core')).toContain('\ninterface Unnamed {\n    readonly b: string;\n}\n');
  expect(page('core')).toContain('\nexport function make(named: Named): Unnamed;\n');
  expect(page('core.more')).toContain('# @lloom/core/more\n');
  expect(page('core.more'), 'the main page tells of it').not.toContain('interface Named');

  write(
    root,
    'packages/core/dist/types.d.ts',
    types.replaceAll('interface Unnamed', 'export interface Other'),
  );
  write(root, 'packages/core/dist/index.d.ts', "export { type Named, type Other } from './types.js';\n");
  write(root, 'docs/api/core.gone.api.md', '');
  const findings = checkApi(root).map(({ file, message }) => `${file}: ${message}`);
  expect(findings).toEqual([
    expect.stringContaining('docs/api/core.api.md: the public API has changed'),
    expect.stringContaining('docs/api/core.gone.api.md: there is no such entry point'),
  ]);
  expect(findings[0]).toContain('- export function make(named: Named): Unnamed;');
  expect(findings[0]).toContain('+ export interface Other {');
});

test('lines that only moved are no change', () => {
  expect(changedLines('a\nb\nc', 'c\na\nb')).toEqual([]);
  expect(changedLines('a\na\nb', 'a\nb\nc')).toEqual(['- a', '+ c']);
});
