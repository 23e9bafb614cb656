import type { AnyActorRef, AnyStateMachine, AnyStateNode, InspectionEvent } from 'xstate';
import { Journal } from './internal/journal.ts';
import { MachineTally, rounded, type StateTally } from './internal/machineTally.ts';
import { FactBook, isBelow, type TransitionFacts } from './internal/nodeFacts.ts';
import { refusedAlways, refusedByEvent } from './internal/refusals.ts';
import { Timeline } from './internal/timeline.ts';
import { initialNodes, machineOf, nodesOf, sourceName, type WatchedActor } from './internal/watchedActor.ts';
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

/** Bounds of a recorder, and its time. */
export interface RecorderConfig {
  /** How many of the first entries of a run are kept. @default 200 */
  readonly firstEntries?: number;
  /** How many of the last entries of a run are kept. @default 2_000 */
  readonly lastEntries?: number;
  /** How many actors get a line of their own; the others share one. @default 1_000 */
  readonly maxActors?: number;
  /** How many machines are counted. @default 200 */
  readonly maxMachines?: number;
  /** How many characters of an event's type or an actor's name are kept. @default 120 */
  readonly maxTextLength?: number;
  /**
   * Where time comes from, in ms. @default `performance.now()`, looked up at each step: a clock that replaces it is
   * followed, and goes on from the time of the last entry
   */
  readonly clock?: { elapsed(): number };
  /**
   * What is said about an actor beside its name. It sees the context in which a machine begins, and nothing else does.
   * At most 8 labels of `maxTextLength` characters are kept; when it throws, none. @default nothing
   */
  readonly labelsOf?: (actor: LabelledActor) => Labels | undefined;
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
  return {
    inspect: (event) => recording.inspect(event),
    coverage: (machine) => recording.coverage(machine),
    declare: (machine) => void recording.tallyOf(machine),
    run: () => recording.run(),
  };
}

type Microstep = Extract<InspectionEvent, { type: '@xstate.microstep' }>;
type Status = 'done' | 'error' | 'stopped';

class Recording {
  readonly #config: Required<Omit<RecorderConfig, 'clock'>>;
  readonly #timeline: Timeline;
  readonly #facts = new FactBook();
  readonly #journal: Journal<RunEntry>;
  // Copies made by `provide` share their configuration object, so it names the machine.
  readonly #tallies = new WeakMap<object, MachineTally>();
  readonly #listed: MachineTally[] = [];
  readonly #actors = new WeakMap<AnyActorRef, WatchedActor>();
  readonly #lines: RunActor[] = [];
  readonly #names = new Set<string>();
  /** How many actors have an id. */
  readonly #copies = new Map<string, number>();
  /** States that actors are in now. */
  readonly #open = new Set<WatchedActor['open']>();
  readonly #dropped = { actors: 0, machines: 0, reports: 0 };

