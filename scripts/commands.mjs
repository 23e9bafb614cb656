// What each root command does, step by step. A quiet step says something only when it fails.
import { readdirSync } from 'node:fs';

const build = { step: ['turbo', 'run', 'build', '--output-logs=errors-only'], quiet: true };
const generate = { step: ['turbo', 'run', 'generate', '--output-logs=errors-only'], quiet: true };

/** A filter that is part of no test file's path is taken for a test's name. */
function filters(args) {
  const isTest = (path) => path.endsWith('.test.ts') && !path.includes('node_modules');
  const root = new URL('..', import.meta.url);
  const list = (folder) =>
    readdirSync(new URL(folder, root), { recursive: true }).map((path) => `${folder}/${path}`);
  const paths = [...list('packages'), ...list('tools')]
    .map((path) => path.replaceAll('\\', '/'))
    .filter(isTest);
  const first = args.find((arg) => !arg.startsWith('-'));
  const isName = args.length === 1 && first !== undefined && !paths.some((path) => path.includes(first));
  return isName ? ['--testNamePattern', first] : args;
}

export const commands = {
  setup: () => [],
  demo: (args) => [build, { step: ['node', 'packages/cli/dist/demo/main.js', ...args] }],
  lloom: (args) => [build, { step: ['node', 'packages/cli/dist/bin.js', ...args] }],
  bench: (args) => [build, { step: ['node', 'tools/bench/main.ts', ...args] }],
  test: (args) => [generate, { step: ['vitest', 'run', ...filters(args)] }],
  'test:long': (args) => [generate, { step: ['vitest', 'run', '--mode', 'long', ...filters(args)] }],
  check: (args) => [{ step: ['node', 'tools/checks/main.ts', ...args] }],
};
