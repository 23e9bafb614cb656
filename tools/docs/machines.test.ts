import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { checkGenerated } from '../checks/generated.ts';
import { machinesOf } from './machines.ts';

const trees: string[] = [];
afterAll(() => trees.forEach((root) => rmSync(root, { recursive: true, force: true })));

const machine = `
import { setup } from 'xstate';

const helper = 1;

/** One door: shut or open. */
export const doorMachine = setup({}).createMachine({
  id: 'door',
  initial: 'shut',
  states: {
    shut: { on: { 'door.open': 'open' } },
    open: { initial: 'empty', states: { empty: {}, 'in use': {} } },
    gone: { type: 'final' },
  },
});
`;

/** A repository with one machine and a page that shows it. */
function tree(): string {
  const root = mkdtempSync(join(tmpdir(), 'lloom-machines-'));
  trees.push(root);
  const files = {
    'packages/peers/package.json': '{"name":"@lloom/peers"}',
    'packages/peers/src/machines/door.machine.ts': machine,
    'packages/peers/src/machines/door.machine.test.ts': machine,
    'ARCHITECTURE.md': '# A\n\n<!-- generated: machines -->\n<!-- end -->\n\nMore.\n',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

test('a machine is read with its states, nested ones included', () => {
  expect(machinesOf(tree())).toEqual([
    {
      id: 'door',
      packageName: 'peers',
      file: 'packages/peers/src/machines/door.machine.ts',
      about: 'One door',
      states: ['shut', 'open.empty', 'open.in use', 'gone'],
    },
  ]);
});

test('the check finds a table that is old, and writes it between its marks', () => {
  const root = tree();
  const message = expect.stringContaining('--write');
  expect(checkGenerated(root)).toEqual([{ file: 'ARCHITECTURE.md', rule: 'generated', message }]);
  expect(checkGenerated(root, true)).toEqual([]);
  expect(checkGenerated(root)).toEqual([]);
  expect(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')).toBe(
    [
      '# A\n\n<!-- generated: machines -->\n',
      '| machine | package | what lives | states |',
      '|---|---|---|---|',
      '| [door](packages/peers/src/machines/door.machine.ts) | peers | One door | `shut`, `open.empty`, `open.in use`, `gone` |',
      '\n<!-- end -->\n\nMore.\n',
    ].join('\n'),
  );
});