  constructor({ clock, ...bounds }: RecorderConfig) {
    this.#config = {
      firstEntries: 200,
      lastEntries: 2_000,
      maxActors: 1_000,
      maxMachines: 200,
      maxTextLength: 120,
      ...bounds,
    };
    this.#timeline = new Timeline(clock);
    this.#journal = new Journal(this.#config);
  }

  inspect(event: InspectionEvent): void {
    // A report that throws would stop the machine that makes it.
    try {
      switch (event.type) {
        case '@xstate.event':
          this.#noteEvent(event);
          return;
        case '@xstate.microstep':
          this.#noteStep(event);
          return;
        case '@xstate.snapshot':
          this.#noteRest(event);
          return;
        case '@xstate.actor':
        case '@xstate.action':
        case '@xstate.transition':
          return;
      }
    } catch {
      this.#dropped.reports += 1;
    }
  }

  tallyOf(machine: AnyStateMachine): MachineTally {
    const known = this.#tallies.get(machine.config);
    if (known !== undefined) return known;
    const tally = new MachineTally(machine);
    this.#tallies.set(machine.config, tally);
    if (this.#listed.length < this.#config.maxMachines) this.#listed.push(tally);
    else this.#dropped.machines += 1;
    return tally;
  }

  coverage(machine: AnyStateMachine): MachineCoverage {
    const tally = this.#tallies.get(machine.config) ?? new MachineTally(machine);
    const all = tally.allTransitions();
    const missed = all.filter(({ taken }) => taken === 0).map(({ name }) => name);
    return { machine: machine.id, total: all.length, taken: all.length - missed.length, missed };
  }

  run(): Run {
    const entries = this.#journal.toArray();
    const nowMs = this.#journal.total === 0 ? 0 : rounded(this.#timeline.read());
    const openMs = new Map<StateTally, number>();
    for (const open of this.#open) {
      for (const [state, since] of open) openMs.set(state, (openMs.get(state) ?? 0) + nowMs - since);
    }
    return {
      actors: this.#lines.map((line) => ({ ...line })),
      entries,
      dropped: { entries: this.#journal.total - entries.length, ...this.#dropped },
      machines: this.#listed.map((tally) => tally.toRun(openMs)),
      durationMs: nowMs,
    };
  }

  #noteEvent(report: Extract<InspectionEvent, { type: '@xstate.event' }>): void {
    const target = this.#watch(report.actorRef as AnyActorRef);
    const { type } = report.event;
    if (type === 'xstate.init') {
      this.#start(target, report.actorRef as AnyActorRef);
      return;
    }
    // How a promise or an observable tells itself that it is done is not a message between actors.
    if (report.sourceRef === report.actorRef && target.tally === undefined && type.startsWith('xstate.'))
      return;
    const source = report.sourceRef === undefined ? undefined : this.#watch(report.sourceRef as AnyActorRef);
    const from = source === undefined ? {} : { from: source.line.index };
    const event = this.#cut(type);
    this.#add({ type: 'sent', ...this.#at(), ...from, to: target.line.index, event });
    if (source !== undefined && type.startsWith('xstate.done.actor.')) this.#end(source, 'done');
    if (source !== undefined && type.startsWith('xstate.error.actor.')) this.#end(source, 'error');
    if (target.hasEnded) {
      this.#add({
        type: 'ignored',
        ...this.#at(),
        actor: target.line.index,
        event,
        refused: [],
        ended: true,
      });
    }
  }

  #noteStep(report: Microstep): void {
    const ref = report.actorRef as AnyActorRef;
    const actor = this.#watch(ref);
    const { tally } = actor;
    if (tally === undefined) return;
    const { event, _transitions: transitions } = report;
    const { status, _nodes } = report.snapshot as unknown as {
      readonly status: string;
      readonly _nodes: readonly AnyStateNode[];
    };
    if (!actor.hasStarted) this.#start(actor, ref);
    const always = transitions[0]?.eventType === '';
    const step = { tally, nodes: actor.nodes, taken: transitions };
    if (!always && actor.isStepping) this.#count(refusedAlways(this.#facts, { ...step, taken: [] }));
    actor.isStepping = true;
    const isEnd = event.type === 'xstate.stop' || (transitions.length === 0 && status !== 'active');
    if (!isEnd) {
      const refused = this.#count(
        always ? refusedAlways(this.#facts, step) : refusedByEvent(this.#facts, step, event.type),
      );
      const base = { ...this.#at(), actor: actor.line.index, event: this.#cut(event.type), refused };
      if (transitions.length === 0) this.#add({ type: 'ignored', ...base, ended: false });
      else {
        const taken = transitions.map((transition) => this.#facts.transition(tally, transition));
        for (const each of taken) each.tally.taken += 1;
        const entered = this.#move(actor, { taken, nodes: _nodes, atMs: base.atMs });
        this.#add({
          type: 'taken',
          ...base,
          always,
          transitions: taken.map((each) => each.tally.name),
          entered,
        });
      }
    }
    if (status !== 'active') this.#end(actor, status as Status);
  }

  /** A machine came to rest, or another actor has news. */
  #noteRest(report: Extract<InspectionEvent, { type: '@xstate.snapshot' }>): void {
    const actor = this.#watch(report.actorRef as AnyActorRef);
    const { status } = report.snapshot;
    const { tally, nodes } = actor;
    actor.isStepping = false;
    if (status !== 'active') this.#end(actor, status);
    else if (tally !== undefined) this.#count(refusedAlways(this.#facts, { tally, nodes, taken: [] }));
  }

  #start(actor: WatchedActor, ref: AnyActorRef): void {
    const { tally, line } = actor;
    if (actor.hasStarted) return;
    actor.hasStarted = true;
    const base = { ...this.#at(), actor: line.index };
    if (tally !== undefined) {
      actor.nodes = nodesOf(ref) ?? initialNodes((machineOf(ref) as AnyStateMachine).root);
      this.#enter(actor, actor.nodes, base.atMs);
    }
    const entered = tally === undefined ? [] : this.#pathsOf(tally, actor.nodes);
    this.#add({ type: 'started', ...base, entered });
  }

  #end(actor: WatchedActor, status: Status): void {
    if (actor.hasEnded) return;
    actor.hasEnded = true;
    const base = this.#at();
    for (const [state, since] of actor.open) state.durationMs += base.atMs - since;
    actor.open.clear();
    this.#open.delete(actor.open);
    if (actor.hasStarted) this.#add({ type: 'stopped', ...base, actor: actor.line.index, status });
  }

  /** Leaves and enters states; gives back the paths of those that were entered. */
  #move(
    actor: WatchedActor,
    step: { taken: readonly TransitionFacts[]; nodes: readonly AnyStateNode[]; atMs: number },
  ): string[] {
    const { tally, nodes: before } = actor;
    if (tally === undefined) return [];
    const isRenewed = (node: AnyStateNode): boolean =>
      step.taken.some(
        ({ domain, transition }) =>
          domain !== undefined &&
          (isBelow(node, domain) || (transition.reenter && node === transition.source)),
      );
    for (const node of before) {
      if (step.nodes.includes(node) && !isRenewed(node)) continue;
      const { tally: state } = this.#facts.node(tally, node);
      state.durationMs += step.atMs - (actor.open.get(state) ?? step.atMs);
      actor.open.delete(state);
    }
    const entered = step.nodes.filter((node) => !before.includes(node) || isRenewed(node));
    actor.nodes = step.nodes;
    this.#enter(actor, entered, step.atMs);
    return this.#pathsOf(tally, entered);
  }

  #enter({ tally, open }: WatchedActor, nodes: readonly AnyStateNode[], atMs: number): void {
    if (tally === undefined) return;
    for (const node of nodes) {
      const { tally: state } = this.#facts.node(tally, node);
      state.visits += 1;
      open.set(state, atMs);
    }
  }

  #pathsOf(tally: MachineTally, nodes: readonly AnyStateNode[]): string[] {
    const inOrder = nodes.toSorted((a, b) => a.order - b.order);
    return inOrder.map((node) => this.#facts.node(tally, node).tally.path).filter((path) => path !== '');
  }

  #count(refused: readonly TransitionFacts[]): string[] {
    for (const { tally } of refused) tally.refused += 1;
    return refused.map(({ tally }) => tally.name);
  }

  #watch(ref: AnyActorRef): WatchedActor {
    const known = this.#actors.get(ref);
    if (known !== undefined) return known;
    const machine = machineOf(ref);
    const tally = machine === undefined ? undefined : this.tallyOf(machine);
    const actor: WatchedActor = {
      line: this.#lineOf(ref, machine),
      tally,
      open: new Map(),
      nodes: [],
      hasStarted: false,
      hasEnded: false,
      isStepping: false,
    };
    this.#actors.set(ref, actor);
    if (tally !== undefined && this.#open.size < this.#config.maxActors) this.#open.add(actor.open);
    return actor;
  }

  #lineOf(ref: AnyActorRef, machine: AnyStateMachine | undefined): RunActor {
    const { maxActors } = this.#config;
    // First of all, since it may take the last line.
    const parent = ref._parent === undefined ? undefined : this.#watch(ref._parent).line.index;
    if (this.#lines.length >= maxActors) {
      this.#dropped.actors += 1;
      this.#lines[maxActors] ??= { index: maxActors, name: '(others)', id: '(others)', kind: 'actor' };
      return this.#lines[maxActors];
    }
    // A session id counts all actors of the process: it says nothing to a reader and differs from run to run.
    const isNamed = ref.id !== ref.sessionId;
    const id = this.#cut(isNamed ? ref.id : (machine?.id ?? sourceName(ref) ?? 'actor'));
    const line: RunActor = {
      index: this.#lines.length,
      name: this.#unusedName(id),
      id,
      kind: machine === undefined ? 'actor' : 'machine',
      ...(machine !== undefined && { machine: this.#cut(machine.id) }),
      ...(parent !== undefined && { parent }),
    };
    this.#lines.push(line);
    return line;
  }

  #unusedName(id: string): string {
    let copy = (this.#copies.get(id) ?? 0) + 1;
    let name = copy === 1 ? id : `${id} ${copy}`;
    while (this.#names.has(name)) name = `${id} ${++copy}`;
    this.#names.add(name);
    this.#copies.set(id, copy);
    return name;
  }

  #add(entry: RunEntry): void {
    this.#journal.add(entry);
  }

  #at(): { sequence: number; atMs: number } {
    return { sequence: this.#journal.total, atMs: rounded(this.#timeline.read()) };
  }

  #cut(text: unknown): string {
    const { maxTextLength } = this.#config;
    const whole = String(text);
    return whole.length <= maxTextLength ? whole : `${whole.slice(0, maxTextLength - 1)}…`;
  }
}
