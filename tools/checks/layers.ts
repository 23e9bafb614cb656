import { join } from 'node:path';

import {
  furtherEntries,
  joiners,
  layers,
  peersOfEachOther,
  startEntries,
  testEntries,
  testLayers,
} from './rules.ts';
import { importsOf, isTest, packagesOf, parse, sourcesOf } from './workspace.ts';
import type { Finding, Import, Package } from './workspace.ts';

const scope = '@lloom/';
const rule = 'layers';

interface File {
  readonly path: string;
  readonly imports: readonly Import[];
}

function filesOf(pkg: Package, folder: string): File[] {
  return sourcesOf(join(pkg.folder, folder)).map((path) => ({
    path: `${folder}/${path}`,
    imports: importsOf(parse(join(pkg.folder, folder, path))),
  }));
}

/** `@lloom/rpc/machines` -> `rpc`. */
function packageNameOf(specifier: string): string | undefined {
  return specifier.startsWith(scope) ? specifier.slice(scope.length).split('/')[0] : undefined;
}

function checkManifest(pkg: Package): Finding[] {
  const file = `packages/${pkg.name}/package.json`;
  const allowed = layers[pkg.name];
  if (allowed === undefined) {
    return [
      { file, rule, message: `"${pkg.name}" has no place in the layers: add it to tools/checks/rules.ts` },
    ];
  }
  const { dependencies, optionalDependencies, peerDependencies, devDependencies } = pkg.manifest;
  const judge = (names: object | undefined, may: readonly string[], kind: string): Finding[] =>
    Object.keys(names ?? {}).flatMap((name) => {
      const target = packageNameOf(name);
      if (target === undefined || may.includes(target)) return [];
      return [{ file, rule, message: `${pkg.name} may not have ${target} among its ${kind}` }];
    });
  return [
    ...judge({ ...dependencies, ...optionalDependencies, ...peerDependencies }, allowed, 'dependencies'),
    ...judge(devDependencies, [...allowed, ...testLayers], 'devDependencies'),
  ];
}

/** One version of everything: the catalog of the workspace holds it. */
function checkVersions(pkg: Package): Finding[] {
  const { dependencies, optionalDependencies, devDependencies } = pkg.manifest;
  const all = Object.entries({ ...dependencies, ...optionalDependencies, ...devDependencies });
  return all.flatMap(([name, version]) => {
    const wanted = packageNameOf(name) === undefined ? 'catalog:' : 'workspace:*';
    const message = `${name} must be "${wanted}", not "${version}"`;
    return version === wanted ? [] : [{ file: `packages/${pkg.name}/package.json`, rule, message }];
  });
}

/** Entry points only, and none of the machines outside the machines' own entry point and tests. */
function checkPath(specifier: string, path: string): string | undefined {
  const [, , ...rest] = specifier.split('/');
  const entry = rest.join('/');
  if (entry === '' || furtherEntries.includes(entry)) return undefined;
  if (testEntries.includes(entry)) {
    // The fixture of one package may be built on that of another one.
    const mayTest =
      !path.startsWith('src/') || isTest(path) || testEntries.some((name) => path === `src/${name}.ts`);
    return mayTest ? undefined : `"${specifier}" is for tests`;
  }
  if (startEntries.includes(entry)) {
    const mayStart = path === 'src/bin.ts' || !path.startsWith('src/');
    return mayStart ? undefined : `"${specifier}" is for programs that start`;
  }
  if (entry !== 'machines') return `import "${specifier}" by one of its entry points`;
  const mayLook = path.startsWith('src/machines/') || !path.startsWith('src/') || isTest(path);
  return mayLook ? undefined : `"${specifier}" is for tests and visualisers`;
}

function checkFile(pkg: Package, file: File): Finding[] {
  const inTests = !file.path.startsWith('src/') || isTest(file.path);
  const own = layers[pkg.name] ?? [];
  const may = [pkg.name, ...own, ...(inTests ? testLayers : [])];
  const at = `packages/${pkg.name}/${file.path}`;
  return file.imports.flatMap(({ specifier, line }) => {
    const target = packageNameOf(specifier);
    if (target === undefined) {
      const leaves = specifier.startsWith('.') && join(file.path, '..', specifier).startsWith('..');
      const message = `"${specifier}" leaves the package: import the other package by its name`;
      return leaves && !inTests ? [{ file: at, line, rule, message }] : [];
    }
    if (!may.includes(target)) {
      return [{ file: at, line, rule, message: `${pkg.name} may not import ${target}, not even its types` }];
    }
    if (target === pkg.name && !inTests) {
      return [{ file: at, line, rule, message: `import own files by a relative path, not "${specifier}"` }];
    }
    const message = checkPath(specifier, file.path);
    return message === undefined ? [] : [{ file: at, line, rule, message }];
  });
}

/** In the package above them, siblings meet at run time in the wiring only. */
function checkMeeting(pkg: Package, file: File): Finding[] {
  if (!file.path.startsWith('src/') || isTest(file.path) || joiners.includes(file.path.slice(4))) return [];
  const targets = file.imports
    .filter((found) => !found.typeOnly)
    .map((found) => packageNameOf(found.specifier));
  const met = peersOfEachOther.filter((name) => name !== pkg.name && targets.includes(name));
  if (met.length < 2) return [];
  const message = `${met.join(' and ')} meet here; that is for ${joiners.join(', ')}`;
  return [{ file: `packages/${pkg.name}/${file.path}`, rule, message }];
}

/** Packages depend downwards only, in manifests and in imports. */
export function checkLayers(root: string): Finding[] {
  return packagesOf(root).flatMap((pkg) => {
    const files = ['src', 'test', 'examples', 'bench'].flatMap((folder) => filesOf(pkg, folder));
    const findings = files.flatMap((file) => [...checkFile(pkg, file), ...checkMeeting(pkg, file)]);
    return [...checkManifest(pkg), ...checkVersions(pkg), ...findings];
  });
}
