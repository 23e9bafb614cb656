// `npm run check`: all checks, or those that are named. `--write` repairs what can be repaired.
import { spawn } from 'node:child_process';

import { root } from '../root.ts';
import { checkApi } from './api.ts';
import { checkDocs, checkFences } from './docs.ts';
import { checkExamples } from './examples.ts';
import { checkGenerated } from './generated.ts';
import { checkLayers } from './layers.ts';
import { checkPackages } from './packages.ts';
import { checkRooms, checkToolBudget } from './rooms.ts';
import { checkLinks, checkPlaces } from './text.ts';
import type { Check, Finding } from './workspace.ts';

const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('-'));
const write = process.argv.includes('--write');

interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}
type Step = () => Promise<Outcome>;

const command =
  (name: string, ...args: string[]): Step =>
  () =>
    new Promise((resolve) => {
      const child = spawn(name, args, {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
        shell: process.platform === 'win32',
      });
      const chunks: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
      child.on('error', (error) => resolve({ ok: false, output: error.message }));
      child.on('close', (code) =>
        resolve({ ok: code === 0, output: Buffer.concat(chunks).toString().trimEnd() }),
      );
    });

const show = ({ file, line, rule, message }: Finding): string =>
  `${file}${line === undefined ? '' : `:${line}`}: ${rule}: ${message}`;

const check =
  (...checks: Check[]): Step =>
  async () => {
    const findings = (await Promise.all(checks.map(async (each) => each(root)))).flat();
    return { ok: findings.length === 0, output: findings.map(show).join('\n') };
  };

if (write) {
  checkGenerated(root, true);
  checkFences(root, true);
}

const build = command('turbo', 'run', 'build', '--continue', '--output-logs=errors-only');

// The longest first, so that the two lanes end at about the same time.
const steps: Readonly<Record<string, Step>> = {
  packages: check(checkPackages),
  api: check((folder) => checkApi(folder, write)),
  examples: check(checkExamples),
  lint: command('oxlint', '--type-aware', '--deny-warnings', ...(write ? ['--fix'] : [])),
  knip: command('knip', '--no-progress', '--no-config-hints'),
  types: command('tsc', '-p', '.'),
  format: command('oxfmt', ...(write ? [] : ['--check'])),
  rooms: check(checkRooms, checkToolBudget),
  layers: check(checkLayers),
  docs: check(checkDocs, checkLinks, checkPlaces, checkGenerated),
  boundaries: command('turbo', 'boundaries'),
  manifests: command('sherif', '--fail-on-warnings', ...(write ? ['--fix'] : [])),
};
/** These look at what was built, and say nothing useful about a broken build. */
const needsBuild = ['packages', 'lint', 'api'];

const unknown = wanted.filter((name) => !(name in steps));
if (unknown.length > 0) {
  console.error(`There is no check "${unknown.join('", "')}". There are: ${Object.keys(steps).join(', ')}.`);
  process.exit(2);
}

const failed: string[] = [];
async function run(name: string, step: Step): Promise<boolean> {
  const startedAt = performance.now();
  const { ok, output } = await step().catch((error: unknown) => ({ ok: false, output: String(error) }));
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)${ok ? '' : `\n${output}\n`}`);
  if (!ok) failed.push(name);
  return ok;
}

const isBuilt = await run('build', build);
const queue = Object.entries(steps)
  .filter(([name]) => wanted.length === 0 || wanted.includes(name))
  .filter(([name]) => isBuilt || !needsBuild.includes(name));
const lane = async (): Promise<void> => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) await run(...next);
};
await Promise.all([lane(), lane()]);
console.log(failed.length === 0 ? 'All checks passed.' : `${failed.length} failed: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);
