import { errorText } from '@lloom/core';
import type { Property, Trace } from '@lloom/simkit';

/** SHA-256 of nothing. */
const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const maxNotes = 1_000;

/** The trace of a network that is still to come: what is noted until then is its beginning. */
export class LateTrace implements Trace {
  #notes: string[] = [];
  #trace: Trace | undefined;

  begin(trace: Trace): void {
    this.#trace = trace;
    for (const text of this.#notes) trace.note(text);
    this.#notes = [];
  }

  get length(): number {
    return this.#trace?.length ?? 0;
  }

  note(text: string): void {
    if (this.#trace !== undefined) this.#trace.note(text);
    else if (this.#notes.length < maxNotes) this.#notes.push(errorText(text));
  }

  tail(lines?: number): readonly string[] {
    return this.#trace?.tail(lines) ?? [];
  }

  hash(): string {
    return this.#trace?.hash() ?? emptyHash;
  }
}

/** A property of a network that is still to come. */
export class LateProperty implements Property {
  readonly what: string;
  #property: Property | undefined;
  #isEnded = false;

  constructor(what: string) {
    this.what = what;
  }

  begin(create: () => Property): void {
    if (!this.#isEnded) this.#property = create();
  }

  get status(): Property['status'] {
    return this.#property?.status ?? 'pending';
  }

  get decidedAtMs(): number | undefined {
    return this.#property?.decidedAtMs;
  }

  end(): void {
    this.#isEnded = true;
    this.#property?.end();
  }
}
