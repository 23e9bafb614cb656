// What a stranger gets who installs one package by npm, as its README says, and tries what its README shows: in TypeScript and in
// JavaScript, with each Node.js and each compiler.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { basename, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { root } from '../root.ts';
import { mustRun, pinned, serveElsewhere, run, versionOf, type Elsewhere } from './stranger.ts';
import { packagesOf } from './workspace.ts';

const nodes = { 24: versionOf('node'), 22: '22.23.3' } as const;
const compilers = { '5.9': '5.9.3', '6': '6.0.3', '7': versionOf('typescript') } as const;
const modules = { nodenext: 'nodenext', bundler: 'esnext' } as const;
const packages = packagesOf(root).filter(({ manifest }) => manifest.private !== true);

/** What is wrong with the types of others, which `skipLibCheck` hides. Whoever reads docs/compatibility.md is told. */
const foreign: readonly string[] = [];

let elsewhere: Elsewhere;
let programs = '';
const program = (name: string, ...path: string[]): string => join(programs, name, 'node_modules', ...path);
const nodeOf = (major: keyof typeof nodes): string => program(`node-${major}`, 'node', 'bin', 'node');

beforeAll(async () => {
  elsewhere = await serveElsewhere();
  programs = elsewhere.makeProject('programs');
  const all = [
    ...Object.entries(nodes).map(([major, version]) => [`node-${major}`, `node@${version}`] as const),
    ...Object.entries(compilers).map(([name, version]) => [`tsc-${name}`, `typescript@${version}`] as const),
  ];
  for (const [name, specifier] of all)
    await mustRun('npm', ['install', '--prefix', name, specifier], programs);
}, 600_000);

afterAll(() => elsewhere[Symbol.asyncDispose](), 300_000);

