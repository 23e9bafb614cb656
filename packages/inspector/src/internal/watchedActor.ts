import type { AnyActorRef, AnyStateMachine, AnyStateNode } from 'xstate';
import type { Labels } from '../run.ts';
import type { MachineTally } from './machineTally.ts';

/** What is known of one actor. Lives as long as the actor does: nothing but the actor itself leads to it. */
export interface WatchedActor<Kept> {
  /** What a listener keeps about it. */
  readonly kept: Kept;
  readonly tally: MachineTally | undefined;
  /** What is said about it; `undefined` until it can be asked for. */
  labels: Labels | undefined;
  nodes: readonly AnyStateNode[];
  hasStarted: boolean;
  hasEnded: boolean;
  /** Whether it took a step of a chain that has not ended. */
  isStepping: boolean;
}

/** What of an actor's snapshot is looked at. */
interface Look {
  readonly status?: unknown;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly _nodes?: readonly AnyStateNode[];
}

/** The machine that an actor runs, if it runs one. */
export function machineOf(actor: AnyActorRef): AnyStateMachine | undefined {
  const { logic } = actor as unknown as { readonly logic?: object };
  return logic !== undefined && 'root' in logic && 'config' in logic ? (logic as AnyStateMachine) : undefined;
}

/** How an actor stands; `undefined` while it is being made. */
export function lookAt(actor: AnyActorRef): Look | undefined {
  try {
    return actor.getSnapshot() as Look;
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
