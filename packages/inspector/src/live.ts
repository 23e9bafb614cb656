import type { InspectionEvent } from 'xstate';
import type { MachineChart } from './chart.ts';
import type { RecorderConfig } from './recorder.ts';
import type { Labels } from './run.ts';

/** Bounds of a live view, and its time. */
export interface LiveConfig extends Pick<
  RecorderConfig,
  'maxMachines' | 'maxTextLength' | 'clock' | 'labelsOf'
> {
  /** How many living actors are followed; further ones are counted only. @default 2_000 */
  readonly maxActors?: number;
  /** How many actors that have ended are kept, the last ones. @default 200 */
  readonly maxEnded?: number;
  /** How many of its last steps are kept of each actor. @default 20 */
  readonly maxSteps?: number;
}

/** One step of an actor. */
export interface LiveStep {
  /** ms since the first report. */
  readonly atMs: number;
  /** The event's type. */
  readonly event: string;
  /** Keys of the transitions that were taken, as charts have them; none when the event was ignored. */
  readonly transitions: readonly string[];
  /** Names of the guards' transitions that said no. */
  readonly refused: readonly string[];
}

/** An actor as it stands. */
export interface LiveActor {
  /** Counts the actors from 0; never given twice. */
  readonly key: number;
  /** The `id` it was given, which other actors may share. */
  readonly id: string;
  /** The machine's `id`; absent for other logic. */
  readonly machine?: string;
  /** The key of the actor that started it. */
  readonly parent?: number;
  readonly labels?: Labels;
  readonly status: 'active' | 'done' | 'error' | 'stopped';
  /** Ids of the states that it is in, or was in at its end; those around them included. */
  readonly states: readonly string[];
  /** Times in ms since the first report. */
  readonly startedMs: number;
  readonly endedMs?: number;
  /** How many steps it took. */
  readonly steps: number;
  /** The last of them, the oldest first. */
  readonly lastSteps: readonly LiveStep[];
}

/** What changed since somebody looked last. */
export interface LiveChanges {
  /** To be given to the next call of `changes`. */
  readonly version: number;
  readonly nowMs: number;
  /** Actors that are new or did something, as they stand. */
  readonly actors: readonly LiveActor[];
  /** Keys of actors that are not kept any longer. */
  readonly gone: readonly number[];
  /** Actors that live and are not followed, since there are too many. */
  readonly untold: number;
}

/** How much one machine did, all its actors together. */
export interface LiveMachine {
  readonly machine: string;
  /** Actors of it that live. */
  readonly living: number;
  /** Actors of it that were ever started. */
  readonly started: number;
  /** How many living actors are in a state, by the state's id. */
  readonly inStates: Readonly<Record<string, number>>;
  /** How often a transition was taken, by its key. */
  readonly taken: Readonly<Record<string, number>>;
}

/** Follows the machines of a program that goes on running. */
export interface LiveMachines {
  /** Give it to `createActor` or to a Lloom package as `inspect`. Never throws. */
  readonly inspect: (event: InspectionEvent) => void;
  /** The same, with labels for every actor that is first seen by it. */
  inspectAs(labels: Labels): (event: InspectionEvent) => void;
  /** All actors that are kept, or those that changed after a version. */
  changes(after?: number): LiveChanges;
  /** Every machine that was seen. */
  machines(): LiveMachine[];
  /** The chart of a machine that was seen. */
  chart(machine: string): MachineChart | undefined;
}

/**
 * Follows the machines of a program that goes on running, in bounded memory: which actors live, in which states, and
 * what they did last.
 *
 * @example
 * ```ts
 * const live = createLive();
 * createActor(requestMachine, { input, inspect: live.inspect }).start();
 * live.changes().actors; // [{ id: 'request', states: ['request', 'request.dialing'], … }]
 * ```
 */
export declare function createLive(config?: LiveConfig): LiveMachines;
