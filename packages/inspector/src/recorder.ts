import type { AnyStateMachine, InspectionEvent } from 'xstate';
import { boundsOf } from './internal/bounds.ts';
import { Journal } from './internal/journal.ts';
import { enter, leave, type StateTally } from './internal/machineTally.ts';
import type { WatchedActor } from './internal/watchedActor.ts';
import {
  Watcher,
  type Appearance,
  type EndStatus,
  type Listener,
  type Message,
  type Step,
} from './internal/watcher.ts';
import type { Labels, Run, RunActor, RunEntry } from './run.ts';

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

/** Bounds of a recorder, and its time. Bounds are whole numbers from 0 on. */
export interface RecorderConfig {
  /** How many of the first entries of a run are kept. @default 200 */
  readonly firstEntries?: number;
  /** How many of the last entries of a run are kept. @default 2_000 */
  readonly lastEntries?: number;
  /** How many actors get a line of their own; the others share one. @default 1_000 */
  readonly maxActors?: number;
  /** How many machines are counted. @default 200 */
  readonly maxMachines?: number;
  /** How many characters of an event's type, an actor's name or a label are kept. @default 120 */
  readonly maxTextLength?: number;
  /**
   * Where time comes from, in ms: a clock of Lloom, one of XState such as `SimulatedClock`, or anything that tells it.
   * @default `performance.now()`, or `Date.now()` while Node's test runner replaces it, looked up at each step: a clock
   * that takes its place, such as fake timers, is followed, and goes on from the time of the last entry
   */
  readonly clock?: { elapsed(): number } | { now(): number };
  /**
   * What is said about an actor beside its name. It sees the context in which a machine begins, and nothing else does.
   * At most 8 texts of `maxTextLength` characters are kept, and what is `undefined` is passed over; when it throws, none.
   * @default nothing
   */
  readonly labelsOf?: (actor: LabelledActor) => Readonly<Record<string, unknown>> | undefined;
}

/** An actor that labels are asked for. */
export interface LabelledActor {
  readonly id: string;
  /** The machine's `id`; absent for other logic. */
  readonly machine?: string;
  /** What the machine begins with; absent for other logic. */
  readonly context?: Readonly<Record<string, unknown>>;
}

/** Notes what machines do. */
export interface Recorder {
  /** Give it to `createActor` or to a Lloom package as `inspect`. Never throws. */
  readonly inspect: (event: InspectionEvent) => void;
  /**
   * The same, with labels for every actor that it sees first, such as `{ node: 'alice' }`. What its parent is labelled
   * with goes before these, and what `labelsOf` says of the actor itself before both.
   */
  inspectAs(labels: Labels): (event: InspectionEvent) => void;
  /** What has been taken so far of a machine, and of every copy that `machine.provide()` made of it. */
  coverage(machine: AnyStateMachine): MachineCoverage;
  /** Counts a machine among those of the run although nothing may ever run it. */
  declare(machine: AnyStateMachine): void;
  /** What happened so far, as plain JSON. Recording goes on. */
  run(): Run;
}

/**
 * A recorder of runs: which transitions were taken, by which events, past which guards, and which never. Of a long
 * run it keeps the beginning and the end, and counts are exact all the same. It holds texts and numbers only, so it
 * keeps no actor alive.
 *
 * @throws {RangeError} when a bound is no whole number from 0 on
 * @example
 * ```ts
 * const recorder = createRecorder();
 * createActor(requestMachine, { input, inspect: recorder.inspect }).start();
 * recorder.coverage(requestMachine).missed; // ['awaiting request.cancel → failed', …]
 * recorder.run().entries; // [{ type: 'started', … }, { type: 'sent', … }, { type: 'taken', … }]
 * ```
 */
export function createRecorder(config: RecorderConfig = {}): Recorder {
  const recording = new Recording(config);
  const { watcher } = recording;
  return {
    inspect: (event) => watcher.inspect(event),
    inspectAs: (labels) => watcher.inspectAs(labels),
    coverage: (machine) => recording.coverage(machine),
    declare: (machine) => void watcher.machines.tallyOf(machine),
    run: () => recording.run(),
  };
}

const defaults = {
  firstEntries: 200,
  lastEntries: 2_000,
  maxActors: 1_000,
  maxMachines: 200,
  maxTextLength: 120,
};

/** An actor of the run; labels may come later. */
type Line = { -readonly [Name in keyof RunActor]: RunActor[Name] };
type Actor = WatchedActor<Line>;

