import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition, InspectionEvent } from 'xstate';

/** How much of one machine a run went through. */
export interface MachineCoverage {
  /** The machine's `id`. */
  readonly machine: string;
  /** How many transitions it has, `always` included. */
  readonly total: number;
  /** How many of them were taken. */
  readonly taken: number;
  /** Those that were not, as `state event [guard] → target`. */
  readonly missed: readonly string[];
}

/** Notes the transitions that machines take. */
export interface Recorder {
  /** Give it to `createActor` or to a Lloom package as `inspect`. */
  readonly inspect: (event: InspectionEvent) => void;
  /** What has been taken so far of a machine, and of every copy that `machine.provide()` made of it. */
  coverage(machine: AnyStateMachine): MachineCoverage;
}

/**
 * A recorder of transitions.
 *
 * @example
 * ```ts
 * const recorder = createRecorder();
 * createActor(requestMachine, { input, inspect: recorder.inspect }).start();
 * recorder.coverage(requestMachine).missed; // ['awaiting request.cancel → failed', …]
 * ```
 */
export function createRecorder(): Recorder {
  // Copies made by `provide` share their configuration object, so it names the machine.
  const taken = new WeakMap<object, Set<string>>();
  return {
    inspect(event) {
      if (event.type !== '@xstate.microstep') return;
      const machine = (event.actorRef as unknown as { readonly logic: AnyStateMachine }).logic;
      const keys = taken.get(machine.config) ?? new Set();
      taken.set(machine.config, keys);
      for (const transition of event._transitions) keys.add(keyOf(transition));
    },
    coverage(machine) {
      const keys = taken.get(machine.config) ?? new Set();
      const all = transitionsOf(machine.root);
      const missed = all.filter((transition) => !keys.has(keyOf(transition)));
      return {
        machine: machine.id,
        total: all.length,
        taken: all.length - missed.length,
        missed: missed.map((transition) => describe(transition)),
      };
    },
  };
}

function transitionsOf(node: AnyStateNode): AnyTransitionDefinition[] {
  const own = [...node.transitions.values()].flat();
  const children = Object.values(node.states).flatMap((child) => transitionsOf(child));
  return [...own, ...(node.always ?? []), ...children];
}

function keyOf(transition: AnyTransitionDefinition): string {
  const { source, eventType } = transition;
  const alternatives = source.transitions.get(eventType) ?? source.always ?? [];
  return `${source.id}|${eventType}|${alternatives.indexOf(transition)}`;
}

function describe({ source, eventType, guard, target }: AnyTransitionDefinition): string {
  const guardName = typeof guard === 'string' ? guard : (guard as { type?: string } | undefined)?.type;
  const guarded = guardName === undefined ? '' : ` [${guardName}]`;
  const targets = (target ?? []).map((node: AnyStateNode) => node.path.join('.')).join(', ');
  return `${source.path.join('.') || '(root)'} ${eventType || 'always'}${guarded}${targets && ` → ${targets}`}`;
}
