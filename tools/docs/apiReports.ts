// What each entry point of each package declares, as text: docs/api.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CompilerState, Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import type { IConfigFile } from '@microsoft/api-extractor';
import ts from 'typescript';

import { packagesOf } from '../checks/workspace.ts';
import type { Package } from '../checks/workspace.ts';

/** What one entry point declares. */
export interface ApiReport {
  readonly pkg: Package;
  /** As in the manifest: `.`, `./machines`. */
  readonly entry: string;
  /** Under docs/api. */
  readonly file: string;
  readonly text: string;
  /** What is part of a declaration, and that a user cannot import from this package. */
  readonly unnamed: readonly string[];
}

interface Entry {
  readonly pkg: Package;
  readonly entry: string;
  readonly name: string;
  readonly types: string;
}

/** Entry points with types, the main one of each package first. */
function entriesOf(pkg: Package): Entry[] {
  return Object.entries(pkg.manifest.exports ?? {}).flatMap(([entry, target]) => {
    if (typeof target !== 'object' || target === null || !('types' in target)) return [];
    const name = entry === '.' ? pkg.name : `${pkg.name}.${entry.slice('./'.length).replaceAll('/', '.')}`;
    return [{ pkg, entry, name, types: join(pkg.folder, String(target.types)) }];
  });
}

const silent = { default: { logLevel: ExtractorLogLevel.None } };

function configOf({ pkg, name, types }: Entry, reportFolder: string): ExtractorConfig {
  const compilerOptions = {
    lib: ['es2025', 'dom'],
    module: 'nodenext',
    noEmit: true,
    skipLibCheck: true,
    strict: true,
    target: 'es2025',
    types: ['node'],
  };
  const configObject: IConfigFile = {
    projectFolder: pkg.folder,
    mainEntryPointFilePath: types,
    newlineKind: 'lf',
    compiler: { overrideTsconfig: { compilerOptions, files: [types] } },
    apiReport: {
      enabled: true,
      includeForgottenExports: true,
      reportFileName: name,
      reportFolder,
      reportTempFolder: join(reportFolder, 'temp'),
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    messages: {
      compilerMessageReporting: silent,
      extractorMessageReporting: silent,
      tsdocMessageReporting: silent,
    },
  };
  const packageJsonFullPath = join(pkg.folder, 'package.json');
  return ExtractorConfig.prepare({ configObject, configObjectFullPath: undefined, packageJsonFullPath });
}

/** The declarations of one entry point, as API Extractor writes them, without what is the same everywhere. */
function declarationsOf(report: string): string {
  const code = /^```ts\n(?<code>[^]*?)^```$/m.exec(report)?.groups?.['code'] ?? '';
  return code
    .replaceAll(/^ *\/\/ (?:@public.*|\(undocumented\)|\(No @packageDocumentation.*)\n/gm, '')
    .trim();
}

const nameOf = (statement: ts.Statement): string | undefined => {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations[0]?.name.getText();
  const { name } = statement as unknown as { name?: ts.Node };
  return name !== undefined && ts.isIdentifier(name) ? name.text : undefined;
};

interface Declared {
  readonly name: string;
  readonly isExported: boolean;
  readonly statement: ts.Statement;
}

function declaredIn(code: string): Declared[] {
  const source = ts.createSourceFile('report.ts', code, ts.ScriptTarget.Latest, true);
  const listed = source.statements.flatMap((statement) => {
    const clause = ts.isExportDeclaration(statement) ? statement.exportClause : undefined;
    if (clause === undefined || !ts.isNamedExports(clause)) return [];
    // A name that the platform has too is declared as another: `export { EventSource_2 as EventSource }`.
    return clause.elements.flatMap(({ name, propertyName }) =>
      [name, ...(propertyName === undefined ? [] : [propertyName])].map(({ text }) => ({
        name: text,
        isExported: true,
        statement,
      })),
    );
  });
  const own = source.statements.flatMap((statement) => {
    const name = nameOf(statement);
    const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
    const isExported = modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    return name === undefined ? [] : [{ name, isExported, statement }];
  });
  return [...listed, ...own];
}

/** What the main entry point tells is not told again: `code` without it, and what is left that has no name for users. */
function ownPart(code: string, told: ReadonlySet<string>): { text: string; unnamed: string[] } {
  const declared = declaredIn(code);
  const reachable = new Set(declared.filter(({ isExported }) => isExported).map(({ name }) => name));
  const hidden = declared.filter(({ name }) => !reachable.has(name));
  let text = code;
  for (const { statement } of hidden.filter(({ name }) => told.has(name)).toReversed())
    text = text.slice(0, statement.getFullStart()) + text.slice(statement.getEnd());
  return { text, unnamed: hidden.map(({ name }) => name).filter((name) => !told.has(name)) };
}

const page = (
  { pkg, entry }: Entry,
  code: string,
): string => `# ${pkg.manifest.name}${entry.slice('.'.length)}

Made from the types that are published, by \`npm run check -- api --write\`. How to read it: [README](README.md).

\`\`\`ts
${code}
\`\`\`
`;

/** Every entry point of every published package, from what is built. */
export function apiReports(root: string): ApiReport[] {
  const entries = packagesOf(root)
    .filter(({ manifest }) => manifest.private !== true)
    .flatMap(entriesOf);
  const folder = mkdtempSync(join(tmpdir(), 'lloom-api-'));
  try {
    mkdirSync(join(folder, 'temp'));
    const configs = entries.map((entry) => configOf(entry, folder));
    const [first, ...others] = configs;
    if (first === undefined) return [];
    // One program for all: most of the cost is to read libp2p's types.
    const additionalEntryPoints = others.map(({ mainEntryPointFilePath }) => mainEntryPointFilePath);
    const compilerState = CompilerState.create(first, { additionalEntryPoints });
    const told = new Map<Package, ReadonlySet<string>>();
    return entries.map((each, index) => {
      const config = configs[index] as ExtractorConfig;
      const handled = (message: { handled: boolean }): void => void (message.handled = true);
      Extractor.invoke(config, { compilerState, localBuild: true, messageCallback: handled });
      const code = declarationsOf(readFileSync(config.reportFilePath, 'utf8'));
      const { text, unnamed } = ownPart(code, told.get(each.pkg) ?? new Set());
      if (each.entry === '.') told.set(each.pkg, new Set(declaredIn(code).map(({ name }) => name)));
      const { pkg, entry, name } = each;
      return { pkg, entry, file: `docs/api/${name}.api.md`, text: page(each, text.trim()), unnamed };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
