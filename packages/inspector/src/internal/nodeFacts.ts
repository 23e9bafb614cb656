import type { AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { transitionsOf } from '../chart.ts';
import type { MachineTally, StateTally, TransitionTally } from './machineTally.ts';

/** What is known of one transition of one copy of a machine. */
export interface TransitionFacts {
  readonly transition: AnyTransitionDefinition;
  readonly tally: TransitionTally;
  readonly guarded: boolean;
  /** States below it are left and entered again. */
  readonly domain: AnyStateNode | undefined;
}

/** What is known of one state of one copy of a machine. */
export interface NodeFacts {
  readonly tally: StateTally;
  readonly always: readonly TransitionFacts[];
  readonly hasGuards: boolean;
}

/** Event types may be made up at run time; beyond this many a state's candidates are looked up anew each time. */
const maxEventTypes = 200;

/** Looks up what machines are made of, once for each part. Keeps nothing alive. */
export class FactBook {
  readonly #nodes = new WeakMap<AnyStateNode, NodeFacts>();
  readonly #transitions = new WeakMap<AnyTransitionDefinition, TransitionFacts>();
  readonly #candidates = new WeakMap<AnyStateNode, Map<string, readonly TransitionFacts[]>>();

  node(tally: MachineTally, node: AnyStateNode): NodeFacts {
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    const always = (node.always ?? []).map((transition) => this.transition(tally, transition));
    const facts = {
      tally: tally.state(node),
      always,
      hasGuards: transitionsOf(node).some(({ guard }) => guard !== undefined),
    };
    this.#nodes.set(node, facts);
    return facts;
  }

  transition(tally: MachineTally, transition: AnyTransitionDefinition): TransitionFacts {
    const known = this.#transitions.get(transition);
    if (known !== undefined) return known;
    const facts = {
      transition,
      tally: tally.transition(transition),
      guarded: transition.guard !== undefined,
      domain: domainOf(transition),
    };
    this.#transitions.set(transition, facts);
    return facts;
  }

  /** The transitions of one state that fit an event, in the order in which XState tries them. */
  candidates(tally: MachineTally, node: AnyStateNode, event: string): readonly TransitionFacts[] {
    const known = this.#candidates.get(node) ?? new Map<string, readonly TransitionFacts[]>();
    const found = known.get(event);
    if (found !== undefined) return found;
    const descriptors = [...node.transitions.keys()].filter((descriptor) => fits(event, descriptor));
    const ordered = descriptors.toSorted(
      (a, b) => Number(b === event) - Number(a === event) || b.length - a.length,
    );
    const candidates = ordered
      .flatMap((descriptor) => node.transitions.get(descriptor) ?? [])
      .map((transition) => this.transition(tally, transition));
    if (known.size < maxEventTypes) known.set(event, candidates);
    this.#candidates.set(node, known);
    return candidates;
  }
}

function fits(event: string, descriptor: string): boolean {
  if (descriptor === event || descriptor === '*') return true;
  if (!descriptor.endsWith('.*')) return false;
  const prefix = descriptor.slice(0, -2);
  return event === prefix || event.startsWith(`${prefix}.`);
}

/** Whether a state is somewhere below another. */
export function isBelow(node: AnyStateNode, ancestor: AnyStateNode): boolean {
  for (let at = node.parent; at !== undefined; at = at.parent) if (at === ancestor) return true;
  return false;
}

/** XState's rule: what a transition leaves and enters is all below one state. */
function domainOf({ target, source, reenter }: AnyTransitionDefinition): AnyStateNode | undefined {
  const targets: readonly AnyStateNode[] = target ?? [];
  if (targets.length === 0) return undefined;
  if (!reenter && targets.every((node) => node === source || isBelow(node, source))) return source;
  for (let at = source.parent; at !== undefined; at = at.parent) {
    const ancestor = at;
    if (targets.every((node) => isBelow(node, ancestor))) return ancestor;
  }
  return source.machine.root;
}
