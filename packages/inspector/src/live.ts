import type { InspectionEvent } from 'xstate';
import type { MachineChart } from './chart.ts';
import { boundsOf } from './internal/bounds.ts';
import { Changes } from './internal/changes.ts';
import type { MachineTally, StateTally } from './internal/machineTally.ts';
import type { WatchedActor } from './internal/watchedActor.ts';
import {
  Watcher,
  type Appearance,
  type EndStatus,
  type Listener,
  type Message,
  type Step,
} from './internal/watcher.ts';
import type { RecorderConfig } from './recorder.ts';
import type { DroppedParts, Labels } from './run.ts';

/** Bounds of a live view, and its time. Bounds are whole numbers from 0 on. */
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

/** One step of an actor, or several that ignored the same event one after the other. */
export interface LiveStep {
  /** ms since the first report; of several, that of the last one. */
  readonly atMs: number;
  /** How many steps they are: 1, unless the event was ignored. */
  readonly times: number;
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
  /**
   * The machine's `id`, with a number behind it when another machine has it already; `(others)` beyond
   * `maxMachines`; absent for other logic.
   */
  readonly machine?: string;
  /** The key of the actor that started it, which may not be kept any longer. */
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
  /** The last of them, the oldest first; an event that is ignored again and again takes one place. */
  readonly lastSteps: readonly LiveStep[];
}

/** What changed since somebody looked last. */
export interface LiveChanges {
  /** To be given to the next call of `changes`. It is the same for as long as nothing happens. */
  readonly version: number;
  readonly nowMs: number;
  /**
   * Whether `actors` are all that are kept: whoever reads forgets those it knew before. So it is without a version,
   * with one of another live view, and when more actors went since than are remembered.
   */
  readonly isWhole: boolean;
  /** Actors that are new or did something, as they stand; the one that did something last comes last. */
  readonly actors: readonly LiveActor[];
  /** Keys of actors that are not kept any longer, also of some that came and went since; none when `isWhole`. */
  readonly gone: readonly number[];
  /** Actors that live and are not followed, since there are too many. */
  readonly untold: number;
  /** What else is missing because a bound was reached. */
  readonly dropped: Pick<DroppedParts, 'machines' | 'reports' | 'labels'>;
}

/** How much one machine did, all its actors together. */
export interface LiveMachine {
  /** As actors name it. */
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
  /** All actors that are kept, or those that changed after a version: it costs as much as has changed. */
  changes(after?: number): LiveChanges;
  /** Every machine that was seen. */
  machines(): LiveMachine[];
  /** The chart of a machine that was seen. */
  chart(machine: string): MachineChart | undefined;
}

/**
 * Follows the machines of a program that goes on running, in bounded memory: which actors live, in which states, and
 * what they did last. It holds texts and numbers only, so it keeps no actor alive; one that nobody holds any longer
 * counts as stopped.
 *
 * @throws {RangeError} when a bound is no whole number from 0 on
 * @example
 * ```ts
 * const live = createLive();
 * createActor(requestMachine, { input, inspect: live.inspect }).start();
 * live.changes().actors; // [{ id: 'request', states: ['request', 'request.dialing'], … }]
 * ```
 */
export function createLive(config: LiveConfig = {}): LiveMachines {
  const view = new LiveView(config);
  const { watcher } = view;
  return {
    inspect: (event) => watcher.inspect(event),
    inspectAs: (labels) => watcher.inspectAs(labels),
    changes: (after) => view.changes(after),
    machines: () => view.machines(),
    chart: (machine) => view.chart(machine),
  };
}

const defaults = { maxActors: 2_000, maxEnded: 200, maxSteps: 20, maxMachines: 200, maxTextLength: 120 };

/** What machines beyond the bound are called. */
const others = '(others)';

/** How many actors of a machine there are, and where. */
interface Census {
  /** Unique in the view. */
  readonly name: string;
  readonly tally: MachineTally;
  started: number;
  living: number;
  readonly inStates: Map<string, number>;
}

