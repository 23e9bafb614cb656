import type { TimelineEvent } from '../report/types.ts';
import type { SimNode } from './simNode.ts';

const maxEvents = 2_000;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What is written down. */
export interface NewEvent extends Pick<TimelineEvent, 'kind' | 'text'> {
  readonly nodes?: readonly SimNode[];
  /** When it begins, in ms, unless it does so now. */
  readonly fromMs?: number;
  /** When it is over, in ms, when that is known. */
  readonly untilMs?: number;
}

/** What was done to a network, in order. */
export class Timeline {
  readonly #elapsed: () => number;
  readonly #events: Writable<TimelineEvent>[] = [];
  #leftOut = 0;

  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** Everything, oldest first; what is beyond 2,000 is only counted. */
  get events(): readonly TimelineEvent[] {
    return this.#events.map((event) => ({ ...event })).toSorted((a, b) => a.atMs - b.atMs);
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  /** Writes something down; gives what says that it is over. */
  note({ kind, text, nodes = [], fromMs = 0, untilMs = Number.MAX_SAFE_INTEGER }: NewEvent): () => void {
    if (this.#events.length >= maxEvents) {
      this.#leftOut += 1;
      return () => undefined;
    }
    const event: Writable<TimelineEvent> = {
      ...{ atMs: Math.max(fromMs, this.#elapsed()), kind, text },
      nodes: nodes.map(({ name }) => name),
      ...(untilMs < Number.MAX_SAFE_INTEGER && { untilMs }),
    };
    this.#events.push(event);
    return () => {
      const endsAtMs = Math.max(event.atMs, this.#elapsed());
      event.untilMs = Math.min(event.untilMs ?? Infinity, endsAtMs);
    };
  }
}

/** Some names, for a line. */
export function namesOf(nodes: readonly SimNode[]): string {
  const names = nodes.slice(0, 8).map(({ name }) => name);
  return names.join(', ') + (nodes.length > names.length ? ` and ${nodes.length - names.length} more` : '');
}
