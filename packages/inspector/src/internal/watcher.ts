import type { AnyActorRef, AnyStateNode, InspectionEvent } from 'xstate';
import type { RecorderConfig } from '../recorder.ts';
import type { Labels } from '../run.ts';
import { Labeller, noLabels } from './labels.ts';
import { MachineBook } from './machineBook.ts';
import { rounded, type MachineTally, type StateTally } from './machineTally.ts';
import { FactBook, isBelow, type TransitionFacts } from './nodeFacts.ts';
import { refusedAlways, refusedByEvent } from './refusals.ts';
import { Timeline } from './timeline.ts';
import { initialNodes, lookAt, machineOf, sourceName, type WatchedActor } from './watchedActor.ts';

/** An actor that is seen for the first time. */
export interface Appearance<Kept> {
  /** The `id` it was given, or the name of its logic. */
  readonly id: string;
  /** That of its machine, if it runs one. */
  readonly tally: MachineTally | undefined;
  readonly parent: Kept | undefined;
  /** The actor itself, which nobody may keep. */
  readonly ref: object;
}

/** An event on its way. */
export interface Message<Kept> {
  /** Absent for an event from outside. */
  readonly from: WatchedActor<Kept> | undefined;
  readonly to: WatchedActor<Kept>;
  /** The event's type. */
  readonly event: string;
}

/** One step of a machine: the event was ignored when nothing was taken. */
export interface Step {
  readonly event: string;
  /** Whether nothing but a guard decided. */
  readonly isAlways: boolean;
  readonly taken: readonly TransitionFacts[];
  /** Those that were tried before, and whose guard said no. */
  readonly refused: readonly TransitionFacts[];
  readonly left: readonly StateTally[];
  /** Outer ones first. */
  readonly entered: readonly StateTally[];
}

/** How an actor ended. */
export type EndStatus = 'done' | 'error' | 'stopped';

/** Who is told what actors do, in the order in which they do it. All times are in ms since the first report. */
export interface Listener<Kept> {
  /** Gives back what is kept about the actor. */
  appeared(actor: Appearance<Kept>): Kept;
  labelled(kept: Kept, labels: Labels): void;
  /** It began in these states, outer ones first. */
  started(actor: WatchedActor<Kept>, entered: readonly StateTally[], atMs: number): void;
  sent(message: Message<Kept>, atMs: number): void;
  /** An actor that has ended takes no step: then an event came too late. */
  stepped(actor: WatchedActor<Kept>, step: Step, atMs: number): void;
  ended(actor: WatchedActor<Kept>, status: EndStatus, atMs: number): void;
}

type Report<Type extends InspectionEvent['type']> = Extract<InspectionEvent, { type: Type }>;

const none: readonly never[] = [];
const nowhere = { left: none, entered: none };

/** Reads what XState reports of actors, and counts what their machines take and refuse. Keeps no actor alive. */
export class Watcher<Kept> {
  readonly machines: MachineBook;
  readonly #listener: Listener<Kept>;
  readonly #timeline: Timeline;
  readonly #labeller: Labeller;
  readonly #maxTextLength: number;
  readonly #facts = new FactBook();
  readonly #actors = new WeakMap<AnyActorRef, WatchedActor<Kept>>();
  #unreadReports = 0;

  constructor(
    listener: Listener<Kept>,
    bounds: { readonly maxMachines: number; readonly maxTextLength: number },
    { clock, labelsOf }: Pick<RecorderConfig, 'clock' | 'labelsOf'>,
  ) {
    this.#listener = listener;
    this.#maxTextLength = bounds.maxTextLength;
    this.machines = new MachineBook(bounds.maxMachines);
    this.#timeline = new Timeline(clock);
    this.#labeller = new Labeller({ labelsOf, cut: (text) => this.#cut(text) });
  }

