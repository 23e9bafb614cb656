import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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
      comment: 'One door: shut or open.',
      states: ['shut', 'open.empty', 'open.in use', 'gone'],
    },
  ]);
});

test('a machine that cannot be read, and one that has the id of another, are found', () => {
  const root = tree();
  const folder = 'packages/peers/src/machines';
  const files = {
    'gate.machine.ts': machine,
    'lamp.machine.ts': `const config = { id: 'lamp' };\nexport const lamp = setup({}).createMachine(config);\n`,
    'rest.machine.ts': 'export const nothing = 1;\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, folder, name), text);
  const unread = expect.stringContaining('no machine that can be read');
  const twice = `its machine has the id of another, "door" of ${folder}/door.machine.ts`;
  const rule = 'generated';
  expect(checkGenerated(root, true)).toEqual([
    { file: `${folder}/lamp.machine.ts`, rule, message: unread },
    { file: `${folder}/rest.machine.ts`, rule, message: unread },
    { file: `${folder}/gate.machine.ts`, rule, message: twice },
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
      '| [door](docs/machines/door.md) | [peers](packages/peers/src/machines/door.machine.ts) | One door | `shut`, `open.empty`, `open.in use`, `gone` |',
      '\n<!-- end -->\n\nMore.\n',
    ].join('\n'),
  );
});

test('the check makes a page and a picture of each machine, shows it where it is asked to, and removes old ones', () => {
  const root = tree();
  symlinkSync(join(import.meta.dirname, '../node_modules'), join(root, 'node_modules'), 'dir');
  mkdirSync(join(root, 'packages/inspector'), { recursive: true });
  mkdirSync(join(root, 'docs/machines'), { recursive: true });
  writeFileSync(join(root, 'docs/machines/window.md'), '# window\n');
  const readme = join(root, 'packages/peers/README.md');
  writeFileSync(readme, '# peers\n');
  expect(checkGenerated(root, true)).toEqual([
    {
      file: 'packages/peers/README.md',
      rule: 'generated',
      message: 'it does not show its machine: <!-- machine: door --> and <!-- end -->',
    },
  ]);
  writeFileSync(readme, '# peers\n\n<!-- machine: door -->\n<!-- end -->\n');
  expect(checkGenerated(root).map(({ file }) => file)).toEqual(['packages/peers/README.md']);
  expect(checkGenerated(root, true)).toEqual([]);
  expect(readdirSync(join(root, 'docs/machines')).toSorted()).toEqual(['README.md', 'door.md', 'door.svg']);
  expect(readFileSync(readme, 'utf8')).toContain(
    '\n[![The machine door](../../docs/machines/door.svg)](../../docs/machines/door.md)\n',
  );
  const page = readFileSync(join(root, 'docs/machines/door.md'), 'utf8');
  expect(page).toContain('One door: shut or open.\n');
  expect(page).toContain('| `shut` | *starts here.* |  | `open` |\n');
  expect(page).toContain('| `shut` | `door.open` |  | `open` |  |\n');
  expect(page).toContain('```mermaid\nstateDiagram-v2\n');
});