/** What is kept about an actor: nothing that leads to it. */
interface Kept {
  readonly key: number;
  readonly id: string;
  readonly machine: string | undefined;
  readonly census: Census | undefined;
  readonly parent: number | undefined;
  labels: Labels | undefined;
  /** Whether it lives and there is no room for it. */
  isUntold: boolean;
  status: LiveActor['status'];
  states: readonly string[];
  startedMs: number | undefined;
  endedMs: number | undefined;
  steps: number;
  readonly lastSteps: LiveStep[];
}

type Actor = WatchedActor<Kept>;

class LiveView implements Listener<Kept> {
  readonly watcher: Watcher<Kept>;
  readonly #bounds: typeof defaults;
  /** Actors that are told of. */
  readonly #told: Changes<Kept>;
  /** Those of them that have ended, in the order in which they did. */
  readonly #ended = new Set<Kept>();
  readonly #census = new Map<MachineTally, Census>();
  readonly #collected = new FinalizationRegistry<Kept>((kept) => this.#end(kept, 'stopped'));
  #appeared = 0;
  #untold = 0;

  constructor(config: LiveConfig) {
    this.#bounds = boundsOf(config, defaults);
    this.watcher = new Watcher(this, this.#bounds, config);
    this.#told = new Changes(this.#bounds.maxActors + this.#bounds.maxEnded);
  }

  changes(after: number | undefined): LiveChanges {
    const { items, gone, isWhole } = this.#told.since(after);
    return {
      version: this.#told.version,
      nowMs: this.#told.version === 0 ? 0 : this.watcher.nowMs(),
      isWhole,
      actors: items.map((kept) => actorOf(kept)),
      gone,
      untold: this.#untold,
      dropped: this.watcher.dropped,
    };
  }

  machines(): LiveMachine[] {
    return [...this.#census.values()].map(({ name, tally, started, living, inStates }) => {
      const taken = tally.allTransitions().filter((transition) => transition.taken > 0);
      return {
        machine: name,
        living,
        started,
        inStates: Object.fromEntries(inStates),
        taken: Object.fromEntries(taken.map((transition) => [transition.key, transition.taken])),
      };
    });
  }

