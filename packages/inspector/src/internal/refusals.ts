import type { AnyStateNode, AnyTransitionDefinition } from 'xstate';
import type { MachineTally } from './machineTally.ts';
import type { FactBook, TransitionFacts } from './nodeFacts.ts';

/** Where a machine was before a step, and what it took. */
export interface Step {
  readonly tally: MachineTally;
  /** The states it was in. */
  readonly nodes: readonly AnyStateNode[];
  readonly taken: readonly AnyTransitionDefinition[];
}

const nothing: readonly TransitionFacts[] = [];

/**
 * The transitions that an event was offered to and whose guard said no: XState asks inner states first, and in each
 * state one transition after another until one is taken, so whatever comes before that one has refused.
 */
export function refusedByEvent(facts: FactBook, step: Step, event: string): readonly TransitionFacts[] {
  const { tally, nodes, taken } = step;
  const [root] = nodes.filter((node) => node.parent === undefined);
  if (!tally.hasGuards || root === undefined) return nothing;
  const refused: TransitionFacts[] = [];
  const ask = (node: AnyStateNode): boolean => {
    let isTaken = false;
    for (const child of nodes) if (child.parent === node && ask(child)) isTaken = true;
    if (isTaken) return true;
    for (const candidate of facts.candidates(tally, node, event)) {
      if (taken.includes(candidate.transition)) return true;
      if (!candidate.guarded) return false;
      refused.push(candidate);
    }
    return false;
  };
  ask(root);
  return refused;
}

/** The same for transitions without an event. */
export function refusedAlways(facts: FactBook, { tally, nodes, taken }: Step): readonly TransitionFacts[] {
  if (!tally.hasGuards) return nothing;
  let refused: TransitionFacts[] | undefined;
  for (const leaf of nodes) {
    if (leaf.type === 'compound' || leaf.type === 'parallel') continue;
    let isTaken = false;
    for (let node: AnyStateNode | undefined = leaf; node !== undefined && !isTaken; node = node.parent) {
      for (const each of facts.node(tally, node).always) {
        isTaken = taken.includes(each.transition);
        if (isTaken || !each.guarded) break;
        refused ??= [];
        if (!refused.includes(each)) refused.push(each);
      }
    }
  }
  return refused ?? nothing;
}
