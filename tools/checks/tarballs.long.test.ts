// What a stranger gets: packed packages in an empty folder outside the workspace, with the examples of their README.
import { cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { root } from '../root.ts';
import { mustRun, pinned, serveElsewhere, run, versionOf, type Elsewhere } from './stranger.ts';
import { slashed } from './workspace.ts';

let elsewhere: Elsewhere;
beforeAll(async () => void (elsewhere = await serveElsewhere()), 600_000);
afterAll(() => elsewhere[Symbol.asyncDispose](), 300_000);

/** Vitests that strangers have. */
const vitests = ['4.0.1', '4.1.12', versionOf('vitest')];
/** What a stranger installs beside ours. */
const installed = [
  'libp2p',
  '@libp2p/utils',
  '@libp2p/identify',
  '@libp2p/ping',
  'typescript',
  '@types/node',
  'vitest',
];

const tsconfig = {
  compilerOptions: {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    module: 'NodeNext',
    target: 'ES2024',
    types: ['node'],
    noEmit: true,
    erasableSyntaxOnly: true,
  },
  include: ['*.ts'],
};

const example = (name: string): string => join(root, 'packages/simkit/examples', name);
const inspectorFile = (name: string): string => join(root, 'packages/inspector', name);

describe('the packed simkit, installed by npm', () => {
  let folder = '';
  const bin = (...path: string[]): string => join(folder, 'node_modules', ...path);

  beforeAll(async () => {
    folder = elsewhere.makeProject('simkit');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
    await mustRun('npm', ['install', '--save-dev', '@lloom/simkit', ...installed.map(pinned)], folder);
    for (const name of ['services.test.js', 'services.test.ts', 'simkit.ts'])
      cpSync(example(name), join(folder, name));
  }, 600_000);

  test('shares the libp2p of its user, and comes with nothing of the workspace', () => {
    const find = (name: string): string[] =>
      globSync(`**/${name}`, { cwd: join(folder, 'node_modules') })
        .map(slashed)
        .toSorted();
    expect(find('@lloom/*')).toEqual(['@lloom/core', '@lloom/simkit']);
    expect(find('@libp2p/interface/package.json')).toEqual(['@libp2p/interface/package.json']);
  });

  test('runs its examples with plain Node.js', async () => {
    expect(await mustRun('node', ['services.test.js'], folder)).toContain('10 seeds have passed');
    expect(await mustRun('node', ['services.test.ts'], folder)).toContain('10 seeds have passed');
    expect(await mustRun('node', ['simkit.ts'], folder)).toContain('Seed 7, trace ');
  });

  test('is found by the test runner of Node.js', async () => {
    const output = await mustRun('node', ['--test'], folder);
    expect(output).toMatch(/pass 2\n/);
    expect(output).toMatch(/fail 0\n/);
  });

  test('has types that a strict compiler takes', async () => {
    await mustRun('node', [bin('typescript', 'bin', 'tsc'), '-p', '.'], folder);
  });

  test('tells the seed that fails, what happened last, and how to repeat it', async () => {
    const lossy = readFileSync(example('services.test.js'), 'utf8').replace(
      'lossRatio: 0.02',
      'lossRatio: 0.5',
    );
    writeFileSync(join(folder, 'lossy.js'), lossy);
    const { code, output } = await run('node', ['lossy.js'], folder);
    expect([code, output]).toEqual([1, expect.stringContaining('SimkitError: Seed 1 failed')]);
    expect(output).toMatch(/The last of \d+ events:\n(?:.* > .*\n){25}/);
    expect(output).toContain('To repeat it: SIM_SEED=1 <your test command>');
  });

  test('runs in Vitest after a change of one line', async () => {
    mkdirSync(join(folder, 'vitest'));
    const changed = readFileSync(example('services.test.ts'), 'utf8').replace(
      "from 'node:test'",
      "from 'vitest'",
    );
    writeFileSync(join(folder, 'vitest', 'services.test.ts'), changed);
    const args = [bin('vitest', 'vitest.mjs'), 'run', '--root', join(folder, 'vitest')];
    const output = await mustRun('node', args, folder);
    expect(output).toContain('10 seeds have passed');
  });
});

/** A block of code of the inspector's README. */
function fenced(region: string): string {
  const [, after = ''] = readFileSync(inspectorFile('README.md'), 'utf8').split(
    `<!-- example: ${region} -->`,
  );
  const [, code] = /^\n```ts\n([^]*?)\n```/.exec(after) ?? [];
  if (code === undefined) throw new Error(`the README of the inspector has no ${region}`);
  return `${code}\n`;
}

describe('the packed inspector, installed by npm', () => {
  const places: string[] = [];

  test.each(vitests)(
    'shows the machine of its README with Vitest %s, two minutes after the installation began',
    async (vitest) => {
      const place = elsewhere.makeProject(`vitest-${vitest}`);
      places.push(place);
      const others = [
        ...['xstate', '@types/node', 'typescript'].map(pinned),
        `vitest@${vitest}`,
        `@vitest/ui@${vitest}`,
      ];
      await mustRun('npm', ['install', '--save-dev', '@lloom/inspector', ...others], place);
      const loader = fenced('test/fixtures/loads.fixture.ts#main');
      writeFileSync(join(place, 'loader.test.ts'), loader);
      writeFileSync(join(place, 'plain.test.js'), stripTypeScriptTypes(loader));
      writeFileSync(join(place, 'vitest.config.ts'), fenced('examples/vitest.config.ts#main'));
      const output = await mustRun('node', [join(place, 'node_modules/vitest/vitest.mjs'), 'run'], place);
      expect(output).toMatch(/ loader +80% +50% +loading cancel → idle, /);
      const machines = join(place, '.vitest', 'machines');
      const pages = globSync('{loader,plain}-test-*.html', { cwd: machines });
      expect(pages).toHaveLength(2);
      for (const page of [...pages, 'index.html'])
        expect(readFileSync(join(machines, page), 'utf8')).toContain('<svg ');
      expect(globSync('{.vitest,html}/index.html', { cwd: place })).toHaveLength(1);
    },
    120_000,
  );

  test('has types that a strict compiler takes, with each Vitest', async () => {
    expect(places).toHaveLength(vitests.length);
    for (const place of places) {
      // XState's own types do not hold with exact optional properties, and those of Vitest 4.0 name `Disposable`.
      const compilerOptions = {
        ...tsconfig.compilerOptions,
        exactOptionalPropertyTypes: false,
        lib: ['ES2024', 'ESNext.Disposable'],
      };
      const settings = { compilerOptions, include: ['*.test.ts'] };
      writeFileSync(join(place, 'tsconfig.json'), JSON.stringify(settings));
      await mustRun('node', [join(place, 'node_modules/typescript/bin/tsc'), '-p', place], place);
    }
  });
});
