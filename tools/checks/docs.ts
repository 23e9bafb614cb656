import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import ts from 'typescript';

import { lineOf, packagesOf, parse, slashed } from './workspace.ts';
import type { Finding, Package } from './workspace.ts';

const rule = 'docs';

interface Exported {
  readonly name: string;
  readonly file: string;
  readonly node: ts.Node;
}

const isDocumented = (node: ts.Node): boolean => ts.getJSDocCommentsAndTags(node).some(ts.isJSDoc);

function declarationsOf(source: ts.SourceFile): Map<string, ts.Node[]> {
  const found = new Map<string, ts.Node[]>();
  const add = (name: string, node: ts.Node): void => void found.set(name, [...(found.get(name) ?? []), node]);
  for (const statement of source.statements) {
    if (ts.isVariableStatement(statement)) {
      for (const declaration of statement.declarationList.declarations)
        add(declaration.name.getText(source), statement);
    } else {
      const { name } = statement as unknown as { name?: ts.Node };
      if (name !== undefined && ts.isIdentifier(name)) add(name.text, statement);
    }
  }
  return found;
}

/** Follows an exported name to where it is declared, within its package. */
function resolve(file: string, name: string, alias = name): Exported | undefined {
  if (!existsSync(file) || !file.endsWith('.ts')) return undefined;
  const source = parse(file);
  const own = declarationsOf(source).get(name);
  if (own !== undefined) return { name: alias, file, node: own.find(isDocumented) ?? (own[0] as ts.Node) };
  for (const statement of source.statements) {
    const from = importedFrom(statement, name);
    if (from !== undefined) return resolve(join(dirname(file), from.path), from.name, alias);
  }
  return undefined;
}

/** `export { a as name } from './x.ts'` and `import { a as name } from './x.ts'`. */
function importedFrom(statement: ts.Statement, name: string): { path: string; name: string } | undefined {
  const isExport = ts.isExportDeclaration(statement);
  if (!isExport && !ts.isImportDeclaration(statement)) return undefined;
  const list = isExport ? statement.exportClause : statement.importClause?.namedBindings;
  const module = statement.moduleSpecifier;
  if (
    list === undefined ||
    module === undefined ||
    !ts.isStringLiteral(module) ||
    !module.text.startsWith('.')
  )
    return undefined;
  if (!ts.isNamedExports(list) && !ts.isNamedImports(list)) return undefined;
  const element = [...list.elements].find((each) => each.name.text === name);
  return element && { path: module.text, name: (element.propertyName ?? element.name).text };
}

function exportsOf(index: string): Exported[] {
  const source = parse(index);
  return source.statements.flatMap((statement): Exported[] => {
    if (ts.isExportDeclaration(statement)) {
      const clause = statement.exportClause;
      if (clause === undefined || !ts.isNamedExports(clause)) return [];
      return clause.elements.flatMap((element) => {
        const local = (element.propertyName ?? element.name).text;
        const module = statement.moduleSpecifier;
        const path = module !== undefined && ts.isStringLiteral(module) ? module.text : undefined;
        // What another package exports is documented there.
        if (path !== undefined && !path.startsWith('.')) return [];
        const file = path === undefined ? index : join(dirname(index), path);
        return resolve(file, local, element.name.text) ?? [];
      });
    }
    const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
    if (!modifiers.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword)) return [];
    const names = [...declarationsOf(source)]
      .filter(([, nodes]) => nodes.includes(statement))
      .map(([name]) => name);
    return names.map((name) => ({ name, file: index, node: statement }));
  });
}

/** The sources of the entry points of a package, the main one also where the manifest names none. */
function entriesOf({ folder, manifest }: Package): string[] {
  const sources = Object.values(manifest.exports ?? {}).flatMap((target) =>
    typeof target === 'object' && target !== null && '@lloom/source' in target
      ? [String(target['@lloom/source'])]
      : [],
  );
  const files = [join('src', 'index.ts'), ...sources].map((file) => join(folder, file));
  return [...new Set(files)].filter((file) => existsSync(file));
}

/** Every name of every entry point says what it is to the caller, once. */
export function checkComments(root: string): Finding[] {
  return packagesOf(root).flatMap((pkg) => {
    const exported = entriesOf(pkg).flatMap(exportsOf);
    return [...new Map(exported.map((each) => [`${each.file} ${each.name}`, each])).values()]
      .filter(({ node }) => !isDocumented(node))
      .map(({ name, file, node }) => ({
        file: slashed(file.slice(root.length + 1)),
        line: lineOf(node.getSourceFile(), node),
        rule,
        message: `"${name}" is exported and has no doc comment`,
      }));
  });
}

const examplesOf = (pkg: Package): string[] => globSync('examples/*.ts', { cwd: pkg.folder });

