import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { hashOf } from './internal/hash.ts';

/** A state machine as plain JSON: what it is, without what it does. */
export interface MachineChart {
  /** The machine's `id`. */
  readonly id: string;
  /** The same for machines of the same states and transitions, in every process. */
  readonly shape: string;
  /** The machine itself, which holds all its states. */
  readonly root: ChartState;
}

/** One state of a chart. */
export interface ChartState {
  /** Unique within the machine. */
  readonly id: string;
  /** Its own name and those it is nested in, with dots between; empty for the machine itself. */
  readonly path: string;
  /** Its own name. */
  readonly name: string;
  readonly type: 'atomic' | 'compound' | 'parallel' | 'final' | 'history';
  /** What a history state remembers. */
  readonly history?: 'shallow' | 'deep';
  /** What the machine says about it. */
  readonly description?: string;
  /** Ids of the states it starts in. */
  readonly initial: readonly string[];
  /** Names of the actions on entering it. */
  readonly entry: readonly string[];
  /** Names of the actions on leaving it. */
  readonly exit: readonly string[];
  /** Actors that live as long as the machine is in it. */
  readonly invokes: readonly { readonly id: string; readonly src: string }[];
  readonly transitions: readonly ChartTransition[];
  readonly states: readonly ChartState[];
}

/** What a transition waits for. */
export type TransitionKind = 'event' | 'always' | 'after' | 'done' | 'error' | 'snapshot';

/** One transition of a chart. */
export interface ChartTransition {
  /** Unique within the machine. */
  readonly key: string;
  /** `state event [guard] → target`, as coverage names it. */
  readonly name: string;
  readonly kind: TransitionKind;
  /** The event's type, as XState names it; empty for `always`. */
  readonly event: string;
  /** What people call the event, such as `after 500 ms` or `dial done`. */
  readonly label: string;
  /** The name of its guard. */
  readonly guard?: string;
  readonly actions: readonly string[];
  /** Ids of the states it leads to; none when the machine stays where it is. */
  readonly targets: readonly string[];
  /** Whether it leaves and enters its own state again. */
  readonly reenter: boolean;
  /** What the machine says about it. */
  readonly description?: string;
}

/**
 * A machine as plain JSON, with transitions of every sort: by event, by wildcard, `always`, `after`, `onDone`,
 * `onError`. Copies made by `machine.provide()` have the same chart.
 *
 * @example
 * ```ts
 * machineChart(requestMachine).root.states.map(({ name }) => name); // ['sending', 'awaiting', …]
 * ```
 */
export function machineChart(machine: AnyStateMachine): MachineChart {
  const root = stateOf(machine.root);
  const all = statesIn(root);
  const keys = [...all.map(({ id, type }) => `${id} ${type}`), ...transitionsIn(root).map(({ key }) => key)];
  return { id: machine.id, shape: hashOf(keys.join('\n')), root };
}

/** A state and all those in it, in the order in which they are written. */
export function statesIn(state: ChartState): ChartState[] {
  return [state, ...state.states.flatMap((child) => statesIn(child))];
}

/** All transitions of a state and of those in it. */
export function transitionsIn(state: ChartState): ChartTransition[] {
  return [...state.transitions, ...state.states.flatMap((child) => transitionsIn(child))];
}

/** Unique within a machine, and the same for every copy of it. */
export function keyOf(transition: AnyTransitionDefinition): string {
  const { source, eventType } = transition;
  const alternatives = source.transitions.get(eventType) ?? source.always ?? [];
  return `${source.id}|${eventType}|${alternatives.indexOf(transition)}`;
}

function stateOf(node: AnyStateNode): ChartState {
  const isNested = node.type === 'compound' || node.type === 'parallel';
  const transitions = transitionsOf(node);
  return {
    id: node.id,
    path: node.path.join('.'),
    name: node.key,
    type: node.type,
    ...(node.type === 'history' && { history: node.history === 'deep' ? 'deep' : 'shallow' }),
    ...(node.description !== undefined && { description: node.description }),
    initial: isNested ? initialOf(node) : [],
    entry: actionNames(node.entry),
    exit: actionNames(node.exit),
    invokes: node.invoke.map(({ id, src }) => ({ id, src: typeof src === 'string' ? src : id })),
    transitions: transitions.map((transition) => transitionOf(transition)),
    states: childrenOf(node).map((child) => stateOf(child)),
  };
}