  /** What is missing because a bound was reached, or because it made no sense. */
  get dropped(): { machines: number; reports: number; labels: number } {
    const { machines, reports } = { machines: this.machines.dropped, reports: this.#unreadReports };
    return { machines, reports, labels: this.#labeller.dropped };
  }

  nowMs(): number {
    return rounded(this.#timeline.read());
  }

  /** An `inspect` whose actors get labels. */
  inspectAs(labels: Labels): (event: InspectionEvent) => void {
    const given = this.#labeller.keep(labels);
    return (event) => this.inspect(event, given);
  }

  inspect(event: InspectionEvent, given: Labels = noLabels): void {
    // A report that throws would stop the machine that makes it.
    try {
      switch (event.type) {
        case '@xstate.event':
          this.#noteEvent(event, given);
          return;
        case '@xstate.microstep':
          this.#noteStep(event, given);
          return;
        case '@xstate.snapshot':
          this.#noteRest(event, given);
          return;
        case '@xstate.actor':
        case '@xstate.action':
        case '@xstate.transition':
          return;
      }
    } catch {
      this.#unreadReports += 1;
    }
  }

  /** The states that an actor is in, outer ones first. */
  statesOf({ tally, nodes }: WatchedActor<Kept>): StateTally[] {
    return tally === undefined ? [] : this.#talliesOf(tally, nodes);
  }

  #noteEvent(report: Report<'@xstate.event'>, given: Labels): void {
    const ref = report.actorRef as AnyActorRef;
    const target = this.#watch(ref, given);
    const { type } = report.event;
    if (type === 'xstate.init') {
      if (target.labels === undefined) this.#label(target, ref, given);
      this.#start(target, ref);
      return;
    }
    // How a promise or an observable tells itself that it is done is not a message between actors.
    if (report.sourceRef === ref && target.tally === undefined && type.startsWith('xstate.')) return;
    const sourceRef = report.sourceRef as AnyActorRef | undefined;
    const source = sourceRef === undefined ? undefined : this.#watch(sourceRef, given);
    const event = this.#cut(type);
    const atMs = this.nowMs();
    // One whose action threw has ended without a word.
    this.#endIfOver(target, ref, atMs);
    this.#listener.sent({ from: source, to: target, event }, atMs);
    if (sourceRef !== undefined && source !== undefined && source !== target) {
      this.#endIfOver(source, sourceRef, atMs);
    }
    if (!target.hasEnded) return;
    this.#listener.stepped(target, { event, isAlways: false, taken: none, refused: none, ...nowhere }, atMs);
  }

  #noteStep(report: Report<'@xstate.microstep'>, given: Labels): void {
    const ref = report.actorRef as AnyActorRef;
    const actor = this.#watch(ref, given);
    const { tally } = actor;
    if (tally === undefined || actor.hasEnded) return;
    const { event, _transitions: transitions } = report;
    const { status, _nodes } = report.snapshot as unknown as {
      readonly status: string;
      readonly _nodes: readonly AnyStateNode[];
    };
    if (!actor.hasStarted) this.#start(actor, ref);
    const isAlways = transitions[0]?.eventType === '';
    const before = { tally, nodes: actor.nodes, taken: transitions };
    if (!isAlways && actor.isStepping) count(refusedAlways(this.#facts, { ...before, taken: none }));
    actor.isStepping = true;
    const atMs = this.nowMs();
    const isEnd = event.type === 'xstate.stop' || (transitions.length === 0 && status !== 'active');
    if (!isEnd) {
      const refused = isAlways
        ? refusedAlways(this.#facts, before)
        : refusedByEvent(this.#facts, before, event.type);
      count(refused);
      const taken = transitions.map((transition) => this.#facts.transition(tally, transition));
      for (const each of taken) each.tally.taken += 1;
      const { left, entered } = taken.length === 0 ? nowhere : this.#move(actor, taken, _nodes);
      const step = { event: this.#cut(event.type), isAlways, taken, refused, left, entered };
      this.#listener.stepped(actor, step, atMs);
    }
    if (status !== 'active') this.#end(actor, status, atMs);
  }

  /** A machine came to rest, or another actor has news. */
  #noteRest(report: Report<'@xstate.snapshot'>, given: Labels): void {
    const actor = this.#watch(report.actorRef as AnyActorRef, given);
    const { status } = report.snapshot;
    const { tally, nodes } = actor;
    actor.isStepping = false;
    if (status !== 'active') this.#end(actor, status, this.nowMs());
    else if (tally !== undefined) count(refusedAlways(this.#facts, { tally, nodes, taken: none }));
  }

  #start(actor: WatchedActor<Kept>, ref: AnyActorRef): void {
    if (actor.hasStarted) return;
    actor.hasStarted = true;
    const machine = actor.tally === undefined ? undefined : machineOf(ref);
    if (machine !== undefined) actor.nodes = lookAt(ref)?._nodes ?? initialNodes(machine.root);
    this.#listener.started(actor, this.statesOf(actor), this.nowMs());
  }

  #endIfOver(actor: WatchedActor<Kept>, ref: AnyActorRef, atMs: number): void {
    if (actor.hasStarted && !actor.hasEnded) this.#end(actor, lookAt(ref)?.status, atMs);
  }

  #end(actor: WatchedActor<Kept>, status: unknown, atMs: number): void {
    if (actor.hasEnded || (status !== 'done' && status !== 'error' && status !== 'stopped')) return;
    // Nothing ends that did not begin.
    if (actor.hasStarted) this.#listener.ended(actor, status, atMs);
    actor.hasEnded = true;
  }

  /** Leaves and enters states. */
  #move(
    actor: WatchedActor<Kept>,
    taken: readonly TransitionFacts[],
    after: readonly AnyStateNode[],
  ): Pick<Step, 'left' | 'entered'> {
    const { tally, nodes: before } = actor;
    if (tally === undefined) return nowhere;
    const left = before.filter((node) => !after.includes(node) || isRenewed(node, taken));
    const entered = after.filter((node) => !before.includes(node) || isRenewed(node, taken));
    actor.nodes = after;
    return { left: this.#talliesOf(tally, left), entered: this.#talliesOf(tally, entered) };
  }

  #talliesOf(tally: MachineTally, nodes: readonly AnyStateNode[]): StateTally[] {
    const inOrder = nodes.length > 1 ? nodes.toSorted((a, b) => a.order - b.order) : nodes;
    return inOrder.map((node) => this.#facts.node(tally, node).tally);
  }

  #watch(ref: AnyActorRef, given: Labels): WatchedActor<Kept> {
    const known = this.#actors.get(ref);
    if (known !== undefined) return known;
    const parentRef = ref._parent;
    const parent = parentRef === undefined ? undefined : this.#watch(parentRef, given);
    const machine = machineOf(ref);
    const tally = machine === undefined ? undefined : this.machines.tallyOf(machine);
    // A session id counts all actors of the process: it says nothing to a reader and differs from run to run.
    const isNamed = ref.id !== ref.sessionId;
    const id = this.#cut(isNamed ? ref.id : (machine?.id ?? sourceName(ref) ?? 'actor'));
    const actor: WatchedActor<Kept> = {
      kept: this.#listener.appeared({ id, tally, parent: parent?.kept, ref }),
      tally,
      labels: undefined,
      nodes: none,
      hasStarted: false,
      hasEnded: false,
      isStepping: false,
    };
    this.#actors.set(ref, actor);
    this.#label(actor, ref, given);
    return actor;
  }

  /** An actor that is being made has no context yet: it is asked about when it starts. */
  #label(actor: WatchedActor<Kept>, ref: AnyActorRef, given: Labels): void {
    const parentRef = ref._parent;
    const inherited = (parentRef && this.#actors.get(parentRef)?.labels) ?? noLabels;
    const look = lookAt(ref);
    if (look === undefined) return;
    const machine = actor.tally && { machine: actor.tally.chart.id, context: look.context ?? {} };
    actor.labels = this.#labeller.of({ id: ref.id, ...machine }, { given, inherited });
    if (actor.labels !== noLabels) this.#listener.labelled(actor.kept, actor.labels);
  }

  #cut(text: unknown): string {
    const whole = String(text);
    return whole.length <= this.#maxTextLength ? whole : `${whole.slice(0, this.#maxTextLength - 1)}…`;
  }
}

/** Whether a state that an actor is in before and after was left and entered again. */
function isRenewed(node: AnyStateNode, taken: readonly TransitionFacts[]): boolean {
  return taken.some(
    ({ domain, transition }) =>
      domain !== undefined && (isBelow(node, domain) || (transition.reenter && node === transition.source)),
  );
}

function count(refused: readonly TransitionFacts[]): void {
  for (const { tally } of refused) tally.refused += 1;
}
