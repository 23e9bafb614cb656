// The table of all state machines, made from the files that declare them.
import { join } from 'node:path';

import ts from 'typescript';

import { isTest, packagesOf, parse, sourcesOf, walk, type Finding } from '../checks/workspace.ts';
import { commentOf } from './comments.ts';

/** One state machine. */
export interface MachineDoc {
  readonly id: string;
  readonly packageName: string;
  /** Relative to the root. */
  readonly file: string;
  /** What it is one of, in the words before the first colon or full stop of its comment. */
  readonly about: string;
  /** Its whole comment, in one line. */
  readonly comment: string;
  /** In the order in which they are written; nested ones behind a dot. */
  readonly states: readonly string[];
}

/** Every machine of the workspace, by package. */
export function machinesOf(root: string): MachineDoc[] {
  return machineFilesOf(root).flatMap(({ packageName, file }) =>
    machinesIn(parse(join(root, file))).map((found) => ({ ...found, packageName, file })),
  );
}

function machineFilesOf(root: string): Pick<MachineDoc, 'packageName' | 'file'>[] {
  return packagesOf(root).flatMap(({ name, folder }) =>
    sourcesOf(join(folder, 'src'))
      .filter((path) => path.endsWith('.machine.ts') && !isTest(path))
      .map((path) => ({ packageName: name, file: `packages/${name}/src/${path}` })),
  );
}

/** Files of machines that cannot be read, and machines that have the id of another: they would have no page. */
export function machineProblems(root: string): Finding[] {
  const rule = 'generated';
  const machines = machinesOf(root);
  const unread = machineFilesOf(root).flatMap(({ file }): Finding[] => {
    const own = machines.filter((machine) => machine.file === file);
    const nameless = own.some(({ id }) => id === '');
    if (nameless) return [{ file, rule, message: 'its machine has no id that is written as a text' }];
    if (own.length > 0 && own.length >= callsIn(parse(join(root, file)))) return [];
    const message =
      'it has no machine that can be read: each is exported, with its configuration in createMachine({ … })';
    return [{ file, rule, message }];
  });
  const twice = machines.flatMap(({ id, file }, index): Finding[] => {
    const first = machines.findIndex((machine) => machine.id === id);
    if (id === '' || first === index) return [];
    return [
      { file, rule, message: `its machine has the id of another, "${id}" of ${machines[first]?.file}` },
    ];
  });
  return [...unread, ...twice];
}

/** How often `createMachine` is called. */
function callsIn(source: ts.SourceFile): number {
  let count = 0;
  walk(source, (node) => {
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return;
    if (node.expression.name.text === 'createMachine') count += 1;
  });
  return count;
}

function machinesIn(source: ts.SourceFile): Omit<MachineDoc, 'packageName' | 'file'>[] {
  return source.statements.flatMap((statement) => {
    const config = configIn(statement);
    if (config === undefined) return [];
    const id = valueOf(config, 'id');
    const states = valueOf(config, 'states');
    const comment = commentOf(statement);
    return {
      id: id !== undefined && ts.isStringLiteralLike(id) ? id.text : '',
      about: /^[^:.]*/.exec(comment)?.[0] ?? '',
      comment,
      states: states === undefined ? [] : statesIn(states),
    };
  });
}

/** What `createMachine` is called with. */
function configIn(statement: ts.Statement): ts.ObjectLiteralExpression | undefined {
  let config: ts.ObjectLiteralExpression | undefined;
  walk(statement, (node) => {
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return;
    const [first] = node.arguments;
    if (node.expression.name.text !== 'createMachine' || first === undefined) return;
    if (ts.isObjectLiteralExpression(first)) config = first;
  });
  return config;
}

function valueOf(object: ts.ObjectLiteralExpression, name: string): ts.Expression | undefined {
  const found = object.properties.find((each) => each.name !== undefined && nameOf(each.name) === name);
  return found !== undefined && ts.isPropertyAssignment(found) ? found.initializer : undefined;
}

const nameOf = (name: ts.PropertyName): string =>
  ts.isIdentifier(name) || ts.isStringLiteralLike(name) ? name.text : '';

function statesIn(states: ts.Expression): string[] {
  if (!ts.isObjectLiteralExpression(states)) return [];
  return states.properties.flatMap((state): string[] => {
    if (!ts.isPropertyAssignment(state)) return [];
    const name = nameOf(state.name);
    const inner = ts.isObjectLiteralExpression(state.initializer)
      ? valueOf(state.initializer, 'states')
      : undefined;
    return inner === undefined ? [name] : statesIn(inner).map((each) => `${name}.${each}`);
  });
}

/** The table, as Markdown. */
export function machinesTable(root: string): string {
  const rows = machinesOf(root).map(({ id, packageName, file, about, states }) => {
    const list = states.map((state) => `\`${state}\``).join(', ');
    return `| [${id}](docs/machines/${id}.md) | [${packageName}](${file}) | ${about} | ${list} |`;
  });
  return ['| machine | package | what lives | states |', '|---|---|---|---|', ...rows].join('\n');
}
