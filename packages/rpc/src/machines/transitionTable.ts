import type { AnyStateMachine, AnyStateNode } from 'xstate';

/**
 * A delay that never passes, in ms: the longest that a timer of the platform waits, 24.8 days. A longer one would fire
 * at once. Runs make no timer of it.
 */
export const neverMs = 2 ** 31 - 1;

/** Anything with a type: what is sent to a machine. */
export interface TableEvent {
  readonly type: string;
}

/** What a machine remembers. */
export type TableContext = Readonly<Record<string, unknown>>;

/** An event that comes later. */
export interface TableTimer {
  readonly event: TableEvent;
  /** How long after it is started, in ms. */
  delayMs(context: TableContext, event: TableEvent): number;
}

/** What a transition does on its way: the context is changed, or a timer is started that outlives the state. */
export type TableStep =
  | { readonly type: 'assign'; assign(context: TableContext, event: TableEvent): TableContext }
  | { readonly type: 'start'; readonly timer: TableTimer };

/** What an event does in a state. */
export interface TableTransition {
  /** The state that is entered; `undefined` when none is left. */
  readonly target: TableState | undefined;
  /** In their order. */
  readonly steps: readonly TableStep[];
}

/** One state. */
export interface TableState {
  readonly name: string;
  readonly isFinal: boolean;
  /** By the type of the event, with those of the machine as a whole. Empty in a final state. */
  readonly on: ReadonlyMap<string, TableTransition>;
  /** Started when the state is entered, dropped when it is left. */
  readonly timers: readonly TableTimer[];
}

/** A machine as plain data: what {@link compileTable} makes. */
export interface TransitionTable {
  readonly id: string;
  readonly initial: TableState;
  readonly states: ReadonlyMap<string, TableState>;
  /** Started with a run, dropped at its end. */
  readonly timers: readonly TableTimer[];
  /** What a run remembers first. */
  context(input: unknown): TableContext;
}

type Transition = AnyStateNode['transitions'] extends Map<string, (infer T)[]> ? T : never;
type Action = Transition['actions'][number];
type PureFunction = (args: object, params: unknown) => unknown;

/** A state whose transitions are still being added. */
interface Draft extends TableState {
  readonly on: Map<string, TableTransition>;
}

/** XState's `assign` and `raise` are functions that carry what they were made of. */
interface BuiltIn {
  readonly type?: string;
  readonly assignment?: PureFunction | Readonly<Record<string, unknown>>;
  readonly event?: TableEvent | PureFunction;
  readonly delay?: string | number | PureFunction;
}

/**
 * Makes a table of a flat machine. A run of the table goes through the same states at the same times as an actor of the
 * machine, at a thousandth of the cost.
 *
 * A table knows states side by side, final ones, `on` and `after` of states and of the machine, `assign`, and `raise`
 * with a delay. Functions in the machine are given `context`, `event` and their parameters, nothing else.
 *
 * @throws {Error} when the machine has anything else, such as guards, invoked actors or states within states
 */
export function compileTable(machine: AnyStateMachine): TransitionTable {
  return new Compiler(machine).compile();
}

class Compiler {
  readonly #machine: AnyStateMachine;
  readonly #root: AnyStateNode;
  readonly #states: ReadonlyMap<string, Draft>;

  constructor(machine: AnyStateMachine) {
    this.#machine = machine;
    this.#root = machine.root;
    this.#refuseExtras(this.#root);
    const nodes = Object.values(this.#root.states);
    for (const node of nodes) this.#refuseExtras(node);
    this.#states = new Map(nodes.map((node) => [node.key, this.#draft(node)]));
  }

  compile(): TransitionTable {
    for (const [name, state] of this.#states) this.#connect(state, this.#root.states[name] as AnyStateNode);
    const initial = this.#target(this.#root, this.#root.initial.target);
    if (initial === undefined || initial.isFinal) throw this.#refuse(this.#root, 'an end at the beginning');
    const { context } = this.#machine.config as { context?: PureFunction | TableContext };
    return {
      id: this.#machine.id,
      initial,
      states: this.#states,
      timers: this.#timersOf(this.#root),
      context: (input) =>
        (typeof context === 'function' ? context({ input }, undefined) : (context ?? {})) as TableContext,
    };
  }

  /** What XState may hold and a table does not. */
  #refuseExtras(node: AnyStateNode): void {
    const isRoot = node === this.#root;
    if (node.type !== 'final' && node.type !== (isRoot ? 'compound' : 'atomic')) {
      throw this.#refuse(
        node,
        isRoot || node.type !== 'compound' ? `${node.type} states` : 'states within it',
      );
    }
    const config = node.config as Readonly<Record<string, unknown>>;
    for (const name of ['invoke', 'always', 'entry', 'exit', 'onDone', 'output', 'route']) {
      if (config[name] !== undefined) throw this.#refuse(node, `"${name}"`);
    }
    if (isRoot && node.initial.actions.length > 0) throw this.#refuse(node, 'actions at the beginning');
  }