/** The examples that a README shows, without those that only a running Vitest loads. */
function examplesOf(folder: string): string[] {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const shown = [...readme.matchAll(/^<!-- example: (?<path>examples\/[^\s#]+)/gm)];
  const paths = new Set(shown.map((match) => match.groups?.['path'] ?? ''));
  return [...paths].filter((path) => !/config|\.test\./i.test(basename(path)));
}

/** What the README says to type: its first `npm install` for programs. */
function installationOf(folder: string): string[] {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8').replaceAll('\\\n', '');
  const lines = [...readme.matchAll(/^npm install (?<rest>(?!--global)[^#\n]+)/gm)];
  const words = lines[0]?.groups?.['rest']?.trim().split(/ +/);
  if (words === undefined) throw new Error(`${folder} does not say how it is installed`);
  return words;
}

/** What is not ours comes in the version that is tested here. */
const asWanted = (name: string): string => (name.startsWith('@lloom/') ? name : pinned(name));

/** The packages that a file imports. */
function importedBy(file: string): string[] {
  const names = [...readFileSync(file, 'utf8').matchAll(/from '(?<name>(?:@[\w-]+\/)?[\w-]+)[^']*'/g)];
  return names.map((match) => match.groups?.['name'] ?? '').filter((name) => name !== 'node');
}

/** What a compiler says of a project and of all types that it loads: what is wrong with ours, and what with those of others. */
async function typeErrors(
  place: string,
  compiler: keyof typeof compilers,
  resolution: keyof typeof modules,
): Promise<{ readonly ours: string[]; readonly others: string[] }> {
  const compilerOptions = {
    ...{ strict: true, noEmit: true, skipLibCheck: false, target: 'es2024', types: ['node'] },
    ...{ module: modules[resolution], moduleResolution: resolution },
  };
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  const tsc = program(`tsc-${compiler}`, 'typescript', 'bin', 'tsc');
  const { code, output } = await run(nodeOf(24), [tsc, '-p', place], place);
  const errors = output.split('\n').filter((line) => /\berror TS\d+:/.test(line));
  if (code !== 0 && errors.length === 0) errors.push(output);
  const isForeign = (line: string): boolean => /^node_modules\/(?!@lloom\/)/.test(line);
  return { ours: errors.filter((line) => !isForeign(line)), others: errors.filter(isForeign) };
}

/** `node_modules/viem/x.d.ts(1,2): error TS2304: …` -> `viem TS2304` */
const nameOf = (line: string): string =>
  line.replace(/^(?:.*node_modules\/)?((?:@[^/]+\/)?[^/]+).*?error (TS\d+).*$/, '$1 $2');

describe.each(packages)('@lloom/$name, installed by npm', ({ name, folder }) => {
  let place = '';
  const examples = examplesOf(folder);
  const scripts = examples.map((path) => basename(path));

  test('installs as its README says', async () => {
    expect(examples).not.toEqual([]);
    place = elsewhere.makeProject(name);
    await mustRun('npm', ['install', ...installationOf(folder)], place);
    const manifests = globSync('node_modules/@lloom/*/package.json', { cwd: place });
    const texts = manifests.map((path) => readFileSync(join(place, path), 'utf8'));
    expect(texts.join('')).not.toMatch(/workspace:|catalog:|@lloom\/source|devDependencies/);
    expect(globSync('node_modules/**/node_modules/@lloom/*', { cwd: place })).toEqual([]);
    for (const path of examples) cpSync(join(folder, path), join(place, basename(path)));
    const [first = ''] = examples;
    const missing = (files: readonly string[]): string[] =>
      [...new Set(files.flatMap((path) => importedBy(join(folder, path))))].filter(
        (each) => !existsSync(join(place, 'node_modules', each)),
      );
    // What is shown first needs nothing else. What is shown further below may.
    expect(missing([first])).toEqual([]);
    const others = missing(examples).map(asWanted);
    await mustRun('npm', ['install', '--save-dev', pinned('@types/node'), ...others], place);
  }, 600_000);

  test('runs its examples in TypeScript', async () => {
    for (const script of scripts) await mustRun(nodeOf(24), [script], place);
  });

  test.each([24, 22] as const)('runs its examples in JavaScript with Node.js %i', async (major) => {
    for (const script of scripts) {
      const plain = script.replace(/\.ts$/, `.${major}.js`);
      writeFileSync(join(place, plain), stripTypeScriptTypes(readFileSync(join(place, script), 'utf8')));
      await mustRun(nodeOf(major), [plain], place);
    }
  });

  test('has types that a strict compiler takes, those of libraries included', async () => {
    const { ours, others } = await typeErrors(place, '7', 'nodenext');
    expect([ours, [...new Set(others.map(nameOf))]]).toEqual([[], foreign]);
  });

  afterAll(() => rmSync(place, { recursive: true, force: true }), 300_000);
});

describe('all packages together, installed by npm', () => {
  let place = '';

  beforeAll(async () => {
    place = elsewhere.makeProject('all');
    const folders = packages.map(({ folder }) => folder);
    const examples = folders.flatMap((folder) => examplesOf(folder).map((path) => join(folder, path)));
    for (const [index, path] of examples.entries()) cpSync(path, join(place, `${index}-${basename(path)}`));
    const wanted = new Set([...folders.flatMap(installationOf), ...examples.flatMap(importedBy)]);
    const names = [...wanted].filter((each) => !each.startsWith('-') && !each.includes('@', 1));
    await mustRun('npm', ['install', pinned('@types/node'), ...names.map(asWanted)], place);
  }, 600_000);

  test.each(
    (['5.9', '6', '7'] as const).flatMap((compiler) =>
      (['nodenext', 'bundler'] as const).map((resolution) => [compiler, resolution] as const),
    ),
  )(
    'have types that TypeScript %s takes with moduleResolution %s, those of libraries included',
    async (...how) => {
      const { ours, others } = await typeErrors(place, ...how);
      expect([ours, [...new Set(others.map(nameOf))]]).toEqual([[], foreign]);
    },
  );
});

describe('the command, installed by npm', () => {
  test('says its version, and stops when it is told to', async () => {
    const place = elsewhere.makeProject('command');
    const args = ['--prefix', place, `--@lloom:registry=${elsewhere.registry}/`, '@lloom/cli'];
    await mustRun('npm', ['install', '--global', ...args], place);
    const lloom = join(place, 'bin', 'lloom');
    const { version } = packages.find(({ name }) => name === 'cli')?.manifest ?? {};
    expect((await mustRun(lloom, ['--version'], place)).trim()).toBe(version);
    const child = spawn(lloom, ['validator'], { cwd: place });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes('is ready')) resolve();
      });
      void ended.then(() => resolve());
    });
    child.kill('SIGTERM');
    expect([await ended, output]).toEqual([0, expect.stringContaining('is ready')]);
  }, 600_000);
});
