import type { LabelledActor, RecorderConfig } from '../recorder.ts';
import type { Labels } from '../run.ts';

const maxLabels = 8;

/** What is said about an actor nothing is said about. */
export const noLabels: Labels = Object.freeze({});

/** How labels are made. */
interface LabelRules {
  readonly labelsOf: RecorderConfig['labelsOf'];
  readonly cut: (text: string) => string;
}

/** Makes labels of what programs say, whatever that is. */
export class Labeller {
  readonly #rules: LabelRules;
  /** Labels beyond the bound, and what is no text. */
  dropped = 0;

  constructor(rules: LabelRules) {
    this.#rules = rules;
  }

  /** A copy within bounds. Never throws. */
  keep(labels: unknown): Labels {
    return this.#join(this.#entriesOf(labels));
  }

  /** The labels of one actor: its own, those of its parent, and those that all are given. Never throws. */
  of(actor: LabelledActor, { given, inherited }: { given: Labels; inherited: Labels }): Labels {
    const own = this.#entriesOf(this.#ask(actor));
    if (own.length === 0 && inherited === noLabels) return given;
    if (own.length === 0 && (given === noLabels || given === inherited)) return inherited;
    return this.#join([...own, ...Object.entries(inherited), ...Object.entries(given)]);
  }

  #ask(actor: LabelledActor): unknown {
    try {
      return this.#rules.labelsOf?.(actor);
    } catch {
      return undefined;
    }
  }

  #entriesOf(labels: unknown): [string, string][] {
    const { cut } = this.#rules;
    const entries: [string, string][] = [];
    try {
      if (typeof labels !== 'object' || labels === null) return entries;
      const names = Object.keys(labels);
      this.dropped += Math.max(0, names.length - maxLabels);
      for (const name of names.slice(0, maxLabels)) {
        const value: unknown = Reflect.get(labels, name);
        if (typeof value === 'string') entries.push([cut(name), cut(value)]);
        else if (value !== undefined) this.dropped += 1;
      }
    } catch {
      // An object that cannot be read.
      this.dropped += 1;
    }
    return entries;
  }

  /** Of equal names the first one counts; what was said first is kept first. */
  #join(entries: readonly [string, string][]): Labels {
    const joined = new Map<string, string>();
    for (const [name, value] of entries) {
      if (joined.has(name)) continue;
      if (joined.size < maxLabels) joined.set(name, value);
      else this.dropped += 1;
    }
    return joined.size === 0 ? noLabels : Object.freeze(Object.fromEntries(joined));
  }
}
