import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

import { withPacked, type Packed, type Size } from './packed.ts';
import { insideVitest, sizeBudgets } from './rules.ts';
import { slashed } from './workspace.ts';
import type { Finding, Package } from './workspace.ts';

const rule = 'packages';
const run = promisify(execFile);

const finding = (pkg: Package, message: string): Finding => ({ file: `packages/${pkg.name}`, rule, message });

/** What may be packed: the folders and files that the manifest names, and what npm packs by itself. */
function isWanted({ pkg }: Packed, path: string): boolean {
  const named = (pkg.manifest.files ?? []).filter((each) => !each.startsWith('!'));
  const top = path.split('/')[0] ?? path;
  return ['package.json', 'README.md', 'LICENSE', ...named].includes(top);
}

function checkContents(packed: Packed): Finding[] {
  const { pkg, manifest, files } = packed;
  const findings: Finding[] = [];
  const say = (message: string): void => void findings.push(finding(pkg, message));
  const text = files.get('package.json') ?? '';
  for (const leak of ['workspace:', 'catalog:', '@lloom/source', '"scripts"', '"devDependencies"']) {
    if (text.includes(leak)) say(`the packed manifest names ${leak}`);
  }
  for (const path of ['README.md', 'LICENSE', 'CHANGELOG.md'])
    if (!files.has(path)) say(`${path} is not packed`);
  if (files.has('CHANGELOG.md') && !files.get('CHANGELOG.md')?.includes(`\n## ${manifest.version}\n`))
    say(`CHANGELOG.md does not know ${manifest.version}: npm run release -- version`);
  for (const path of files.keys()) {
    const isUnwanted = /\.(?:test|fixture)\.|\.tsbuildinfo$/.test(path) || !isWanted(packed, path);
    if (isUnwanted) say(`${path} is packed`);
  }
  for (const field of ['description', 'keywords', 'license', 'repository', 'engines', 'sideEffects'])
    if (!(field in manifest)) say(`the packed manifest has no "${field}"`);
  return findings;
}

/** Published packages take what their users have as well: ranges, and none that leaves out what is tested here. */
function checkRanges({ pkg, manifest }: Packed): Finding[] {
  const all = Object.entries({ ...manifest.dependencies, ...manifest.optionalDependencies });
  return all
    .filter(([, range]) => !/^[~^]\d+\.\d+\.\d+$/.test(range))
    .map(([name, range]) =>
      finding(pkg, `the packed manifest wants ${name} ${range}; want a range: scripts/published.mjs`),
    );
}

/** A package that has grown beyond its budget has done so on purpose, or packs what it should not. */
function checkSize({ pkg, size }: Packed): Finding[] {
  const budget = sizeBudgets[pkg.name];
  if (budget === undefined) return [finding(pkg, 'it has no size budget: add it to tools/checks/rules.ts')];
  return (['packedBytes', 'unpackedBytes'] as const)
    .filter((which) => size[which] > budget[which])
    .map((which: keyof Size) => finding(pkg, `${which}: got ${size[which]}, want at most ${budget[which]}`));
}

async function checkWithPublint({ pkg, data, manifest }: Packed): Promise<Finding[]> {
  const tarball = data.buffer as ArrayBuffer;
  const { messages } = await publint({ pack: { tarball }, level: 'suggestion', strict: true });
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

/** Every entry point loads as users load it: from the package as it is packed, with the dependencies that it names. */
async function checkLoading({ pkg, manifest, folder }: Packed): Promise<Finding[]> {
  const entries = Object.entries(manifest.exports ?? {}).flatMap(([entry, target]) =>
    typeof target === 'object' && target !== null && 'default' in target
      ? [{ entry, path: String(target.default) }]
      : [],
  );
  const missing = entries.filter(({ path }) => !existsSync(join(folder, path)));
  const specifiers = entries
    .filter((each) => !missing.includes(each) && !insideVitest.includes(each.entry))
    .map(({ entry }) => manifest.name + entry.slice(1));
  // In a process of its own: some entry points change it.
  const code = specifiers.map((each) => `await import(${JSON.stringify(each)});`).join('\n');
  const loaded = await run(process.execPath, ['--input-type=module', '--eval', code], { cwd: folder }).then(
    () => [],
    (error: unknown) => [finding(pkg, `it does not load: ${String(error)}`)],
  );
  return [
    ...missing.map(({ entry, path }) => finding(pkg, `"${entry}": there is no ${slashed(path)}`)),
    ...loaded,
  ];
}

/** Its commands start, and know their version. */
async function checkCommands({ pkg, manifest, folder }: Packed): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, path] of Object.entries(manifest.bin ?? {})) {
    const said = await run(process.execPath, [join(folder, path), '--version'], { cwd: folder }).then(
      ({ stdout }) => stdout.trim(),
      (error: unknown) => String(error),
    );
    if (said !== manifest.version)
      findings.push(finding(pkg, `"${name} --version": got ${said}, want ${manifest.version}`));
  }
  return findings;
}

/** What would be published is complete, typed, small, and free of what belongs to this repository only. */
export function checkPackages(root: string): Promise<Finding[]> {
  return withPacked(root, async (all) => {
    const findings: Finding[] = [];
    for (const packed of all) {
      findings.push(
        ...checkContents(packed),
        ...checkRanges(packed),
        ...checkSize(packed),
        ...(await checkWithPublint(packed)),
        ...(await checkTypes(packed)),
        ...(await checkLoading(packed)),
        ...(await checkCommands(packed)),
      );
    }
    return findings;
  });
}
