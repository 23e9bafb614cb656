import { ConfigError } from '@lloom/core';
import { knownRegions, resolveRegions } from '../regions.ts';
import type { MeasureName } from '../measures.ts';
import type { LoadConfig, NodeRole, NodeSet } from '../types.ts';
import { groupOf, membersOf, namesOf } from './members.ts';
import { list, show } from './problems.ts';
import type { Scenario, ScenarioEvent, ScenarioProperty } from './types.ts';

const maxNodes = 10_000;
const defaultModel = 'demo-small';

/** What each measure is taken of, besides the network as it stands. */
const measured: Readonly<Record<MeasureName, 'requests' | 'messages' | 'network'>> = {
  connectedShare: 'network',
  discoveredShare: 'network',
  offersSeenShare: 'network',
  staleOffers: 'network',
  bytesPerNodeSecond: 'network',
  gossipReach: 'messages',
  answeredShare: 'requests',
  pending: 'requests',
  failed: 'requests',
  latencyMs: 'requests',
  firstTokenMs: 'requests',
  answersShare: 'requests',
  paidPerToken: 'requests',
  duplicateExecutions: 'requests',
  overbilled: 'requests',
  endedTwice: 'requests',
};

/** What the schema cannot say of a scenario that fits it: a line for each place where it contradicts itself. */
export function contradictions(scenario: Scenario): readonly string[] {
  const problems = new Contradictions(scenario);
  problems.checkNodes();
  problems.checkTraffic();
  for (const [index, event] of (scenario.events ?? []).entries())
    problems.checkEvent(`events[${index}]`, event);
  for (const [index, one] of scenario.properties.entries())
    problems.checkProperty(`properties[${index}]`, one);
  return problems.lines;
}