function checkPresence(pkg: Package): Finding[] {
  const folder = `packages/${pkg.name}`;
  const findings: Finding[] = [];
  if (!existsSync(join(pkg.folder, 'README.md')))
    findings.push({ file: folder, rule, message: 'there is no README.md' });
  if (examplesOf(pkg).length === 0)
    findings.push({ file: folder, rule, message: 'there is no examples/*.ts' });
  return findings;
}

/** The text that a fence must show: the named region, or the whole file without its marks. */
export function excerptOf(text: string, region: string | undefined): string | undefined {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  const isMark = (line: string): boolean => /^\s*\/\/ ?#(?:end)?region\b/.test(line);
  const isStart = (line: string): boolean =>
    /^\s*\/\/ ?#region\b/.test(line) && line.trim().endsWith(` ${region}`);
  if (region === undefined) {
    const whole = lines.filter((line) => !isMark(line));
    return whole.join('\n').trim();
  }
  const start = lines.findIndex(isStart);
  if (start === -1) return undefined;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /^\s*\/\/ ?#endregion\b/.test(line));
  const chosen = (end === -1 ? rest : rest.slice(0, end)).filter((line) => !isMark(line));
  const indents = chosen
    .filter((line) => line.trim() !== '')
    .map((line) => /^ */.exec(line)?.[0].length ?? 0);
  const indent = Math.min(...indents);
  return chosen
    .map((line) => line.slice(indent))
    .join('\n')
    .trim();
}

const comment = String.raw`<!-- example: (?<path>[^\s#]+)(?:#(?<region>\S+))? -->`;
const fence = String.raw`\n+\`\`\`[tj]s[^\n]*\n(?<code>[\s\S]*?)\n?\`\`\``;
/** An example on lines of its own, with its code or still without. */
const marker = new RegExp(`^${comment}$(?:${fence})?`, 'gm');

/** Comments alone on a line. One that no tool knows is a place that somebody meant to fill. */
const placeholder =
  /^<!--(?! (?:example: \S+|generated: \S+|machine: \S+|(?:not )?run(?:[:,] .+)?|end) -->$).*$/gm;

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

function checkPlaceholders(file: string, text: string): Finding[] {
  return [...text.matchAll(placeholder)].map(({ 0: found, index }) => {
    return { file, line: lineAt(text, index), rule, message: `nothing fills the place of ${found}` };
  });
}

interface Drift {
  readonly findings: Finding[];
  readonly text: string;
}

function compare(root: string, file: string): Drift {
  const before = readFileSync(join(root, file), 'utf8');
  const findings = checkPlaceholders(file, before);
  const text = before.replaceAll(marker, (whole: string, ...rest: unknown[]) => {
    const { path, region, code } = rest.at(-1) as { path: string; region?: string; code?: string };
    const line = lineAt(before, rest.at(-3) as number);
    const source = join(root, dirname(file), path);
    const wanted = existsSync(source) ? excerptOf(readFileSync(source, 'utf8'), region) : undefined;
    if (wanted === undefined) {
      findings.push({
        file,
        line,
        rule,
        message: `there is no ${path}${region === undefined ? '' : `#${region}`}`,
      });
      return whole;
    }
    if (wanted === code?.trim()) return whole;
    if (code === undefined) {
      findings.push({
        file,
        line,
        rule,
        message: `the code of ${path} is missing: npm run check -- --write`,
      });
      return `${whole}\n\`\`\`${path.endsWith('.js') ? 'js' : 'ts'}\n${wanted}\n\`\`\``;
    }
    findings.push({ file, line, rule, message: `the code differs from ${path}: npm run check -- --write` });
    const opening = whole.slice(0, whole.indexOf('\n', whole.indexOf('```')) + 1);
    return `${opening}${wanted}\n\`\`\``;
  });
  return { findings, text };
}

/** Markdown files of the repository. */
export function markdownOf(root: string): string[] {
  const exclude = ['**/node_modules/**', '**/dist/**', '.git/**'];
  return globSync(
    ['*.md', 'docs/**/*.md', '.changeset/*.md', 'packages/**/*.md', 'examples/**/*.md', 'tools/**/*.md'],
    {
      cwd: root,
      exclude,
    },
  ).map(slashed);
}

/** Code shown in Markdown is the code that runs. With `write` it is brought up to date. */
export function checkFences(root: string, write = false): Finding[] {
  return markdownOf(root).flatMap((file) => {
    const { findings, text } = compare(root, file);
    if (!write) return findings;
    if (readFileSync(join(root, file), 'utf8') !== text) writeFileSync(join(root, file), text);
    return findings.filter(({ message }) => !message.endsWith('--write'));
  });
}

/** Documentation is there, complete and true. */
export function checkDocs(root: string): Finding[] {
  return [...packagesOf(root).flatMap(checkPresence), ...checkComments(root), ...checkFences(root)];
}
