import type { AnyActorRef, AnyMachineSnapshot, AnyStateMachine, InspectionEvent } from 'xstate';
import { lifecycles, type LifecyclePorts } from '../src/lifecycle.ts';
import { StepClock } from './stepClock.ts';

/** Has runs by actors. */
export const watched = { inspect: () => undefined };

/** An event, or a time in ms that passes. */
export type Step = { readonly type: string } | number;

/** What was seen of a run. */
interface Traced {
  /** A line a step. */
  readonly trace: readonly string[];
  readonly ends: readonly string[];
  readonly isActive: boolean;
}

/** Shows everything that can be seen of a run, step by step. */
type Tracer = (input: object, steps: readonly Step[]) => Traced;

/** Shows runs by the table, or by actors when there is an inspector. */
function tracer(
  machine: AnyStateMachine,
  ports: Omit<LifecyclePorts, 'clock'>,
  clock = new StepClock(),
): Tracer {
  const runs = lifecycles(machine, { clock, ...ports });
  return (input, steps) => {
    clock.reset();
    const ends: string[] = [];
    const onEnd = (state: string): void =>
      void ends.push(`${state} at ${clock.elapsed()}, ${clock.live} timers`);
    const run = runs.start(input, { id: 'r-1', onEnd });
    const seen = (): string =>
      `${run.state} ${run.isActive} ${run.lastActive}, ${clock.live} timers, ends: ${ends.join()}`;
    const trace = [seen()];
    for (const step of steps) {
      if (typeof step === 'number') clock.advance(step);
      else run.send(step);
      trace.push(seen());
    }
    return { trace, ends, isActive: run.isActive };
  };
}

/** Where an actor is, and where each step leads that was taken from there. */
interface Place extends Traced {
  readonly next: Map<Step, Place>;
}

/**
 * Shows what an actor shows on many sequences from one beginning. Two that lead to the same place go on alike: all that an
 * actor is can be seen in its snapshot, in what it has scheduled and in the clock. So a step is computed once a place.
 */
export function recalled(machine: AnyStateMachine): Tracer {
  const clock = new StepClock();
  const places = new Map<string, Place>();
  let actor: AnyActorRef | undefined;
  const byActor = tracer(
    machine,
    { inspect: ({ actorRef }: InspectionEvent) => void (actor = actorRef as AnyActorRef) },
    clock,
  );
  const reach = (input: object, steps: readonly Step[]): Place => {
    const traced = byActor(input, steps);
    const { value, context } = actor!.getSnapshot() as AnyMachineSnapshot;
    const scheduled = Object.values(actor!.system.getSnapshot()._scheduledEvents).map(
      ({ id, delay, event }) => [id, delay, event],
    );
    const whole = [traced.trace.at(-1), input, value, context, scheduled, clock.dueAt, clock.elapsed()];
    const key = JSON.stringify(whole);
    const place = places.get(key) ?? { ...traced, next: new Map<Step, Place>() };
    places.set(key, place);
    return place;
  };
  let first: Place | undefined;
  return (input, steps) => {
    let place = (first ??= reach(input, []));
    const trace = [...place.trace.slice(-1)];
    for (const [at, step] of steps.entries()) {
      const next = place.next.get(step) ?? reach(input, steps.slice(0, at + 1));
      place.next.set(step, next);
      place = next;
      trace.push(...place.trace.slice(-1));
    }
    return { ...place, trace };
  };
}

/** Shows what the table and the actor both show; throws when they differ. */
export function agreement(machine: AnyStateMachine, byActor = tracer(machine, watched)): Tracer {
  const byTable = tracer(machine, {});
  return (input, steps) => {
    const table = byTable(input, steps);
    const [expected, found] = [table, byActor(input, steps)].map(({ trace }) => trace.join('\n'));
    if (found === expected) return table;
    throw new Error(`${JSON.stringify([input, steps])}\nBy the table:\n${expected}\nBy the actor:\n${found}`);
  };
}