  #draft(node: AnyStateNode): Draft {
    const isFinal = node.type === 'final';
    return { name: node.key, isFinal, on: new Map(), timers: isFinal ? [] : this.#timersOf(node) };
  }

  #connect({ isFinal, on }: Draft, node: AnyStateNode): void {
    if (isFinal) return;
    // What a state says itself comes later, and wins.
    for (const source of [this.#root, node]) {
      for (const [type, found] of source.transitions) on.set(type, this.#transition(source, type, found));
    }
  }

  #transition(node: AnyStateNode, type: string, transitions: readonly Transition[]): TableTransition {
    const [transition] = transitions;
    if (type.includes('*')) throw this.#refuse(node, `the wildcard "${type}"`);
    if (transition === undefined || transitions.length > 1 || transition.guard !== undefined) {
      throw this.#refuse(node, `a guard or a choice at "${type}"`);
    }
    if (node === this.#root && transition.reenter) throw this.#refuse(node, `a restart at "${type}"`);
    const target = this.#target(node, transition.target);
    // A state that names itself is not left, unless it says so.
    const isLeft = transition.reenter || transition.target?.[0] !== node;
    return {
      target: isLeft ? target : undefined,
      steps: transition.actions.map((action) => this.#step(node, action)),
    };
  }

  #target(node: AnyStateNode, target: readonly AnyStateNode[] | undefined): Draft | undefined {
    if (target === undefined) return undefined;
    const [only] = target;
    const state = only !== undefined && only.parent === this.#root ? this.#states.get(only.key) : undefined;
    if (state === undefined || target.length > 1) throw this.#refuse(node, 'a target that is no state');
    return state;
  }

  #timersOf(node: AnyStateNode): TableTimer[] {
    const delays = new Map(node.after.map(({ eventType, delay }) => [eventType, delay]));
    return [...delays].map(([type, delay]) => ({
      event: Object.freeze({ type }),
      delayMs: this.#delay(node, delay, undefined),
    }));
  }

  #delay(node: AnyStateNode, delay: unknown, params: Params | undefined): TableTimer['delayMs'] {
    const delays = this.#machine.implementations.delays as Readonly<Record<string, unknown>>;
    const resolved = typeof delay === 'string' ? delays[delay] : delay;
    if (typeof resolved === 'number') return () => resolved;
    if (typeof resolved !== 'function')
      throw this.#refuse(node, `the delay "${String(delay)}", which is none`);
    const toDelay = resolved as PureFunction;
    return (context, event) => toDelay({ context, event }, params?.(context, event)) as number;
  }

  #step(node: AnyStateNode, action: Action): TableStep {
    const type = typeof action === 'string' ? action : ((action as { type?: string }).type ?? 'a function');
    const actions = this.#machine.implementations.actions as Readonly<Record<string, unknown>>;
    const builtIn = (typeof action === 'function' ? action : actions[type]) as BuiltIn | undefined;
    const params = paramsOf(action);
    switch (builtIn?.type) {
      case 'xstate.assign':
        return { type: 'assign', assign: assignmentOf(builtIn.assignment ?? {}, params) };
      case 'xstate.raise': {
        const { event, delay } = builtIn;
        if (typeof event !== 'object') throw this.#refuse(node, 'an event that is raised by a function');
        if (delay === undefined) throw this.#refuse(node, `"${event.type}" raised without a delay`);
        return { type: 'start', timer: { event, delayMs: this.#delay(node, delay, params) } };
      }
      default:
        throw this.#refuse(node, `the action "${type}", which is neither assign nor raise`);
    }
  }

  #refuse(node: AnyStateNode, what: string): Error {
    return new Error(`Cannot make a table of the machine "${this.#machine.id}": "${node.id}" has ${what}`);
  }
}

type Params = (context: TableContext, event: TableEvent) => unknown;

/** The second argument of an action: fixed, or made of context and event. */
function paramsOf(action: Action): Params | undefined {
  if (typeof action !== 'object' || !('params' in action)) return undefined;
  const params = action.params as unknown;
  if (typeof params !== 'function') return () => params;
  const toParams = params as PureFunction;
  return (context, event) => toParams({ context, event }, undefined);
}

type Assign = Extract<TableStep, { type: 'assign' }>['assign'];

function assignmentOf(assignment: NonNullable<BuiltIn['assignment']>, params: Params | undefined): Assign {
  if (typeof assignment === 'function') {
    const assign = assignment as PureFunction;
    return (context, event) => ({
      ...context,
      ...(assign({ context, event }, params?.(context, event)) as TableContext),
    });
  }
  const entries = Object.entries(assignment);
  return (context, event) => {
    const args = { context, event };
    const given = params?.(context, event);
    const changes = entries.map(([key, value]): [string, unknown] => [
      key,
      typeof value === 'function' ? (value as PureFunction)(args, given) : value,
    ]);
    return { ...context, ...Object.fromEntries(changes) };
  };
}
