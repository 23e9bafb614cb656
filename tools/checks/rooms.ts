import { existsSync } from 'node:fs';
import { dirname, join, matchesGlob } from 'node:path';

import ts from 'typescript';

import { fileBudget, frontDoor, frontDoorExceptions, libp2pModule, namesXState, roomsOf } from './rules.ts';
import type { Room } from './rules.ts';
import {
  codeLines,
  importsOf,
  isTest,
  lineOf,
  packagesOf,
  parse,
  slashed,
  sourcesOf,
  walk,
} from './workspace.ts';
import type { Finding, Import, Package } from './workspace.ts';

const rule = 'rooms';

interface Place {
  readonly pkg: Package;
  /** Relative to src. */
  readonly path: string;
  readonly room: Room;
  readonly source: ts.SourceFile;
}

const finding = (place: Place, message: string, line?: number): Finding => ({
  file: `packages/${place.pkg.name}/src/${place.path}`,
  ...(line === undefined ? {} : { line }),
  rule,
  message,
});

function roomNameOf(pkg: Package, path: string): string | undefined {
  const matches = ([, room]: [string, Room]): boolean =>
    room.files.some((glob) => matchesGlob(path, glob.replaceAll('$', pkg.name)));
  return Object.entries(roomsOf(pkg.name)).find(matches)?.[0];
}

function checkOwnImport(place: Place, found: Import): string | undefined {
  const target = slashed(join(dirname(place.path), found.specifier));
  const room = roomNameOf(place.pkg, target);
  if (room === undefined) return `"${found.specifier}" is in no room of this package`;
  const may = place.room.own;
  return may === undefined || may.includes(room)
    ? undefined
    : `this room may not import ${room} ("${found.specifier}")`;
}

function checkModule({ room }: Place, { specifier, typeOnly }: Import): string | undefined {
  if (specifier === 'xstate' || specifier.startsWith('xstate/')) {
    return room.xstate === true ? undefined : 'XState stays in machines and in the service that runs them';
  }
  if (specifier.startsWith('node:')) {
    return room.node === true ? undefined : `"${specifier}" is for adapters`;
  }
  if (room.modules !== undefined && !specifier.startsWith('@lloom/') && !room.modules.includes(specifier)) {
    return `only ${room.modules.join(', ')} and the workspace may be imported here, not "${specifier}"`;
  }
  if (!libp2pModule.test(specifier) || room.libp2p === 'run time') return undefined;
  if (room.libp2p === undefined) return `"${specifier}" may not be imported here`;
  return typeOnly
    ? undefined
    : `"${specifier}" may be imported at run time by adapters only: use "import type"`;
}

function checkImports(place: Place): Finding[] {
  return importsOf(place.source).flatMap((found) => {
    const check = found.specifier.startsWith('.') ? checkOwnImport : checkModule;
    const message = check(place, found);
    return message === undefined ? [] : [finding(place, message, found.line)];
  });
}

const impure = new Set(
  'setTimeout setInterval setImmediate clearTimeout clearInterval queueMicrotask requestAnimationFrame crypto performance console process fetch'.split(
    ' ',
  ),
);

/** A use of the global, not a property, a type or a declaration of that name. */
function isGlobalUse(node: ts.Identifier): boolean {
  const { parent } = node;
  const isName =
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    ((ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent)) &&
      parent.name === node) ||
    ((ts.isMethodDeclaration(parent) || ts.isMethodSignature(parent)) && parent.name === node) ||
    ts.isBindingElement(parent) ||
    ts.isParameter(parent) ||
    ts.isImportSpecifier(parent) ||
    ts.isTypeNode(parent);
  return !isName;
}

function impurityOf(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const text = `${node.expression.text}.${node.name.text}`;
    if (text === 'Date.now' || text === 'Math.random') return text;
    if (text.startsWith('globalThis.')) return text;
  }
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression)) {
    if (node.expression.text === 'Date' && (node.arguments ?? []).length === 0) return 'new Date()';
  }
  if (ts.isIdentifier(node) && impure.has(node.text) && isGlobalUse(node)) return node.text;
  return undefined;
}

function checkPurity(place: Place): Finding[] {
  if (place.room.pure !== true) return [];
  const findings: Finding[] = [];
  walk(place.source, (node) => {
    const name = impurityOf(node);
    const message = `${name} makes this room impure: time, chance and effects come in from outside`;
    if (name !== undefined) findings.push(finding(place, message, lineOf(place.source, node)));
  });
  return findings;
}

