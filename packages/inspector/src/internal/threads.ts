import type { Lanes } from './lanes.ts';

/** Where a state of an actor is drawn: the middle of it, and half of its width, in px. */
export interface Mark {
  readonly x: number;
  readonly y: number;
  readonly halfPx: number;
}

/** All that was drawn of one thing. */
interface Thread {
  /** The lane in which it was seen first, and the machines that it had there. */
  readonly lane: number;
  readonly machines: Set<string | undefined>;
  /** What was drawn last, by lane. */
  readonly last: Map<number, Mark>;
}

/** Follows a thing through lanes of labels: a request is the same one where it is asked and where it is answered. */
export class Threads {
  readonly #plan: Lanes;
  readonly #threads = new Map<string, Thread>();

  constructor(plan: Lanes) {
    this.#plan = plan;
  }

  /** A state of an actor is drawn. */
  note(actor: number, mark: Mark): void {
    const found = this.#of(actor);
    if (found === undefined) return;
    const { thread, lane, machine } = found;
    if (thread.lane === lane) thread.machines.add(machine);
    thread.last.set(lane, mark);
  }

  /**
   * The first state of an actor is about to be drawn: where the thing comes from, when it comes from another lane. Parts that
   * each lane has, such as a machine `pool` of every node, are the same machine everywhere, and lead nowhere.
   */
  begin(actor: number): Mark | undefined {
    const found = this.#of(actor);
    if (found === undefined) return undefined;
    const { thread, lane, machine } = found;
    const source = thread.last.get(thread.lane);
    if (source === undefined || thread.lane === lane || thread.machines.has(machine)) return undefined;
    const here = thread.last.get(lane);
    return here === undefined || here.y < source.y ? source : undefined;
  }

  #of(index: number): { thread: Thread; lane: number; machine: string | undefined } | undefined {
    const { threadOf, laneOf } = this.#plan;
    const [part, lane] = [threadOf(index), laneOf(index)];
    if (part === undefined || lane === undefined) return undefined;
    const thread = this.#threads.get(part.id) ?? { lane, machines: new Set(), last: new Map() };
    this.#threads.set(part.id, thread);
    return { thread, lane, machine: part.machine };
  }
}