/** All transitions of one state, not of those in it. */
export function transitionsOf(node: AnyStateNode): AnyTransitionDefinition[] {
  // XState never prepares a state called `__proto__`, which then has none.
  const { transitions } = node as Partial<Pick<AnyStateNode, 'transitions'>>;
  return [...[...(transitions?.values() ?? [])].flat(), ...(node.always ?? [])];
}

/** XState adds states to a plain object, whose prototype a state called `__proto__` becomes. */
function childrenOf({ states }: AnyStateNode): AnyStateNode[] {
  const children: AnyStateNode[] = Object.values(states);
  const prototype = Object.getPrototypeOf(states) as AnyStateNode | Partial<AnyStateNode> | null;
  return prototype?.key === '__proto__' ? [...children, prototype as AnyStateNode] : children;
}

function initialOf(node: AnyStateNode): string[] {
  if (node.type === 'parallel') {
    const regions = Object.values(node.states).filter(({ type }) => type !== 'history');
    return regions.map(({ id }) => id);
  }
  return (node.initial?.target ?? []).map(({ id }: AnyStateNode) => id);
}

function transitionOf(transition: AnyTransitionDefinition): ChartTransition {
  const guard = guardName(transition.guard);
  const { kind, label } = eventLabel(transition);
  return {
    key: keyOf(transition),
    name: describe(transition),
    kind,
    event: transition.eventType,
    label,
    ...(guard !== undefined && { guard }),
    actions: actionNames(transition.actions),
    targets: targetsOf(transition).map(({ id }) => id),
    reenter: transition.reenter,
    ...(transition.description !== undefined && { description: transition.description }),
  };
}

const prefixes = [
  ['xstate.done.actor.', 'done'],
  ['xstate.error.actor.', 'error'],
  ['xstate.snapshot.', 'snapshot'],
] as const;

function eventLabel(transition: AnyTransitionDefinition): { kind: TransitionKind; label: string } {
  const { eventType } = transition;
  if (eventType === '') return { kind: 'always', label: 'always' };
  if (eventType === '*') return { kind: 'event', label: 'any event' };
  if (eventType.startsWith('xstate.done.state.')) return { kind: 'done', label: 'done' };
  if (eventType.startsWith('xstate.after.')) {
    const { delay } = transition as { readonly delay?: number | string };
    return { kind: 'after', label: typeof delay === 'number' ? `after ${delay} ms` : `after ${delay}` };
  }
  const found = prefixes.find(([prefix]) => eventType.startsWith(prefix));
  if (found === undefined) return { kind: 'event', label: eventType };
  const [prefix, kind] = found;
  return { kind, label: `${eventType.slice(prefix.length)} ${kind}` };
}

/** XState takes what every object has, such as its prototype, for states that a target names and no machine has. */
function targetsOf({ target }: AnyTransitionDefinition): AnyStateNode[] {
  return (target ?? []).filter((node: Partial<AnyStateNode>) => Array.isArray(node.path));
}

/** What coverage calls a transition: a guard without a name is left out. */
function describe(transition: AnyTransitionDefinition): string {
  const { source, eventType, guard } = transition;
  const name = typeof guard === 'string' ? guard : (guard as { type?: string } | undefined)?.type;
  const guarded = name === undefined ? '' : ` [${name}]`;
  const targets = targetsOf(transition)
    .map((node) => node.path.join('.'))
    .join(', ');
  return `${source.path.join('.') || '(root)'} ${eventType || 'always'}${guarded}${targets && ` → ${targets}`}`;
}

function guardName(guard: unknown): string | undefined {
  if (guard === undefined) return undefined;
  return nameOf(guard, 'a function');
}

function actionNames(actions: readonly unknown[]): string[] {
  return actions
    .filter((action) => !isPartOfAfter(action))
    .map((action) => nameOf(action, 'a function').replace(/^xstate\./, ''));
}

/** XState adds a delayed `raise` and its `cancel` to a state for every `after`; nobody wrote them. */
function isPartOfAfter(action: unknown): boolean {
  const { id, sendId } = (action ?? {}) as { readonly id?: unknown; readonly sendId?: unknown };
  const scheduled = id ?? sendId;
  return typeof scheduled === 'string' && scheduled.startsWith('xstate.after.');
}

function nameOf(reference: unknown, otherwise: string): string {
  if (typeof reference === 'string') return reference;
  if (reference === null || reference === undefined) return otherwise;
  const { type, name } = reference as { readonly type?: unknown; readonly name?: unknown };
  const found = typeof type === 'string' ? type : name;
  return typeof found === 'string' && found !== '' ? found : otherwise;
}