class Contradictions {
  readonly lines: string[] = [];
  readonly #scenario: Scenario;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
  }

  checkNodes(): void {
    const { nodes, network, durationMs } = this.#scenario;
    const count = nodes.reduce((sum, group) => sum + group.count, 0);
    if (count > maxNodes) this.#tell('nodes', `${show(count)} nodes in all`, `at most ${show(maxNodes)}`);
    const isGlobal = network?.link === 'global' || network?.regions !== undefined;
    this.#checkRegions();
    const regions = knownRegions(network?.regions);
    for (const [index, { group, atMs = 0, region }] of nodes.entries()) {
      const place = `nodes[${index}]`;
      const first = nodes.findIndex((other) => other.group === group);
      if (first < index)
        this.#tell(`${place}.group`, show(group), `a name of its own: nodes[${first}] has it`);
      this.#checkWithin(`${place}.atMs`, atMs, durationMs);
      if (region !== undefined && !isGlobal)
        this.#tell(`${place}.region`, show(region), 'network.link "global": there are no regions without it');
      else if (region !== undefined && !regions.includes(region))
        this.#tell(`${place}.region`, show(region), `one of ${list(regions)}`);
    }
    const { topology } = network ?? {};
    if (typeof topology !== 'object') return;
    for (const [index, pair] of topology.entries()) this.#checkPair(`network.topology[${index}]`, pair);
  }

  #checkRegions(): void {
    const { link, regions } = this.#scenario.network ?? {};
    if (regions === undefined) return;
    try {
      resolveRegions(regions, link);
    } catch (error) {
      if (!ConfigError.is(error)) throw error;
      for (const { path, got, wanted } of error.data.problems) this.#tell(`network.${path}`, got, wanted);
    }
  }

  checkTraffic(): void {
    const { load = [], gossip = [], churn = [] } = this.#scenario;
    for (const [index, one] of load.entries()) {
      const place = `load[${index}]`;
      this.#checkSpan(place, one);
      this.#checkSet(`${place}.from`, one.from);
      this.#checkModel(`${place}.model`, one.model ?? defaultModel);
      this.#checkRole({ place: `${place}.from`, role: 'client', set: one.from });
      // One without a name is called by its number.
      const first = load.findIndex(({ name }, number) => (name ?? `load${number}`) === one.name);
      if (first >= 0 && first < index)
        this.#tell(`${place}.name`, show(one.name), `a name of its own: load[${first}] has it`);
    }
    for (const [index, one] of gossip.entries()) {
      this.#checkSpan(`gossip[${index}]`, one);
      this.#checkSet(`gossip[${index}].from`, one.from);
    }
    for (const [index, one] of churn.entries()) {
      this.#checkSpan(`churn[${index}]`, one);
      this.#checkSet(`churn[${index}].nodes`, one.nodes);
      this.#checkRole({ place: `churn[${index}].nodes`, role: 'executor', set: one.nodes });
    }
  }

  checkEvent(place: string, event: ScenarioEvent): void {
    const { atMs, type } = event;
    this.#checkWithin(`${place}.atMs`, atMs, this.#scenario.durationMs);
    if (type === 'hold' || type === 'release') this.#checkPair(`${place}.between`, event.between);
    const sets = setsOf(event);
    for (const [field, set] of sets) {
      this.#checkSet(`${place}.${field}`, set);
      this.#checkThere(place, { field, set, atMs });
    }
    if (type === 'pricing') this.#checkExecutors(`${place}.executors`, event.executors);
    if (type === 'partition' || type === 'partitionOneWay') this.#checkSides(place, sets);
  }

  checkProperty(place: string, property: ScenarioProperty): void {
    const { when, withinMs, fromMs, atLeast, atMost } = property;
    const { durationMs } = this.#scenario;
    if (atLeast === undefined && atMost === undefined)
      this.#tell(place, 'no bound', 'atLeast or atMost, or both');
    if (atLeast !== undefined && atMost !== undefined && atLeast > atMost)
      this.#tell(`${place}.atLeast`, show(atLeast), `at most atMost, ${show(atMost)}`);
    if (withinMs !== undefined && when !== 'eventually')
      this.#tell(`${place}.withinMs`, show(withinMs), `no such field with "${when}"`);
    if (fromMs !== undefined && when === 'finally')
      this.#tell(
        `${place}.fromMs`,
        show(fromMs),
        'no such field with "finally"; of.fromMs says what is measured',
      );
    if (withinMs !== undefined && withinMs > durationMs)
      this.#tell(`${place}.withinMs`, show(withinMs), `at most durationMs, ${show(durationMs)}`);
    if (withinMs !== undefined && withinMs < (fromMs ?? 0))
      this.#tell(`${place}.withinMs`, show(withinMs), `at least fromMs, ${show(fromMs ?? 0)}`);
    if (fromMs !== undefined && fromMs > durationMs)
      this.#tell(`${place}.fromMs`, show(fromMs), `at most durationMs, ${show(durationMs)}`);
    this.#checkFilter(place, property);
  }

  #checkFilter(place: string, { measure, of = {} }: ScenarioProperty): void {
    const { load: loads = [], gossip = [] } = this.#scenario;
    const { load, executors, percentile, fromMs, untilMs } = of;
    const kind = measured[measure];
    const isOf = (field: string, value: unknown, fits: boolean): void => {
      if (value !== undefined && !fits)
        this.#tell(`${place}.of.${field}`, show(value), `no such field with "${measure}"`);
    };
    isOf('load', load, kind === 'requests');
    isOf('fromMs', fromMs, kind !== 'network');
    isOf('untilMs', untilMs, kind !== 'network');
    isOf('percentile', percentile, measure === 'latencyMs' || measure === 'firstTokenMs');
    isOf('executors', executors, measure === 'answersShare' || measure === 'paidPerToken');
    if (measure === 'answersShare' && executors === undefined)
      this.#tell(`${place}.of.executors`, 'nobody', 'executors whose share it is: that of all is 1');
    if (executors !== undefined) this.#checkExecutors(`${place}.of.executors`, executors);
    if (kind === 'requests' && loads.length === 0)
      this.#tell(`${place}.measure`, show(measure), 'a load to measure');
    if (kind === 'messages' && gossip.length === 0)
      this.#tell(`${place}.measure`, show(measure), 'gossip to measure');
    const names = loads.map(({ name }, index) => name ?? `load[${index}], which has no name`);
    if (load !== undefined && kind === 'requests' && !loads.some(({ name }) => name === load))
      this.#tell(
        `${place}.of.load`,
        show(load),
        `the name of a load: ${names.join(', ') || 'there is none'}`,
      );
    this.#checkSpan(`${place}.of`, of);
  }

  #checkExecutors(place: string, set: NodeSet): void {
    const { nodes } = this.#scenario;
    for (const name of namesOf(set)) {
      const group = groupOf(name, nodes);
      if (group?.role === 'executor') continue;
      const known = nodes.filter(({ role }) => role === 'executor').map(({ group: one }) => one);
      const got = group === undefined ? show(name) : `${show(name)}, a ${group.role}`;
      this.#tell(place, got, `executors: ${list(known) || 'there are none'}`);
    }
  }

  /** Whom a field means when it is left out. */
  #checkRole({
    place,
    role,
    set,
  }: {
    readonly place: string;
    readonly role: NodeRole;
    readonly set: unknown;
  }): void {
    if (set !== undefined || this.#scenario.nodes.some((group) => group.role === role)) return;
    this.#tell(place, 'nothing', `nodes, since there are no ${role}s`);
  }

  #checkModel(place: string, model: string): void {
    const offered = this.#scenario.nodes.flatMap((group) =>
      group.role === 'executor' ? (group.models ?? [defaultModel]) : [],
    );
    if (offered.includes(model)) return;
    const known = [...new Set(offered)].slice(0, 10);
    this.#tell(place, show(model), `a model that an executor offers: ${list(known) || 'there is none'}`);
  }

  #checkSet(place: string, set: NodeSet | undefined): void {
    const { nodes } = this.#scenario;
    for (const name of set === undefined ? [] : namesOf(set)) {
      if (groupOf(name, nodes) !== undefined) continue;
      const known = nodes
        .slice(0, 10)
        .map(({ group, count }) => `${group} (${group}0 to ${group}${count - 1})`);
      this.#tell(place, show(name), `a group or a node: ${known.join(', ')}`);
    }
  }

  #checkPair(place: string, pair: readonly [string, string]): void {
    this.#checkSet(place, pair);
    if (pair[0] === pair[1]) this.#tell(place, `${show(pair[0])} twice`, 'two nodes');
  }

  /** Nobody is on two sides. */
  #checkSides(place: string, sides: readonly (readonly [string, NodeSet])[]): void {
    const sideOf = new Map<string, string>();
    const { nodes } = this.#scenario;
    for (const [field, set] of sides) {
      for (const name of membersOf(set, nodes)) {
        const other = sideOf.get(name);
        if (other !== undefined) {
          this.#tell(`${place}.${field}`, show(name), `a node that is not in ${other} already`);
          break;
        }
        sideOf.set(name, field);
      }
    }
  }

  /** What happens to nodes happens when they have come. */
  #checkThere(
    place: string,
    { field, set, atMs }: { readonly field: string; readonly set: NodeSet; readonly atMs: number },
  ): void {
    for (const name of namesOf(set)) {
      const group = groupOf(name, this.#scenario.nodes);
      if (group === undefined || (group.atMs ?? 0) <= atMs) continue;
      const wanted = `at least ${show(group.atMs)}, when ${show(name)} of ${field} comes`;
      this.#tell(`${place}.atMs`, show(atMs), wanted);
    }
  }

  #checkSpan(place: string, { fromMs, untilMs }: Pick<LoadConfig, 'fromMs' | 'untilMs'>): void {
    if (fromMs !== undefined) this.#checkWithin(`${place}.fromMs`, fromMs, this.#scenario.durationMs);
    if (untilMs !== undefined && untilMs <= (fromMs ?? 0))
      this.#tell(`${place}.untilMs`, show(untilMs), `more than fromMs, ${show(fromMs ?? 0)}`);
  }

  #checkWithin(place: string, atMs: number, durationMs: number): void {
    if (atMs >= durationMs) this.#tell(place, show(atMs), `less than durationMs, ${show(durationMs)}`);
  }

  #tell(place: string, got: string, wanted: string): void {
    this.lines.push(`${place}: got ${got}, want ${wanted}`);
  }
}

/** The sets of nodes that an event names, by field. */
function setsOf(event: ScenarioEvent): readonly (readonly [field: string, set: NodeSet])[] {
  switch (event.type) {
    case 'partition':
      return event.groups.map((set, index) => [`groups[${index}]`, set]);
    case 'partitionOneWay':
      return [
        ['from', event.from],
        ['to', event.to],
      ];
    case 'link':
      return event.between.map((set, index) => [`between[${index}]`, set]);
    case 'crash':
    case 'restart':
      return [['nodes', event.nodes]];
    case 'pricing':
      return [['executors', event.executors]];
    case 'hold':
    case 'release':
    case 'heal':
      return [];
  }
}
