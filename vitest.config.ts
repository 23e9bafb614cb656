import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

import { MachineCoverage } from './packages/inspector/src/reporter.ts';
import { SimulationsFirst } from './tools/vitest/sequencer.ts';
import { Tally } from './tools/vitest/tally.ts';

// Tests run on the sources: no build is needed, and a failure points at the line that was written.
const conditions = ['@lloom/source', 'module', 'node', 'development|production'];
const seconds = 1_000;
// Their tests start programs, many times.
const startsPrograms = new Set(['cli', 'tools']);
// Their files leave nothing behind in a worker, which loads libp2p once for all of them.
const sharesWorkers = new Set([
  'behaviour',
  'codec',
  'discovery',
  'gossip',
  'identity',
  'metrics',
  'nat',
  'peers',
  'rpc',
  'simulator',
]);

/** `vitest --mode long` runs the `*.long.test.ts` files, every other mode all the rest. */
export default defineConfig(({ mode }) => {
  const long = mode === 'long';
  const suffix = long ? 'long.test.ts' : 'test.ts';
  const files = {
    include: [`src/**/*.${suffix}`, `test/**/*.${suffix}`],
    exclude: long ? [] : ['**/*.long.test.ts'],
  };
  const setUpOf = (name: string): { globalSetup?: string } =>
    startsPrograms.has(name)
      ? { globalSetup: join(import.meta.dirname, 'tools', 'vitest', 'programs.ts') }
      : {};
  const packages = readdirSync('packages').map((name) => ({
    extends: true as const,
    root: `packages/${name}`,
    test: { name, ...files, ...setUpOf(name), isolate: !sharesWorkers.has(name) },
  }));
  const tools = {
    extends: true as const,
    root: 'tools',
    test: {
      ...files,
      ...setUpOf('tools'),
      name: 'tools',
      include: [`**/*.${suffix}`],
      exclude: [...files.exclude, '**/node_modules/**'],
    },
  };
  const wantsPictures = process.env['LLOOM_PICTURES'] === 'all';
  const report: ['html', { singleFile: boolean }][] = wantsPictures ? [['html', { singleFile: true }]] : [];
  const machineCoverage = new MachineCoverage({
    // Drawing costs about 50 ms a test: LLOOM_PICTURES=all npm test draws passed tests as well, and reports in HTML.
    pictures: wantsPictures ? 'all' : 'failed',
    // Long tests are a part of all tests, and run a part of what machines can do.
    ...(!long && {
      thresholds: { transitions: 100 },
      machineFiles: ['packages/*/src/machines/*.machine.ts'],
    }),
  });
  return {
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: {
      projects: [...packages, tools],
      sequence: { sequencer: SimulationsFirst },
      reporters: ['default', ...report, machineCoverage, new Tally()],
      passWithNoTests: long,
      // Many tests start a program many times: from the second time on Node has compiled it.
      env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules', '.cache', 'node') },
      execArgv: ['--import', join(import.meta.dirname, 'packages', 'simkit', 'src', 'rememberKeys.ts')],
      // By default a machine with two processors runs one file at a time, and many of ours wait for processes. With three it takes as
      // long as with two.
      maxWorkers: Math.max(2, availableParallelism() - 1),
      // Simulations compute all the time: on a busy machine one takes as long as it takes.
      testTimeout: (long ? 600 : 60) * seconds,
      hookTimeout: 30 * seconds,
    },
  };
});
