import type { NodeSet } from '../types.ts';
import type { Scenario, ScenarioGroup } from './types.ts';

/** The group that a name means, or that the node of that name is of; `undefined` when there is none. */
export function groupOf(name: string, nodes: Scenario['nodes']): ScenarioGroup | undefined {
  const whole = nodes.find(({ group }) => group === name);
  if (whole !== undefined) return whole;
  const [, group, number] = /^(.*\D)(0|[1-9]\d*)$/.exec(name) ?? [];
  return nodes.find((one) => one.group === group && Number(number) < one.count);
}

/** The names of single nodes that a set means; those that are not there are left out. */
export function membersOf(set: NodeSet, nodes: Scenario['nodes']): readonly string[] {
  // Each name once: a group that is named a thousand times is no larger.
  const members = [...new Set(namesOf(set))].flatMap((name) => {
    const group = groupOf(name, nodes);
    if (group === undefined) return [];
    return group.group === name
      ? Array.from({ length: group.count }, (_, index) => `${name}${index}`)
      : [name];
  });
  return [...new Set(members)];
}

/** A set as the names that were given. */
export const namesOf = (set: NodeSet): readonly string[] => (typeof set === 'string' ? [set] : set);
