import {
  createActor,
  type Actor,
  type AnyStateMachine,
  type EventFromLogic,
  type InputFrom,
  type StateValueFrom,
} from 'xstate';
import type { Clock, Inspector } from '@lloom/core';
import {
  compileTable,
  neverMs,
  type TableContext,
  type TableEvent,
  type TableState,
  type TableTimer,
  type TableTransition,
  type TransitionTable,
} from './machines/transitionTable.ts';

/** One run of a machine. */
export interface Lifecycle<Event, State extends string> {
  readonly state: State;
  /** Whether no final state has been reached. */
  readonly isActive: boolean;
  /** The last state that was not final: where it ended. */
  readonly lastActive: State;
  /** Events after the end are late, not wrong: they are dropped. So are events that a state does not know. */
  send(event: Event): void;
}

/** Whoever a run belongs to. */
export interface LifecycleOwner<State extends string> {
  /** Names the run where it is watched. */
  readonly id: string;
  /** Called when a state is reached that is not final, beside the first one. Must not throw. */
  onEnter?(state: State): void;
  /**
   * Called once, when a final state is reached: within the {@link Lifecycle.send} that led to it, or by a timer. The run
   * has no timers any more. Must not throw.
   */
  onEnd(state: State): void;
}

/** Makes runs of one machine. */
export interface Lifecycles<Input, Event, State extends string> {
  /** Begins a run, which is in its first state at once. */
  start(input: Input, owner: LifecycleOwner<State>): Lifecycle<Event, State>;
}

/** What runs need from outside. */
export interface LifecyclePorts {
  readonly clock: Clock;
  /** Watches every step of every run. @default none: runs cost next to nothing */
  readonly inspect?: Inspector | undefined;
}

/** The names of the states of a flat machine. */
type StateOf<Machine extends AnyStateMachine> = StateValueFrom<Machine> & string;

/**
 * Makes runs of one machine: by its table, or by actors that `inspect` sees. Both go through the same states at the same
 * times. Meant to be made once for all runs.
 *
 * @throws {Error} when the machine has no table, see {@link compileTable}
 */
export function lifecycles<Machine extends AnyStateMachine>(
  machine: Machine,
  { clock, inspect }: LifecyclePorts,
): Lifecycles<InputFrom<Machine>, EventFromLogic<Machine>, StateOf<Machine>> {
  // Also when actors run: what cannot be a table is told at once, not when the inspector is taken away.
  const table = compileTable(machine);
  if (inspect === undefined) return { start: (input, owner) => new TableRun({ table, clock }, input, owner) };
  const actorClock = withoutNever(clock);
  return {
    start: (input, owner) =>
      new ActorRun(
        createActor<AnyStateMachine>(machine, { clock: actorClock, inspect, id: owner.id, input }),
        owner,
      ),
  };
}

/** What all runs by one table share. */
interface Shared {
  readonly table: TransitionTable;
  readonly clock: Clock;
}

const noTimers: unknown[] = [];

/** A run by a table. */
class TableRun<Event extends TableEvent, State extends string> implements Lifecycle<Event, State> {
  readonly #clock: Clock;
  readonly #owner: LifecycleOwner<State>;
  #state: TableState;
  #lastActive: TableState;
  #context: TableContext;
  /** Replaced as a whole when one is started: most states have none. */
  #ofState = noTimers;
  #ofRun = noTimers;

  constructor({ table, clock }: Shared, input: unknown, owner: LifecycleOwner<State>) {
    this.#clock = clock;
    this.#owner = owner;
    this.#state = table.initial;
    this.#lastActive = table.initial;
    this.#context = table.context(input);
    for (const timer of table.timers) this.#ofRun = this.#started(timer, start, this.#ofRun);
    for (const timer of table.initial.timers) this.#ofState = this.#started(timer, start, this.#ofState);
  }

  get state(): State {
    return this.#state.name as State;
  }

  get isActive(): boolean {
    return !this.#state.isFinal;
  }

  get lastActive(): State {
    return this.#lastActive.name as State;
  }

  send(event: Event): void {
    this.#take(event);
  }

  #take(event: TableEvent): void {
    // A final state has no transitions.
    const transition = this.#state.on.get(event.type);
    if (transition !== undefined) this.#follow(transition, event);
  }

  #follow({ target, steps }: TableTransition, event: TableEvent): void {
    if (target !== undefined) this.#ofState = this.#dropped(this.#ofState);
    for (const step of steps) {
      if (step.type === 'assign') this.#context = step.assign(this.#context, event);
      else this.#ofRun = this.#started(step.timer, event, this.#ofRun);
    }
    if (target === undefined) return;
    this.#state = target;
    if (target.isFinal) {
      this.#ofRun = this.#dropped(this.#ofRun);
      this.#owner.onEnd(target.name as State);
      return;
    }
    this.#lastActive = target;
    for (const timer of target.timers) this.#ofState = this.#started(timer, event, this.#ofState);
    this.#owner.onEnter?.(target.name as State);
  }

  #started(timer: TableTimer, event: TableEvent, others: unknown[]): unknown[] {
    const delayMs = timer.delayMs(this.#context, event);
    if (delayMs >= neverMs) return others;
    const id = this.#clock.setTimeout(() => this.#take(timer.event), delayMs);
    return others.length === 0 ? [id] : [...others, id];
  }

  #dropped(timers: unknown[]): unknown[] {
    for (const id of timers) this.#clock.clearTimeout(id);
    return noTimers;
  }
}

/** The event with which XState begins. */
const start: TableEvent = Object.freeze({ type: 'xstate.init' });

/** A run by an actor. */
class ActorRun<Event extends TableEvent, State extends string> implements Lifecycle<Event, State> {
  readonly #actor: Actor<AnyStateMachine>;
  #state: State;
  #lastActive: State;
  #isActive = true;

  constructor(actor: Actor<AnyStateMachine>, owner: LifecycleOwner<State>) {
    this.#actor = actor;
    this.#state = actor.getSnapshot().value as State;
    this.#lastActive = this.#state;
    actor.subscribe({
      next: ({ value, status }) => {
        const hasChanged = this.#state !== value;
        this.#state = value as State;
        this.#isActive = status === 'active';
        if (!this.#isActive) return;
        this.#lastActive = this.#state;
        if (hasChanged) owner.onEnter?.(this.#state);
      },
      complete: () => owner.onEnd(this.#state),
    });
    actor.start();
  }

  get state(): State {
    return this.#state;
  }

  get isActive(): boolean {
    return this.#isActive;
  }

  get lastActive(): State {
    return this.#lastActive;
  }

  send(event: Event): void {
    if (this.#isActive) this.#actor.send(event);
  }
}

/** A clock that makes no timers of delays that never pass, as runs by a table make none. */
function withoutNever(clock: Clock): Pick<Clock, 'setTimeout' | 'clearTimeout'> {
  return {
    setTimeout: (fn, ms) => (ms >= neverMs ? undefined : clock.setTimeout(fn, ms)),
    clearTimeout: (id) => clock.clearTimeout(id),
  };
}
