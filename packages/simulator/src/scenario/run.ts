import { SimkitError } from '@lloom/simkit';
import { NetworkSimulator } from '../networkSimulator.ts';
import type { SimulationReport } from '../report/types.ts';
import type { NodeSet, SimulatedNodeState } from '../types.ts';
import { parseScenario } from './load.ts';
import { groupOf, membersOf, namesOf } from './members.ts';
import { PropertyWatch } from './properties.ts';
import { asRun, nodesOf } from './scale.ts';
import type { Scenario, ScenarioEvent, ScenarioGroup, ScenarioRunConfig } from './types.ts';

/**
 * Runs a scenario from its beginning to its end, in virtual time. A property that does not hold is a result like any other;
 * what throws is a scenario that cannot be run, a node that cannot start, or a defect. A run that ends early reports how far it
 * came: a property that was not decided by then says so.
 * @throws {SimulatorError} `INVALID_SCENARIO`, `INVALID_ARGUMENT`
 * @throws what the nodes throw when they cannot start
 *
 * @example
 * ```ts
 * const report = await runScenario(await loadScenario('discovery'), { seed: 7 });
 * console.log(reportText(report));
 * ```
 */
export async function runScenario(
  scenario: Scenario,
  config: ScenarioRunConfig = {},
): Promise<SimulationReport> {
  const asGiven = parseScenario(scenario);
  const running = asRun(asGiven, config);
  const { network, seed = 1, name, description } = running;
  const { onTrace } = config;
  let isOver = false;
  // What happens while all is stopped is in no hash.
  const traced = onTrace === undefined ? {} : { onTrace: (line: string) => isOver || onTrace(line) };
  const simulator = new NetworkSimulator({ ...network, ...traced, numNodes: nodesOf(running), seed });
  const run = async (): Promise<SimulationReport> => {
    plan(running, simulator);
    const watches = running.properties.map((property) => new PropertyWatch(property, simulator));
    await runThrough(running, { simulator, watches, config });
    const { elapsedMs } = simulator;
    const isWhole = elapsedMs >= asGiven.durationMs;
    const properties = watches.map((watch) => watch.end(elapsedMs, isWhole));
    isOver = true;
    return { ...simulator.report(), name, description, properties };
  };
  let report: SimulationReport;
  try {
    report = await run();
  } catch (error) {
    // What ended the run is told, not what came of it at the stop.
    await simulator.stop().catch(() => undefined);
    throw error;
  }
  await simulator.stop().catch((error: unknown) => {
    // Whatever the end has interrupted, the run itself is complete.
    if (!SimkitError.is(error, 'STOPPED')) throw error;
  });
  return report;
}

/** Says everything that is to happen. */
function plan(scenario: Scenario, simulator: NetworkSimulator): void {
  for (const group of scenario.nodes) {
    const { atMs = 0 } = group;
    if (atMs === 0) spawn(group, simulator);
    else simulator.at(atMs, () => spawn(group, simulator));
  }
  for (const load of scenario.load ?? []) simulator.load(load);
  for (const gossip of scenario.gossip ?? []) simulator.gossipLoad(gossip);
  for (const churn of scenario.churn ?? []) simulator.churn(churn);
  for (const event of scenario.events ?? [])
    simulator.at(event.atMs, () => happen(event, { scenario, simulator }));
}

const spawners = {
  executor: 'spawnExecutorNodes',
  client: 'spawnClientNodes',
  validator: 'spawnValidatorNodes',
  relay: 'spawnRelayNodes',
} as const;

function spawn({ role, count, atMs: _atMs, ...options }: ScenarioGroup, simulator: NetworkSimulator): void {
  simulator[spawners[role]](count, options);
}

async function happen(
  event: ScenarioEvent,
  { scenario, simulator }: { readonly scenario: Scenario; readonly simulator: NetworkSimulator },
): Promise<void> {
  const there = (set: NodeSet): readonly string[] =>
    namesOf(set).filter((name) => groupOf(name, scenario.nodes) !== undefined);
  // Nodes come and go by themselves as well: those that are where they are to get stay there.
  const those = (set: NodeSet, state: SimulatedNodeState): readonly string[] =>
    membersOf(set, scenario.nodes).filter((name) => simulator.node(name).state === state);
  switch (event.type) {
    case 'partition':
      simulator.partition(...event.groups.map(there).filter(({ length }) => length > 0));
      return;
    case 'partitionOneWay':
      simulator.partitionOneWay(there(event.from), there(event.to));
      return;
    case 'heal':
      simulator.heal();
      return;
    case 'hold':
      simulator.hold(...event.between);
      return;
    case 'release':
      simulator.release(...event.between);
      return;
    case 'link':
      simulator.setLink(there(event.between[0]), there(event.between[1]), event.link);
      return;
    case 'crash': {
      const { isSilent = false } = event;
      const up = those(event.nodes, 'up');
      if (up.length > 0) simulator.crash(up, { isSilent });
      return;
    }
    case 'restart': {
      const { datastore = 'kept' } = event;
      const down = those(event.nodes, 'down');
      if (down.length > 0) await simulator.restart(down, { datastore });
      return;
    }
    case 'pricing': {
      // Those that are down ask it when they are back.
      const members = membersOf(event.executors, scenario.nodes);
      if (members.length > 0) await simulator.setPricing(members, event.pricing);
    }
  }
}

/** Lets time pass from sample to sample, and asks after each. */
async function runThrough(
  { network, durationMs }: Scenario,
  run: {
    readonly simulator: NetworkSimulator;
    readonly watches: readonly PropertyWatch[];
    readonly config: ScenarioRunConfig;
  },
): Promise<void> {
  const { simulator, watches } = run;
  const { onProgress, signal } = run.config;
  const { sampleIntervalMs = 1_000 } = network ?? {};
  const isOver = (): boolean => simulator.elapsedMs >= durationMs || signal?.aborted === true;
  while (!isOver()) {
    const { elapsedMs: before } = simulator;
    const nextSampleMs = (Math.floor(before / sampleIntervalMs) + 1) * sampleIntervalMs;
    await simulator.runFor(Math.min(nextSampleMs, durationMs) - before);
    const { elapsedMs } = simulator;
    for (const watch of watches) watch.ask(elapsedMs);
    if (onProgress === undefined) continue;
    const { nodes, requests } = simulator.metrics();
    const { asked, answered, failed } = requests;
    onProgress({ elapsedMs, durationMs, up: nodes.up, asked, answered, failed });
  }
}