class Recording implements Listener<Line> {
  readonly watcher: Watcher<Line>;
  readonly #maxActors: number;
  readonly #journal: Journal<RunEntry>;
  readonly #lines: Line[] = [];
  readonly #names = new Set<string>();
  /** How many actors have an id. */
  readonly #copies = new Map<string, number>();
  #droppedActors = 0;

  constructor(config: RecorderConfig) {
    const bounds = boundsOf(config, defaults);
    this.watcher = new Watcher(this, bounds, config);
    this.#maxActors = bounds.maxActors;
    this.#journal = new Journal(bounds);
  }

  coverage(machine: AnyStateMachine): MachineCoverage {
    const all = this.watcher.machines.find(machine).allTransitions();
    const missed = all.filter(({ taken }) => taken === 0).map(({ name }) => name);
    return { machine: machine.id, total: all.length, taken: all.length - missed.length, missed };
  }

  run(): Run {
    const entries = this.#journal.toArray();
    const nowMs = this.#journal.total === 0 ? 0 : this.watcher.nowMs();
    return {
      actors: this.#lines.map((line) => ({ ...line })),
      entries,
      dropped: {
        entries: this.#journal.total - entries.length,
        actors: this.#droppedActors,
        ...this.watcher.dropped,
      },
      machines: this.watcher.machines.all().map((tally) => tally.toRun(nowMs)),
      durationMs: nowMs,
    };
  }

  appeared({ id, tally, parent }: Appearance<Line>): Line {
    if (this.#lines.length >= this.#maxActors) {
      this.#droppedActors += 1;
      return (this.#lines[this.#maxActors] ??= {
        index: this.#maxActors,
        name: '(others)',
        id: '(others)',
        kind: 'actor',
      });
    }
    const line: Line = {
      index: this.#lines.length,
      name: this.#unusedName(id),
      id,
      kind: tally === undefined ? 'actor' : 'machine',
      ...(tally !== undefined && { machine: tally.chart.id, shape: tally.chart.shape }),
      ...(parent !== undefined && { parent: parent.index }),
    };
    this.#lines.push(line);
    return line;
  }

  labelled(line: Line, labels: Labels): void {
    // Those who share a line have nothing in common.
    if (line.index < this.#maxActors) line.labels = labels;
  }

  started({ kept }: Actor, entered: readonly StateTally[], atMs: number): void {
    for (const state of entered) enter(state, atMs);
    this.#journal.add({ type: 'started', ...this.#base(atMs), actor: kept.index, entered: pathsOf(entered) });
  }

  sent({ from, to, event }: Message<Line>, atMs: number): void {
    const sent = { type: 'sent' as const, sequence: this.#journal.total, atMs };
    if (from === undefined) this.#journal.add({ ...sent, to: to.kept.index, event });
    else this.#journal.add({ ...sent, from: from.kept.index, to: to.kept.index, event });
  }

  stepped({ kept, hasEnded }: Actor, step: Step, atMs: number): void {
    const { event, taken } = step;
    const [sequence, actor] = [this.#journal.total, kept.index];
    const refused = step.refused.map(({ tally }) => tally.name);
    if (taken.length === 0) {
      this.#journal.add({ type: 'ignored', sequence, atMs, actor, event, refused, ended: hasEnded });
      return;
    }
    for (const state of step.left) leave(state, atMs);
    for (const state of step.entered) enter(state, atMs);
    this.#journal.add({
      type: 'taken',
      sequence,
      atMs,
      actor,
      event,
      always: step.isAlways,
      transitions: taken.map(({ tally }) => tally.name),
      keys: taken.map(({ tally }) => tally.key),
      refused,
      entered: pathsOf(step.entered),
    });
  }

  ended(actor: Actor, status: EndStatus, atMs: number): void {
    for (const state of this.watcher.statesOf(actor)) leave(state, atMs);
    this.#journal.add({ type: 'stopped', ...this.#base(atMs), actor: actor.kept.index, status });
  }

  #unusedName(id: string): string {
    let copy = (this.#copies.get(id) ?? 0) + 1;
    let name = copy === 1 ? id : `${id} ${copy}`;
    while (this.#names.has(name)) name = `${id} ${++copy}`;
    this.#names.add(name);
    this.#copies.set(id, copy);
    return name;
  }

  #base(atMs: number): { sequence: number; atMs: number } {
    return { sequence: this.#journal.total, atMs };
  }
}

function pathsOf(states: readonly StateTally[]): string[] {
  return states.map(({ path }) => path).filter((path) => path !== '');
}