const logic = new Set([
  ts.SyntaxKind.IfStatement,
  ts.SyntaxKind.ForStatement,
  ts.SyntaxKind.ForInStatement,
  ts.SyntaxKind.ForOfStatement,
  ts.SyntaxKind.WhileStatement,
  ts.SyntaxKind.DoStatement,
  ts.SyntaxKind.SwitchStatement,
  ts.SyntaxKind.TryStatement,
  ts.SyntaxKind.ThrowStatement,
  ts.SyntaxKind.ConditionalExpression,
  ts.SyntaxKind.ClassDeclaration,
]);

/** The front door joins things and lists names: it decides nothing. */
function checkFrontDoor(place: Place): Finding[] {
  if (place.room.noLogic !== true) return [];
  const findings: Finding[] = [];
  walk(place.source, (node) => {
    if (!logic.has(node.kind)) return;
    findings.push(finding(place, 'no logic in an index: move it to its room', lineOf(place.source, node)));
  });
  for (const statement of place.source.statements) {
    const isStar = ts.isExportDeclaration(statement) && statement.exportClause === undefined;
    if (isStar)
      findings.push(finding(place, 'name what is exported, no "export *"', lineOf(place.source, statement)));
  }
  return [...findings, ...checkNames(place)];
}

/** The names that a file exports, types included. */
export function exportedNames(source: ts.SourceFile): string[] {
  return source.statements.flatMap((statement): string[] => {
    if (ts.isExportDeclaration(statement)) {
      const clause = statement.exportClause;
      return clause !== undefined && ts.isNamedExports(clause) ? clause.elements.map((e) => e.name.text) : [];
    }
    const isExported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword);
    if (isExported !== true) return [];
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.map((d) => d.name.getText(source));
    return [(statement as unknown as { name?: ts.Identifier }).name?.text ?? 'default'];
  });
}

function checkNames(place: Place): Finding[] {
  if (place.path !== 'index.ts' || !frontDoor.packages.includes(place.pkg.name)) return [];
  const limit = frontDoorExceptions[place.pkg.name]?.names ?? frontDoor.names;
  const names = new Set(exportedNames(place.source));
  if (names.size <= limit) return [];
  return [finding(place, `the front door has ${names.size} names, ${limit} are allowed`)];
}

function checkBudget(place: Place): Finding[] {
  const limit = Math.min(place.room.lines ?? fileBudget, fileBudget);
  const lines = codeLines(place.source);
  return lines <= limit
    ? []
    : [finding(place, `${lines} lines of code, ${limit} are allowed: split by lifecycle`)];
}

/** What users see of a package must not name XState: it could never be replaced. */
function checkDeclarations(pkg: Package): Finding[] {
  const first = join(pkg.folder, 'dist', 'index.d.ts');
  if (namesXState.includes(pkg.name) || !existsSync(first)) return [];
  const seen = new Set([first]);
  for (const file of seen) {
    for (const { specifier } of importsOf(parse(file))) {
      if (specifier === 'xstate' || specifier.startsWith('xstate/')) {
        const name = `packages/${pkg.name}/${slashed(file.slice(pkg.folder.length + 1))}`;
        return [{ file: name, rule, message: 'the types of the front door reach XState' }];
      }
      const target = join(dirname(file), specifier.replace(/\.[jt]s$/, '.d.ts'));
      if (specifier.startsWith('.') && existsSync(target)) seen.add(target);
    }
  }
  return [];
}

function checkPackage(pkg: Package): Finding[] {
  const findings = sourcesOf(join(pkg.folder, 'src')).flatMap((path): Finding[] => {
    if (isTest(path)) return [];
    const name = roomNameOf(pkg, path);
    const room = name === undefined ? undefined : roomsOf(pkg.name)[name];
    const file = `packages/${pkg.name}/src/${path}`;
    if (room === undefined) return [{ file, rule, message: 'this file is in no room of its package' }];
    const place: Place = { pkg, path, room, source: parse(join(pkg.folder, 'src', path)) };
    return [...checkImports(place), ...checkPurity(place), ...checkFrontDoor(place), ...checkBudget(place)];
  });
  return [...findings, ...checkDeclarations(pkg)];
}

/** Every file is in a room, and every room holds what belongs there. */
export function checkRooms(root: string): Finding[] {
  return packagesOf(root).flatMap(checkPackage);
}

/** Files of the tools keep the general budget. */
export function checkToolBudget(root: string): Finding[] {
  return sourcesOf(join(root, 'tools')).flatMap((path) => {
    const lines = codeLines(parse(join(root, 'tools', path)));
    const message = `${lines} lines of code, ${fileBudget} are allowed`;
    return lines <= fileBudget || isTest(path) ? [] : [{ file: `tools/${path}`, rule, message }];
  });
}
