import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median, row, type Row } from './report.ts';
import type { MarketplaceRun } from './simulator/marketplaces.ts';
import type { Measured } from './simulatorRuns.ts';

const script = fileURLToPath(new URL('simulatorRuns.ts', import.meta.url));
const marketplaceScript = fileURLToPath(new URL('simulator/run.ts', import.meta.url));
const rememberKeys = fileURLToPath(new URL('../../packages/simkit/src/rememberKeys.ts', import.meta.url));
const limitMs = 480_000;
const repeats = 5;
/** Runs of one seed on each version of Node.js. */
const runsPerNode = 20;
const otherNode = 'node@22.23.3';

/** Runs a scenario `times` in one process. */
async function run(scenario: string, times: number, node = process.execPath): Promise<Measured[]> {
  const args = ['--conditions=@lloom/source', script, scenario, `${times}`];
  return (await outputOf(node, args, scenario)) as Measured[];
}

/** Runs a marketplace of whole nodes, as users of very many run theirs: keys are remembered, and garbage may wait. */
async function marketplace(name: string, count = 0): Promise<MarketplaceRun> {
  const flags = ['--conditions=@lloom/source', '--max-semi-space-size=32', '--import', rememberKeys];
  const args = [...flags, marketplaceScript, name, `${count}`];
  return (await outputOf(process.execPath, args, name)) as MarketplaceRun;
}

/** What a process prints, as JSON. */
function outputOf(node: string, args: readonly string[], scenario: string): Promise<unknown> {
  const child = spawn(node, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => void (output += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(output));
      else reject(new Error(`Scenario ${scenario} ended with ${signal ?? code}`));
    });
  });
}

/** Another version of Node.js, from npm; `undefined` where there is none to be had. */
function findOtherNode(): string | undefined {
  const { status, stdout } = spawnSync('npx', ['-y', '-p', otherNode, 'which', 'node'], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  return status === 0 ? stdout.trim().split('\n').at(-1) : undefined;
}

/** What traces came of all runs of one version, in several processes. */
async function hashes(node: string): Promise<string[]> {
  const all: string[] = [];
  for (let done = 0; done < runsPerNode; done += repeats) {
    const measured = await run('determinism', repeats, node);
    all.push(...measured.map(({ hash }) => hash));
  }
  return all;
}

async function determinism(): Promise<Row[]> {
  const other = findOtherNode();
  if (other === undefined) process.stderr.write(`${otherNode} is not to be had: one version is measured\n`);
  const nodes = [process.execPath, ...(other === undefined ? [] : [other])];
  const all = (await Promise.all(nodes.map((node) => hashes(node)))).flat();
  const share = all.filter((hash) => hash === all[0]).length / all.length;
  const against = `${all.length} runs on ${nodes.length} versions of Node.js`;
  return [row('simulator.determinism', { value: share, baseline: 1, unit: '', against }, 1)];
}

const seconds = (figures: readonly number[]): number => median(figures) / 1_000;

/**
 * Networks in virtual time: how long whole scenarios take, and whether a seed decides them. `scenario10` runs in the
 * fidelity that tests run in, `scenario10.full` with Noise and Yamux; `full50` with those as well, and Ed25519 keys. `gossip1000`
 * and `ratio500` run in fidelity `model`; they fail when a message has not reached everybody, or a question was not answered.
 */
export async function simulatorSuite(): Promise<Row[]> {
  const fast = await run('scenario10', 3);
  const full = await run('scenario10full', 1);
  const stock50 = await run('full50', 1);
  const stock50fast = await run('full50fast', 1);
  const lloom50 = await run('lloom50', 1);
  const thousand = await marketplace('crowd', 1_000);
  const half = await marketplace('crowd', 500);
  const once = await marketplace('specification');
  const seeds = await marketplace('seeds');
  const goal = { unit: 's', against: 'goal' };
  const cpuGoal = { ...goal, unit: 'CPU s', baseline: 20 };
  const real = (runs: readonly Measured[]): number => seconds(runs.map(({ realMs }) => realMs));
  const cpu = (runs: readonly Measured[]): number => seconds(runs.map(({ cpuMs }) => cpuMs));
  return [
    row('simulator.scenario10.vs-goal', { ...goal, value: real(fast), baseline: 2 }, 1),
    row('simulator.scenario10.cpu', { ...goal, value: cpu(fast), baseline: 2 }),
    row('simulator.scenario10.full', { ...goal, value: real(full), baseline: 2 }),
    row('simulator.full50.vs-goal', { ...goal, value: cpu(stock50), baseline: 20, unit: 'CPU s' }, 1),
    row('simulator.full50.fast', { ...goal, value: cpu(stock50fast), baseline: 20, unit: 'CPU s' }),
    row('simulator.full50.lloom', { ...goal, value: cpu(lloom50), baseline: 20, unit: 'CPU s' }),
    row('simulator.seed-scenario.vs-goal', { ...goal, value: once.realMs / 1_000, baseline: 2 }, 1),
    row('simulator.seeds20.vs-goal', { ...goal, value: seeds.realMs / 1_000, baseline: 25 }, 1),
    row('simulator.gossip1000.vs-goal', { ...cpuGoal, value: thousand.cpuMs / 1_000 }, 1),
    row('simulator.gossip1000.set-up', { ...cpuGoal, value: thousand.setUpCpuMs / 1_000 }),
    row('simulator.gossip1000.memory', { ...goal, value: thousand.rssMb, baseline: 1_000, unit: 'MB' }, 1),
    row('simulator.ratio500', { ...goal, value: half.ratio, baseline: 10, unit: 'virtual s / s' }, 1),
    ...(await determinism()),
  ];
}
