// What each root command does, step by step. A quiet step says something only when it fails.
import { readdirSync } from 'node:fs';

const build = { step: ['turbo', 'run', 'build', '--output-logs=errors-only'], quiet: true };
const generate = { step: ['turbo', 'run', 'generate', '--output-logs=errors-only'], quiet: true };

/**
 * One filter names the test files whose path has it, the package's name included, which Vitest by itself does not look
 * at. One that is part of no path is taken for a test's name.
 */
function filters(args) {
  const isTest = (path) => path.endsWith('.test.ts') && !path.includes('node_modules');
  const root = new URL('..', import.meta.url);
  const list = (folder) =>
    readdirSync(new URL(folder, root), { recursive: true }).map((path) => `${folder}/${path}`);
  const paths = [...list('packages'), ...list('tools')]
    .map((path) => path.replaceAll('\\', '/'))
    .filter(isTest);
  const first = args.find((arg) => !arg.startsWith('-'));
  if (args.length !== 1 || first === undefined) return args;
  const found = paths.filter((path) => path.includes(first));
  return found.length === 0 ? ['--testNamePattern', first] : found;
}

export const commands = {
  setup: () => [],
  demo: (args) => [build, { step: ['node', 'packages/cli/dist/demo/main.js', ...args] }],
  lloom: (args) => [build, { step: ['node', 'packages/cli/dist/bin.js', ...args] }],
  bench: (args) => [build, { step: ['node', 'tools/bench/main.ts', ...args] }],
  test: (args) => [generate, { step: ['vitest', 'run', ...filters(args)] }],
  'test:long': (args) => [generate, { step: ['vitest', 'run', '--mode', 'long', ...filters(args)] }],
  check: (args) => [{ step: ['node', 'tools/checks/main.ts', ...args] }],
  // `version` turns changesets into versions and changelogs, `publish` packs and publishes what the registry does not have.
  release: ([what, ...args]) =>
    what === 'version'
      ? [
          { step: ['changeset', 'version', ...args] },
          { step: ['node', 'tools/checks/main.ts', 'docs', '--write'] },
        ]
      : [build, { step: ['changeset', what, ...args] }],
};
