// What a stranger gets: packed packages in an empty folder outside the workspace, with the examples of their README.
import { execFile } from 'node:child_process';
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripTypeScriptTypes } from 'node:module';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { slashed } from './workspace.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lloom-stranger-')));
const packed = ['core', 'simkit'];
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

/** Neither what Vitest nor what this workspace sets. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:VITEST|NODE_(?:ENV|OPTIONS|PATH)$|TEST$)/.test(name)),
);

interface Ending {
  readonly code: number;
  readonly output: string;
}

const start = promisify(execFile);

/** Runs a program in the stranger's folder, or another one. */
async function run(program: string, args: readonly string[], cwd = folder): Promise<Ending> {
  try {
    const { stdout, stderr } = await start(program, args, { cwd, env, maxBuffer: 1 << 26, timeout: 300_000 });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const {
      code,
      stdout = '',
      stderr = '',
      message,
    } = error as Error & { code: unknown; stdout?: string; stderr?: string };
    return { code: typeof code === 'number' ? code : -1, output: `${stdout}${stderr}` || message };
  }
}

async function mustRun(program: string, args: readonly string[], cwd = folder): Promise<string> {
  const ending = await run(program, args, cwd);
  if (ending.code !== 0)
    throw new Error(`${program} ${args.join(' ')} ended with ${ending.code}:\n${ending.output}`);
  return ending.output;
}

/** A version of the workspace's catalog. */
function versionOf(name: string): string {
  const catalog = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8').split('\n');
  const line = catalog.find((each) => each.trimStart().replaceAll("'", '').startsWith(`${name}: `));
  if (line === undefined) throw new Error(`the catalog has no ${name}`);
  return line.slice(line.lastIndexOf(': ') + 2);
}

const example = (name: string): string => join(root, 'packages/simkit/examples', name);
const inspectorFile = (name: string): string => join(root, 'packages/inspector', name);
const bin = (...path: string[]): string => join(folder, 'node_modules', ...path);

async function pack(name: string, destination: string): Promise<void> {
  await mustRun('tsc', ['-b'], join(root, 'packages', name));
  await mustRun('pnpm', ['pack', '--pack-destination', destination], join(root, 'packages', name));
}

beforeAll(async () => {
  const tarballs = join(folder, 'tarballs');
  mkdirSync(tarballs);
  for (const name of packed) await pack(name, tarballs);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
  const files = globSync('*.tgz', { cwd: tarballs }).map((file) => `./tarballs/${file}`);
  const others = installed.map((name) => `${name}@${versionOf(name)}`);
  await mustRun('npm', ['install', '--no-audit', '--no-fund', '--save-dev', ...files, ...others]);
  for (const name of ['services.test.js', 'services.test.ts', 'simkit.ts'])
    cpSync(example(name), join(folder, name));
}, 600_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the packed simkit, installed by npm', () => {
  test('shares the libp2p of its user, and comes with nothing of the workspace', () => {
    const find = (name: string): string[] =>
      globSync(`**/${name}`, { cwd: join(folder, 'node_modules') })
        .map(slashed)
        .toSorted();
    expect(find('@lloom/*')).toEqual(['@lloom/core', '@lloom/simkit']);
    expect(find('@libp2p/interface/package.json')).toEqual(['@libp2p/interface/package.json']);
    const manifests = ['core', 'simkit'].map((name) =>
      readFileSync(bin('@lloom', name, 'package.json'), 'utf8'),
    );
    expect(manifests.join('')).not.toMatch(/workspace:|catalog:|@lloom\/source/);
  });

  test('runs its examples with plain Node.js', async () => {
    expect(await mustRun('node', ['services.test.js'])).toContain('10 seeds have passed');
    expect(await mustRun('node', ['services.test.ts'])).toContain('10 seeds have passed');
    expect(await mustRun('node', ['simkit.ts'])).toContain('Seed 7, trace ');
  });

  test('is found by the test runner of Node.js', async () => {
    const output = await mustRun('node', ['--test']);
    expect(output).toMatch(/pass 2\n/);
    expect(output).toMatch(/fail 0\n/);
  });

  test('has types that a strict compiler takes', async () => {
    await mustRun('node', [bin('typescript', 'bin', 'tsc'), '-p', '.']);
  });

  test('tells the seed that fails, what happened last, and how to repeat it', async () => {
    const lossy = readFileSync(example('services.test.js'), 'utf8').replace(
      'lossRatio: 0.02',
      'lossRatio: 0.5',
    );
    writeFileSync(join(folder, 'lossy.js'), lossy);
    const { code, output } = await run('node', ['lossy.js']);
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
    const output = await mustRun('node', [
      bin('vitest', 'vitest.mjs'),
      'run',
      '--root',
      join(folder, 'vitest'),
    ]);
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
  const places = realpathSync(mkdtempSync(join(tmpdir(), 'lloom-stranger-')));
  afterAll(() => rmSync(places, { recursive: true, force: true }));
  const tarball = async (): Promise<string> => {
    if (globSync('*.tgz', { cwd: places }).length === 0) await pack('inspector', places);
    return join(places, globSync('*.tgz', { cwd: places })[0] ?? '');
  };

  test.each(vitests)(
    'shows the machine of its README with Vitest %s, two minutes after the installation began',
    async (vitest) => {
      const file = await tarball();
      const place = join(places, vitest.replaceAll(/[^0-9]/g, '-'));
      mkdirSync(place);
      writeFileSync(join(place, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
      const others = ['xstate', '@types/node'].map((name) => `${name}@${versionOf(name)}`);
      others.push(`vitest@${vitest}`, `@vitest/ui@${vitest}`);
      await mustRun('npm', ['install', '--no-audit', '--no-fund', '--save-dev', file, ...others], place);
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
    for (const place of vitests.map((vitest) => join(places, vitest.replaceAll(/[^0-9]/g, '-')))) {
      // XState's own types do not hold with exact optional properties, and those of Vitest 4.0 name `Disposable`.
      const compilerOptions = {
        ...tsconfig.compilerOptions,
        exactOptionalPropertyTypes: false,
        lib: ['ES2024', 'ESNext.Disposable'],
      };
      const settings = { compilerOptions, include: ['*.test.ts'] };
      writeFileSync(join(place, 'tsconfig.json'), JSON.stringify(settings));
      await mustRun('node', [bin('typescript', 'bin', 'tsc'), '-p', place]);
    }
  });
});
