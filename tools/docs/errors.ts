// The page of all errors, made from the tables that the packages declare.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

import ts from 'typescript';

import { layers } from '../checks/rules.ts';
import { isTest, packagesOf, parse, sourcesOf } from '../checks/workspace.ts';
import { commentOf } from './comments.ts';
import { paragraph } from './wrap.ts';

/** One code of an error class. */
export interface CodeDoc {
  readonly code: string;
  /** Empty when nobody wrote it down. */
  readonly meaning: string;
  /** Fields as `name: type`. */
  readonly data: readonly string[];
  readonly retryable: boolean;
  readonly hint: string;
}

/** One error class with all its codes. */
export interface ErrorDoc {
  readonly name: string;
  readonly packageName: string;
  /** Relative to the root. */
  readonly file: string;
  readonly about: string;
  readonly codes: readonly CodeDoc[];
  /** What the data names by a type of its own: the type, and what it is. */
  readonly types: ReadonlyMap<string, string>;
}

interface Scope {
  readonly file: string;
  readonly source: ts.SourceFile;
  readonly types: Map<string, string>;
}

/** Every error class of the workspace, the lowest package first. */
export function errorsOf(root: string): ErrorDoc[] {
  const order = Object.keys(layers);
  const packages = packagesOf(root).toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  return packages.flatMap(({ name, folder, manifest }) =>
    sourcesOf(join(folder, 'src'))
      .filter((path) => !isTest(path))
      .flatMap((path) => {
        const at = { packageName: manifest.name, file: `packages/${name}/src/${path}` };
        return errorsIn(parse(join(folder, 'src', path))).map((found) => ({ ...found, ...at }));
      }),
  );
}

type Found = Omit<ErrorDoc, 'packageName' | 'file'>;

/** A table of codes is what is declared as `CodeTable<XErrorData>`; its class is then `XError`. */
function errorsIn(source: ts.SourceFile): Found[] {
  const declarations = source.statements
    .filter((statement) => ts.isVariableStatement(statement))
    .flatMap((statement) => [...statement.declarationList.declarations]);
  return declarations.flatMap((declaration): Found[] => {
    const { type, initializer } = declaration;
    if (type === undefined || !ts.isTypeReferenceNode(type) || type.typeName.getText(source) !== 'CodeTable')
      return [];
    const dataName = type.typeArguments?.[0]?.getText(source) ?? '';
    const data = source.statements.find(
      (each) => ts.isInterfaceDeclaration(each) && each.name.text === dataName,
    );
    if (initializer === undefined || !ts.isObjectLiteralExpression(initializer)) return [];
    if (data === undefined || !ts.isInterfaceDeclaration(data)) return [];
    const name = dataName.replace(/Data$/, '');
    const scope: Scope = { file: source.fileName, source, types: new Map() };
    const codes = data.members
      .filter((member) => ts.isPropertySignature(member))
      .map((member) => codeOf(member, initializer, scope));
    const owner = source.statements.find((each) => ts.isClassDeclaration(each) && each.name?.text === name);
    return [{ name, about: owner === undefined ? '' : commentOf(owner), codes, types: scope.types }];
  });
}

function codeOf(member: ts.PropertySignature, table: ts.ObjectLiteralExpression, scope: Scope): CodeDoc {
  const code = member.name.getText(scope.source);
  const entry = valueIn(table, code, scope.source);
  const fields = entry !== undefined && ts.isObjectLiteralExpression(entry) ? entry : undefined;
  const retryable = fields && valueIn(fields, 'retryable', scope.source);
  const hint = fields && valueIn(fields, 'hint', scope.source);
  return {
    code,
    meaning: commentOf(member),
    data: member.type === undefined ? [] : fieldsOf(member.type, scope),
    retryable: retryable?.kind === ts.SyntaxKind.TrueKeyword,
    hint: hint === undefined ? '' : textOf(hint, scope.source),
  };
}

function valueIn(
  object: ts.ObjectLiteralExpression,
  name: string,
  source: ts.SourceFile,
): ts.Expression | undefined {
  const found = object.properties.find((each) => each.name?.getText(source) === name);
  return found !== undefined && ts.isPropertyAssignment(found) ? found.initializer : undefined;
}

/** The text of a literal, of literals that are added up, or of a constant of the same file. */
function textOf(node: ts.Expression, source: ts.SourceFile): string {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isBinaryExpression(node)) return textOf(node.left, source) + textOf(node.right, source);
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement) || !ts.isIdentifier(node)) continue;
    const found = statement.declarationList.declarations.find(
      (each) => each.name.getText(source) === node.text,
    );
    if (found?.initializer !== undefined) return textOf(found.initializer, source);
  }
  return '';
}

function fieldsOf(type: ts.TypeNode, scope: Scope): string[] {
  if (ts.isIntersectionTypeNode(type)) return type.types.flatMap((part) => fieldsOf(part, scope));
  if (ts.isTypeLiteralNode(type)) return membersOf(type.members, scope);
  if (!ts.isTypeReferenceNode(type)) return [];
  const declared = declarationOf(type.typeName.getText(scope.source), scope);
  if (declared === undefined) return [];
  const { node, scope: there } = declared;
  if (ts.isTypeAliasDeclaration(node)) return fieldsOf(node.type, there);
  const parents = (node.heritageClauses ?? []).flatMap(({ types }) => [...types]);
  const inherited = parents.flatMap(({ expression }) => {
    const parent = declarationOf(expression.getText(there.source), there);
    return parent !== undefined && ts.isInterfaceDeclaration(parent.node)
      ? membersOf(parent.node.members, parent.scope)
      : [];
  });
  return [...inherited, ...membersOf(node.members, there)];
}