  chart(machine: string): MachineChart | undefined {
    return [...this.#census.values()].find(({ name }) => name === machine)?.tally.chart;
  }

  appeared({ id, tally, parent, ref }: Appearance<Kept>): Kept {
    const census = tally === undefined ? undefined : this.#censusOf(tally);
    const kept: Kept = {
      key: this.#appeared++,
      id,
      machine: tally === undefined ? undefined : (census?.name ?? others),
      census,
      parent: parent?.key,
      labels: undefined,
      isUntold: false,
      status: 'active',
      states: [],
      startedMs: undefined,
      endedMs: undefined,
      steps: 0,
      lastSteps: [],
    };
    this.#collected.register(ref, kept);
    return kept;
  }

  labelled(kept: Kept, labels: Labels): void {
    kept.labels = labels;
    if (this.#told.has(kept)) this.#told.touch(kept);
  }

  started({ kept }: Actor, entered: readonly StateTally[], atMs: number): void {
    if (kept.census !== undefined) {
      kept.census.started += 1;
      kept.census.living += 1;
    }
    this.#move(kept, entered);
    this.#follow(kept, atMs);
  }

  sent({ from }: Message<Kept>, atMs: number): void {
    // One that began before the view did.
    if (from !== undefined && !from.hasStarted && !from.hasEnded) this.#follow(from.kept, atMs);
  }

  stepped(actor: Actor, step: Step, atMs: number): void {
    const { kept, hasEnded } = actor;
    if (hasEnded) return;
    kept.steps += 1;
    if (step.left.length + step.entered.length > 0) this.#move(kept, this.watcher.statesOf(actor));
    this.#follow(kept, atMs);
    if (kept.isUntold) return;
    const { lastSteps } = kept;
    const last: LiveStep = {
      atMs,
      times: 1,
      event: step.event,
      transitions: step.taken.map(({ tally }) => tally.key),
      refused: step.refused.map(({ tally }) => tally.name),
    };
    const before = lastSteps.at(-1);
    if (before !== undefined && isIgnoredAgain(before, last)) {
      lastSteps[lastSteps.length - 1] = { ...last, times: before.times + 1 };
      return;
    }
    lastSteps.push(last);
    if (lastSteps.length > this.#bounds.maxSteps) lastSteps.shift();
  }

  ended({ kept }: Actor, status: EndStatus): void {
    this.#end(kept, status);
  }

  #end(kept: Kept, status: EndStatus): void {
    if (kept.status !== 'active') return;
    const { states, census } = kept;
    if (census !== undefined && kept.startedMs !== undefined) census.living -= 1;
    // It keeps the states that it was in at its end.
    this.#move(kept, []);
    Object.assign(kept, { status, states, endedMs: this.watcher.nowMs() });
    if (kept.isUntold) {
      kept.isUntold = false;
      this.#untold -= 1;
      this.#told.note();
    }
    if (!this.#told.has(kept)) return;
    this.#told.touch(kept);
    this.#ended.add(kept);
    const [oldest] = this.#ended.size > this.#bounds.maxEnded ? this.#ended : [];
    if (oldest === undefined) return;
    this.#ended.delete(oldest);
    this.#told.remove(oldest, oldest.key);
  }

  /** Tells of an actor if there is room for it. */
  #follow(kept: Kept, atMs: number): void {
    kept.startedMs ??= atMs;
    const hasRoom = this.#told.size - this.#ended.size < this.#bounds.maxActors;
    if (this.#told.has(kept) || hasRoom) {
      if (kept.isUntold) this.#untold -= 1;
      kept.isUntold = false;
      this.#told.touch(kept);
    } else if (!kept.isUntold) {
      kept.isUntold = true;
      this.#untold += 1;
      this.#told.note();
    }
  }

  #move(kept: Kept, states: readonly StateTally[]): void {
    const inStates = kept.census?.inStates;
    for (const id of kept.states) addTo(inStates, id, -1);
    kept.states = states.map(({ id }) => id);
    for (const id of kept.states) addTo(inStates, id, 1);
  }

  #censusOf(tally: MachineTally): Census | undefined {
    const known = this.#census.get(tally);
    if (known !== undefined || !this.watcher.machines.lists(tally)) return known;
    const { id } = tally.chart;
    const names = new Set([others, ...[...this.#census.values()].map(({ name }) => name)]);
    let name = id;
    for (let copy = 2; names.has(name); copy++) name = `${id} (${copy})`;
    const census: Census = { name, tally, started: 0, living: 0, inStates: new Map() };
    this.#census.set(tally, census);
    return census;
  }
}

/** A stream of events that a machine has no use for must not push out what it did before. */
function isIgnoredAgain(before: LiveStep, last: LiveStep): boolean {
  const { event, refused } = before;
  return (
    before.transitions.length + last.transitions.length === 0 &&
    event === last.event &&
    refused.length === last.refused.length &&
    refused.every((name, index) => name === last.refused[index])
  );
}

function addTo(inStates: Census['inStates'] | undefined, id: string, change: number): void {
  const count = (inStates?.get(id) ?? 0) + change;
  if (count === 0) inStates?.delete(id);
  else inStates?.set(id, count);
}

function actorOf(kept: Kept): LiveActor {
  const { key, id, machine, parent, labels, status, states, startedMs = 0, endedMs, steps, lastSteps } = kept;
  return {
    key,
    id,
    ...(machine !== undefined && { machine }),
    ...(parent !== undefined && { parent }),
    ...(labels !== undefined && { labels }),
    status,
    states,
    startedMs,
    ...(endedMs !== undefined && { endedMs }),
    steps,
    lastSteps: [...lastSteps],
  };
}
