import { execFile } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

import { insideVitest } from './rules.ts';
import { packagesOf, slashed } from './workspace.ts';
import type { Finding, Manifest, Package } from './workspace.ts';

const rule = 'packages';
const run = promisify(execFile);

interface Packed {
  readonly pkg: Package;
  readonly data: Uint8Array;
  /** Path within the package -> text. */
  readonly files: ReadonlyMap<string, string>;
}

const finding = (pkg: Package, message: string): Finding => ({ file: `packages/${pkg.name}`, rule, message });

async function pack(pkg: Package, folder: string): Promise<Packed> {
  const before = new Set(globSync('*.tgz', { cwd: folder }));
  await run('pnpm', ['pack', '--pack-destination', folder], { cwd: pkg.folder });
  const name = globSync('*.tgz', { cwd: folder }).find((file) => !before.has(file));
  if (name === undefined) throw new Error(`pnpm packed nothing for ${pkg.name}`);
  const data = new Uint8Array(readFileSync(join(folder, name)));
  const contents = createPackageFromTarballData(data);
  const prefix = `/node_modules/${pkg.manifest.name}/`;
  const paths = contents.listFiles().map((path) => path.slice(prefix.length));
  return { pkg, data, files: new Map(paths.map((path) => [path, contents.readFile(prefix + path)])) };
}

/** What `dist` holds must come from a source: an older build may have left more. */
function isStale(path: string, files: ReadonlyMap<string, string>): boolean {
  const stem = /^dist\/(?<stem>.+?)(?:\.d)?\.[jt]s(?:\.map)?$/.exec(path)?.groups?.['stem'];
  if (stem === undefined) return false;
  return !files.has(`src/${stem}.ts`) && !files.has(`src/${stem}.js`);
}

function checkContents({ pkg, files }: Packed): Finding[] {
  const findings: Finding[] = [];
  const say = (message: string): void => void findings.push(finding(pkg, message));
  const manifest = files.get('package.json') ?? '';
  for (const leak of ['workspace:', 'catalog:', '@lloom/source']) {
    if (manifest.includes(leak)) say(`the packed manifest names "${leak}"`);
  }
  for (const path of ['README.md', 'LICENSE']) if (!files.has(path)) say(`${path} is not packed`);
  for (const path of files.keys()) {
    if (/\.test\.|\.tsbuildinfo$|^(?:test|examples|bench)\//.test(path)) say(`${path} is packed`);
    if (isStale(path, files)) say(`${path} has no source: remove dist and build again`);
  }
  return findings;
}

async function checkWithPublint({ pkg, data, files }: Packed): Promise<Finding[]> {
  const tarball = data.buffer as ArrayBuffer;
  const { messages } = await publint({ pack: { tarball }, level: 'suggestion', strict: true });
  const manifest = JSON.parse(files.get('package.json') ?? '{}') as Manifest;
  return messages.map((message) =>
    finding(pkg, `publint: ${formatMessage(message, manifest) ?? message.code}`),
  );
}

/** Old resolutions cannot load packages that are ES modules only. */
const ignoredResolutions = ['node10', 'node16-cjs'];

async function checkTypes({ pkg, data }: Packed): Promise<Finding[]> {
  const result = await checkPackage(createPackageFromTarballData(data));
  if (result.types === false) return [finding(pkg, 'there are no types')];
  return result.problems
    .filter(
      (problem) => !('resolutionKind' in problem) || !ignoredResolutions.includes(problem.resolutionKind),
    )
    .map((problem) => finding(pkg, `types: ${problem.kind} ${JSON.stringify(problem)}`));
}

/** Every built entry point loads as users load it, without the sources. */
async function checkLoading(pkg: Package): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [entry, target] of Object.entries(pkg.manifest.exports ?? {})) {
    const path =
      typeof target === 'object' && target !== null && 'default' in target
        ? String(target.default)
        : undefined;
    if (path === undefined) continue;
    const file = join(pkg.folder, path);
    try {
      if (!existsSync(file)) throw new Error(`there is no ${slashed(path)}`);
      if (!insideVitest.includes(entry)) await import(pathToFileURL(file).href);
    } catch (error) {
      findings.push(finding(pkg, `"${entry}" does not load: ${String(error)}`));
    }
  }
  return findings;
}

/** What would be published is complete, typed, and free of what belongs to this repository only. */
export async function checkPackages(root: string): Promise<Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), 'lloom-pack-'));
  const findings: Finding[] = [];
  try {
    for (const pkg of packagesOf(root).filter((each) => each.manifest.private !== true)) {
      const packed = await pack(pkg, folder);
      const types = packed.files.has('dist/index.d.ts')
        ? await checkTypes(packed)
        : [finding(pkg, 'it is not built')];
      findings.push(
        ...checkContents(packed),
        ...(await checkWithPublint(packed)),
        ...types,
        ...(await checkLoading(pkg)),
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return findings;
}
