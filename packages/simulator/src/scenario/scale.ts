import { SimulatorError } from '../errors.ts';
import { groupOf, membersOf, namesOf } from './members.ts';
import type { Scenario, ScenarioEvent, ScenarioRunConfig } from './types.ts';

/** How many nodes a scenario has in all. */
export const nodesOf = ({ nodes }: Pick<Scenario, 'nodes'>): number =>
  nodes.reduce((sum, { count }) => sum + count, 0);

/**
 * A scenario as it is run: with another seed, length or fidelity, and with more or fewer nodes. Every group grows or shrinks in
 * proportion, and so do the questions a second; what concerns nodes that are not there then is left out.
 * @throws {SimulatorError} `INVALID_ARGUMENT`
 */
export function asRun(scenario: Scenario, config: ScenarioRunConfig): Scenario {
  const { seed, durationMs, fidelity, numNodes } = config;
  if (durationMs !== undefined && !(durationMs > 0 && durationMs <= 86_400_000))
    throw unfit(`durationMs ${durationMs}`, 'more than 0 and at most 86,400,000 ms');
  const changed: Scenario = {
    ...scenario,
    ...(seed !== undefined && { seed }),
    ...(durationMs !== undefined && { durationMs }),
    ...(fidelity !== undefined && { network: { ...scenario.network, fidelity } }),
  };
  return numNodes === undefined ? changed : scaled(changed, numNodes);
}

function scaled(scenario: Scenario, numNodes: number): Scenario {
  const { length } = scenario.nodes;
  if (!Number.isInteger(numNodes) || numNodes < length || numNodes > 10_000)
    throw unfit(`numNodes ${numNodes}`, `a whole number from ${length}, one for each group, to 10,000`);
  const counts = shares(
    scenario.nodes.map(({ count }) => count),
    numNodes,
  );
  const nodes = scenario.nodes.map((group, index) => ({ ...group, count: counts[index] ?? 1 }));
  const { topology } = scenario.network ?? {};
  const isThere = (name: string): boolean => groupOf(name, nodes) !== undefined;
  return {
    ...scenario,
    nodes,
    ...(typeof topology === 'object' && {
      network: { ...scenario.network, topology: topology.filter((pair) => pair.every(isThere)) },
    }),
    load: (scenario.load ?? []).flatMap((load) => {
      const perSecond = ((load.requestsPerSecond ?? 1) * numNodes) / nodesOf(scenario);
      const requestsPerSecond = Math.min(10_000, Math.max(0.001, perSecond));
      const isAnybody = load.from === undefined || membersOf(load.from, nodes).length > 0;
      return isAnybody ? [{ ...load, requestsPerSecond }] : [];
    }),
    gossip: (scenario.gossip ?? []).filter(({ from }) => from === undefined || namesOf(from).some(isThere)),
    churn: (scenario.churn ?? []).filter(
      (one) => one.nodes === undefined || namesOf(one.nodes).some(isThere),
    ),
    events: (scenario.events ?? []).filter((event) => touches(event, isThere)),
  };
}

/** Whether there is anybody on each side of what an event does. */
function touches(event: ScenarioEvent, isThere: (name: string) => boolean): boolean {
  switch (event.type) {
    case 'heal':
      return true;
    case 'hold':
    case 'release':
      return event.between.every(isThere);
    case 'link':
      return event.between.every((set) => namesOf(set).some(isThere));
    case 'partition':
      return event.groups.filter((set) => namesOf(set).some(isThere)).length > 1;
    case 'partitionOneWay':
      return namesOf(event.from).some(isThere) && namesOf(event.to).some(isThere);
    case 'crash':
    case 'restart':
      return namesOf(event.nodes).some(isThere);
    case 'pricing':
      return namesOf(event.executors).some(isThere);
  }
}

/** Parts of a whole in proportion to others, none below 1. What rounding leaves goes to those that lost most, the first before. */
function shares(counts: readonly number[], whole: number): readonly number[] {
  const sum = counts.reduce((total, count) => total + count, 0);
  // Each has one, and its share of the rest as far as it is more than that.
  const exact = counts.map((count) => (count * whole) / sum);
  const parts = exact.map((share) => Math.max(1, Math.floor(share)));
  for (;;) {
    const left = whole - parts.reduce((total, part) => total + part, 0);
    if (left === 0) return parts;
    const step = Math.sign(left);
    let best = -1;
    for (const [index, share] of exact.entries()) {
      if (step < 0 && parts[index] === 1) continue;
      const lost = (share - parts[index]!) * step;
      if (best < 0 || lost > (exact[best]! - parts[best]!) * step) best = index;
    }
    parts[best]! += step;
  }
}

const unfit = (got: string, wanted: string): SimulatorError =>
  new SimulatorError('INVALID_ARGUMENT', { act: 'run a scenario', got, wanted });
