// Marketplaces of whole Lloom nodes, through the simulator: what each run took, and what came of it.
import { simCheck } from '@lloom/simkit';
import { NetworkSimulator } from '@lloom/simulator';

/** What one run took. */
export interface MarketplaceRun {
  /** Of the process, from the first node to the last answer, in ms; modules were loaded before. */
  readonly cpuMs: number;
  /** Of that, until all nodes had started and found one another. */
  readonly setUpCpuMs: number;
  readonly realMs: number;
  /** How much virtual time passed in a real second after that. */
  readonly ratio: number;
  /** The most memory that the process had, in MB. */
  readonly rssMb: number;
}

const now = performance.now.bind(performance);
/** How long late messages and answers have to arrive, in virtual ms. */
const settleMs = 10_000;
/** How long nodes have to find one another, and to hear what executors announce every half minute. */
const meetMs = 40_000;
const loadMs = 30_000;
const model = {
  fidelity: 'model',
  topology: 'random',
  networkDelayMs: 50,
  sampleIntervalMs: 60_000,
} as const;

/**
 * Five validators, ten executors and clients: a status message a second to all nodes, and fifteen questions a second.
 * @throws when a message has not reached everybody, or a question was not answered
 */
export async function crowd(numNodes: number): Promise<MarketplaceRun> {
  const watch = stopwatch();
  const sim = new NetworkSimulator({ numNodes, ...model });
  sim.spawnValidatorNodes(5);
  sim.spawnExecutorNodes(10, { capacity: 50 });
  sim.spawnClientNodes(numNodes - 15);
  await sim.runFor(meetMs);
  const setUp = watch();
  const untilMs = sim.elapsedMs + loadMs;
  sim.gossipLoad({ intervalMs: 1_000, untilMs });
  sim.load({ requestsPerSecond: 15, untilMs });
  await sim.runFor(loadMs + settleMs);
  const { cpuMs, realMs } = watch();
  const { gossip, requests } = sim.metrics();
  const rssMb = process.resourceUsage().maxRSS / 1_000;
  await sim.stop();
  if (gossip.reach < 1) throw new Error(`Messages have reached ${gossip.reach} of all nodes`);
  if (requests.answered < requests.asked)
    throw new Error(`${requests.answered} of ${requests.asked} questions were answered`);
  const ratio = (loadMs + settleMs) / (realMs - setUp.realMs);
  return { cpuMs, setUpCpuMs: setUp.cpuMs, realMs, ratio, rssMb };
}

/** The specification's own test: ten nodes with a delay and losses. */
const specification = (seed: number): NetworkSimulator => {
  const sim = new NetworkSimulator({ numNodes: 10, networkDelayMs: 50, packetLoss: 0.01, seed });
  sim.spawnExecutorNodes(5);
  sim.spawnClientNodes(5);
  return sim;
};

async function meet(sim: NetworkSimulator): Promise<void> {
  await sim.runFor(30_000);
  if (!sim.allNodesConnected()) throw new Error('Not all nodes are connected');
}

/** The specification's test, once. */
export async function specificationOnce(): Promise<MarketplaceRun> {
  const watch = stopwatch();
  const sim = specification(1);
  await meet(sim);
  const { cpuMs, realMs } = watch();
  await sim.stop();
  return {
    cpuMs,
    setUpCpuMs: 0,
    realMs,
    ratio: 30_000 / realMs,
    rssMb: process.resourceUsage().maxRSS / 1_000,
  };
}

/** The specification's test with twenty seeds. */
export async function specificationSeeds(): Promise<MarketplaceRun> {
  const watch = stopwatch();
  await simCheck({ seeds: 20, create: specification, scenario: meet });
  const { cpuMs, realMs } = watch();
  const ratio = (20 * 30_000) / realMs;
  return { cpuMs, setUpCpuMs: 0, realMs, ratio, rssMb: process.resourceUsage().maxRSS / 1_000 };
}

function stopwatch(): () => { readonly cpuMs: number; readonly realMs: number } {
  const [start, before] = [now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(before);
    return { cpuMs: (user + system) / 1_000, realMs: now() - start };
  };
}