function membersOf(members: ts.NodeArray<ts.TypeElement>, scope: Scope): string[] {
  return members
    .filter((member) => ts.isPropertySignature(member))
    .map((member) => {
      if (member.type !== undefined) noteType(member.type, scope);
      const type = member.type?.getText(scope.source).replaceAll('readonly ', '').replaceAll(/\s+/g, ' ');
      return `${member.name.getText(scope.source)}${member.questionToken === undefined ? '' : '?'}: ${type ?? 'unknown'}`;
    });
}

/** Remembers what a type of the package is: one of a few words, or an object. */
function noteType(type: ts.TypeNode, scope: Scope): void {
  if (ts.isTypeOperatorNode(type)) return noteType(type.type, scope);
  if (ts.isArrayTypeNode(type)) return noteType(type.elementType, scope);
  if (!ts.isTypeReferenceNode(type)) return;
  const name = type.typeName.getText(scope.source);
  const declared = scope.types.has(name) ? undefined : declarationOf(name, scope);
  if (declared === undefined) return;
  const { node } = declared;
  const words = ts.isTypeAliasDeclaration(node) ? wordsOf(node.type) : [];
  if (words.length > 0) return void scope.types.set(name, listed(words, 'is one of'));
  // Entered before its fields are read: a type may name itself.
  scope.types.set(name, '');
  const fields = fieldsOf(type, scope);
  if (fields.length === 0) scope.types.delete(name);
  else scope.types.set(name, listed(fields, 'has'));
}

const listed = (parts: readonly string[], verb: string): string =>
  `${verb} ${parts.map((part) => `\`${part}\``).join(', ')}`;

/** The words that a union of texts allows; none when it is something else. */
function wordsOf(type: ts.TypeNode): readonly string[] {
  const parts = ts.isUnionTypeNode(type) ? type.types : [type];
  const words = parts.map((part) =>
    ts.isLiteralTypeNode(part) && ts.isStringLiteral(part.literal) ? part.literal.text : '',
  );
  return words.includes('') ? [] : words;
}

interface Declared {
  readonly node: ts.InterfaceDeclaration | ts.TypeAliasDeclaration;
  readonly scope: Scope;
}

/** Where a type of this name is declared: in the file, or in one of the package that it imports it from. */
function declarationOf(name: string, scope: Scope): Declared | undefined {
  for (const statement of scope.source.statements) {
    const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
    if (isType && statement.name.text === name) return { node: statement, scope };
    const module = ts.isImportDeclaration(statement) ? statement.moduleSpecifier : undefined;
    if (module === undefined || !ts.isStringLiteral(module) || !module.text.startsWith('.')) continue;
    const bindings = (statement as ts.ImportDeclaration).importClause?.namedBindings;
    if (bindings === undefined || !ts.isNamedImports(bindings)) continue;
    if (!bindings.elements.some((element) => element.name.text === name)) continue;
    const file = join(dirname(scope.file), module.text);
    if (existsSync(file)) return declarationOf(name, { ...scope, file, source: parse(file) });
  }
  return undefined;
}

const introduction = `# Errors

Every error that Lloom throws is a \`LloomError\` of one of the classes below. It has a \`code\` out of a closed list,
typed \`data\`, whether trying the same call again may help (\`retryable\`), a \`hint\` for whoever reads it, and the
\`cause\` when there is one. Compare \`code\`, never the message:

\`\`\`ts
if (RpcError.is(error, 'BUSY')) await wait(error.data.retryAfterMs);
else if (LloomError.isLloomError(error) && error.retryable) tryAgain();
\`\`\`

\`is\` compares the name and the code, so it also knows errors of another copy of the package. \`toJSON()\` gives the
plain form without stack and cause; the \`lloom\` command prints it with \`--json\`. What a peer wrote for
people stands in \`data.remoteMessage\`, cut to 256 characters. How errors are made is told in
[ADR 0012](adr/0012-error-codes.md); which codes cross the wire, in [the protocol](protocol/req-resp.md#error-codes).

This page is made from the sources. Change the doc comments and tables there, then run \`npm run check -- --write\`.
`;

/** The page, as Markdown. */
export function errorsPage(root: string): string {
  const errors = errorsOf(root);
  const contents = errors.map(({ name, packageName, about }) =>
    paragraph(`[${name}](#${name.toLowerCase()}) of \`${packageName}\`: ${escaped(about)}`, '- '),
  );
  return [introduction, ...contents, '', ...errors.map(section)].join('\n');
}

function section({ name, packageName, file, about, codes, types }: ErrorDoc): string {
  const lists = [...types].map(([type, what]) => paragraph(`\`${type}\` ${what}.`, '- '));
  const head = paragraph(`${escaped(about)} Declared in [${packageName}](../${file}).`);
  const parts = codes.map((code) => subsection(name, code));
  return [
    `## ${name}\n`,
    `${head}\n`,
    ...(lists.length === 0 ? [] : [`${lists.join('\n')}\n`]),
    ...parts,
  ].join('\n');
}

function subsection(name: string, { code, meaning, data, retryable, hint }: CodeDoc): string {
  const fields = data.length === 0 ? 'none' : data.map((field) => `\`${field}\``).join(', ');
  const lines = [paragraph(`Data: ${fields}`, '- '), `- Retry: ${retryable ? 'may help' : 'does not help'}`];
  if (hint !== '') lines.push(paragraph(`Hint: ${escaped(hint)}`, '- '));
  return `### ${name} \`${code}\`\n\n${paragraph(escaped(meaning))}\n\n${lines.join('\n')}\n`;
}

/** Text in which nothing is taken for HTML; code stays as it is. */
function escaped(text: string): string {
  return text.replaceAll(/`[^`]*`|</g, (found) => (found === '<' ? '\\<' : found));
}
