import type { AnyActorRef, AnyStateMachine, AnyStateNode } from 'xstate';
import type { RunActor } from '../run.ts';
import type { MachineTally, StateTally } from './machineTally.ts';

/** What is known of one actor. Lives as long as the actor does: nothing but the actor itself leads to it. */
export interface WatchedActor {
  readonly line: RunActor;
  readonly tally: MachineTally | undefined;
  /** When it entered the states it is in. */
  readonly open: Map<StateTally, number>;
  nodes: readonly AnyStateNode[];
  hasStarted: boolean;
  hasEnded: boolean;
  /** Whether it took a step of a chain that has not ended. */
  isStepping: boolean;
}

/** The machine that an actor runs, if it runs one. */
export function machineOf(actor: AnyActorRef): AnyStateMachine | undefined {
  const { logic } = actor as unknown as { readonly logic?: object };
  return logic !== undefined && 'root' in logic && 'config' in logic ? (logic as AnyStateMachine) : undefined;
}

/** The states an actor is in; `undefined` while it is being made. */
export function nodesOf(actor: AnyActorRef): readonly AnyStateNode[] | undefined {
  try {
    const { _nodes } = actor.getSnapshot() as { readonly _nodes?: readonly AnyStateNode[] };
    return _nodes;
  } catch {
    return undefined;
  }
}

/** The states a machine begins in, before any `always`. */
export function initialNodes(node: AnyStateNode): AnyStateNode[] {
  const children: readonly AnyStateNode[] =
    node.type === 'parallel'
      ? Object.values(node.states).filter(({ type }) => type !== 'history')
      : node.type === 'compound'
        ? (node.initial.target ?? [])
        : [];
  return [node, ...children.flatMap((child) => initialNodes(child))];
}

/** The name of the logic an actor was made from, where it has one. */
export function sourceName(actor: AnyActorRef): string | undefined {
  const { src } = actor as unknown as { readonly src?: unknown };
  return typeof src === 'string' ? src : undefined;
}
