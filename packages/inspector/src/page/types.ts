/** What the script of a run's page is told. */
export interface PageData {
  readonly actors: readonly PageActor[];
  /** In the order of the charts. */
  readonly machines: readonly PageMachine[];
  readonly steps: readonly PageStep[];
  /** How long all of it took, as people read it. */
  readonly duration: string;
  /** What events from outside come from. */
  readonly caller: string;
}

/** An actor as readers find it. */
export interface PageActor {
  readonly name: string;
  /** Its place in `machines`, when its chart is there. */
  readonly machine?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** What a chart holds, by which steps name it. */
export interface PageMachine {
  readonly id: string;
  /** Ids and paths of the states. */
  readonly states: readonly (readonly [id: string, path: string])[];
  /** Keys and names of the transitions. */
  readonly transitions: readonly (readonly [key: string, name: string])[];
}

/** One thing that happened, as far as a reader cares: an event and what came of it are one step. */
export interface PageStep {
  /** The sequence numbers of its first and last entry. */
  readonly first: number;
  readonly last: number;
  /** When, as people read it. */
  readonly at: string;
  /** Whom it is about, by its place in `actors`. */
  readonly actor: number;
  /** What people call it. */
  readonly text: string;
  /** How many entries are missing before it. */
  readonly missing?: number;
  /** Who sent the event; -1 for the outside. */
  readonly from?: number;
  /** The states that the actor is in after it, as far as they are known; absent when nothing changed. */
  readonly states?: readonly number[];
  readonly entered?: readonly number[];
  readonly taken?: readonly number[];
  readonly refused?: readonly number[];
  /** Whether the machine had no use for the event. */
  readonly isIgnored?: boolean;
}
