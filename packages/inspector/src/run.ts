import type { MachineChart } from './chart.ts';

/** What a recorder saw, as plain JSON. It is drawn by the version that wrote it: another one may lack or want parts of it. */
export interface Run {
  /** Every actor that was seen, in the order in which they appeared. */
  readonly actors: readonly RunActor[];
  /** What happened, in the order in which it did. When there was too much, a part in the middle is missing. */
  readonly entries: readonly RunEntry[];
  /** What is missing because a bound was reached. */
  readonly dropped: DroppedParts;
  /** Every machine that was seen, with exact counts, also of what is missing in `entries`. */
  readonly machines: readonly MachineRun[];
  /** From the first entry to now, in ms; to the last entry, when another clock has replaced that of the run since. */
  readonly durationMs: number;
}

/** What a recorder did not keep. */
export interface DroppedParts {
  /** Entries between the first and the last ones. */
  readonly entries: number;
  /** Actors without a line of their own: what they did is told of the one actor called `(others)`. */
  readonly actors: number;
  /** Machines that were not counted. */
  readonly machines: number;
  /** Reports of XState that could not be read. */
  readonly reports: number;
  /** Labels beyond the 8 of an actor, and what was no text. */
  readonly labels: number;
}

/** One actor of a run. */
export interface RunActor {
  /** Its place in `actors`, by which entries name it. */
  readonly index: number;
  /** Its `id`, or the name of its logic; unique in the run. */
  readonly name: string;
  /** The `id` it was given, which other actors may share. */
  readonly id: string;
  /** A state machine, or any other logic. */
  readonly kind: 'machine' | 'actor';
  /** The machine's `id`. */
  readonly machine?: string;
  /** The shape of the machine's chart, which tells machines of the same `id` apart. */
  readonly shape?: string;
  /** The actor that started it. */
  readonly parent?: number;
  /** What the program said about it, such as `{ node: 'alice', peer: '16Uiu…' }`. */
  readonly labels?: Labels;
}

/** What a program says about actors, beside their names: texts by name. */
export type Labels = Readonly<Record<string, string>>;

/** What every entry says. */
export interface EntryBase {
  /** Counts from 0; a gap tells how many entries are missing. */
  readonly sequence: number;
  /** ms since the first entry. */
  readonly atMs: number;
}

/** An actor began. */
export interface StartedEntry extends EntryBase {
  readonly type: 'started';
  readonly actor: number;
  /** Paths of the states it began in. */
  readonly entered: readonly string[];
}

/** An actor ended. */
export interface StoppedEntry extends EntryBase {
  readonly type: 'stopped';
  readonly actor: number;
  readonly status: 'done' | 'error' | 'stopped';
}

/** An event was sent; it is processed by a later entry, if at all. */
export interface SentEntry extends EntryBase {
  readonly type: 'sent';
  /** Absent for an event from outside. */
  readonly from?: number;
  readonly to: number;
  /** The event's type. */
  readonly event: string;
}

/** A machine took transitions: one, or one in each of several parallel states. */
export interface TakenEntry extends EntryBase {
  readonly type: 'taken';
  readonly actor: number;
  readonly event: string;
  /** Whether nothing but a guard decided: an `always`. */
  readonly always: boolean;
  /** Names of the transitions, as coverage names them. */
  readonly transitions: readonly string[];
  /** Their keys, as charts have them. */
  readonly keys: readonly string[];
  /** Names of those that were tried before, and whose guard said no. */
  readonly refused: readonly string[];
  /** Paths of the states that were entered, outer ones first. */
  readonly entered: readonly string[];
}

/** A machine had no use for an event. */
export interface IgnoredEntry extends EntryBase {
  readonly type: 'ignored';
  readonly actor: number;
  readonly event: string;
  /** Names of the transitions whose guard said no. */
  readonly refused: readonly string[];
  /** Whether the actor had ended before. */
  readonly ended: boolean;
}

/** One thing that happened. */
export type RunEntry = StartedEntry | StoppedEntry | SentEntry | TakenEntry | IgnoredEntry;

/** What all actors of one machine did together. */
export interface MachineRun {
  readonly chart: MachineChart;
  /** By the state's id. A state that is missing was never visited. */
  readonly states: Readonly<Record<string, StateCount>>;
  /** By the transition's key. One that is missing was never tried. */
  readonly transitions: Readonly<Record<string, TransitionCount>>;
}

/** How much a state was used. */
export interface StateCount {
  /** How often it was entered. */
  readonly visits: number;
  /** How long actors were in it, all together, in ms. */
  readonly durationMs: number;
}

/** How often a transition was tried. */
export interface TransitionCount {
  /** How often it was taken. */
  readonly taken: number;
  /** How often its guard said no. */
  readonly refused: number;
}
