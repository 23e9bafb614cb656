import type { Clock, Hex } from '@lloom/core';
import type { AnswerRecord } from './answerRecord.ts';

/** A question that was proven, and how it is known. */
export interface Question {
  /** Its signer and key in one, see {@link nameOf}. */
  readonly name: string;
  /** The address that signed it, in lower case. */
  readonly signer: string;
  readonly idempotencyKey: string;
  /** keccak-256 of the request's payload bytes. */
  readonly requestDigest: Hex;
  /** keccak-256 of what others have answered before; zeros when it begins here. */
  readonly prefixDigest: Hex;
}

/** How the execution of a question ended. */
export interface Outcome {
  readonly question: Question;
  /** Who asked first. */
  readonly peerId: string;
  /** Whether it is answered in chunks. */
  readonly inChunks: boolean;
  /** What was said, to its last message; `undefined`: it is lost. */
  readonly record: AnswerRecord | undefined;
  /** Until when all that is signed of it can be proven, by the monotonic clock, in ms. */
  readonly provableUntilMs: number;
}

/** What is remembered at most. */
export interface OutcomeLimits {
  readonly maxKeys: number;
  readonly ttlMs: number;
  /** Called with what is not remembered any more. */
  readonly onForgotten: (questions: readonly Question[]) => void;
}

/** A name for a signer's key. An address has no space in it. */
export function nameOf(signer: string, idempotencyKey: string): string {
  return `${signer} ${idempotencyKey}`;
}

/** Whether they ask for the same, by whomever and under whatever key. */
export function isSameQuestion(one: Question | undefined, other: Question): boolean {
  return one?.requestDigest === other.requestDigest && one.prefixDigest === other.prefixDigest;
}

/** An outcome, and its neighbours in the order in which they came: of all, and of its signer. */
interface Entry extends Outcome {
  record: AnswerRecord | undefined;
  readonly untilMs: number;
  before: Entry | undefined;
  behind: Entry | undefined;
  readonly ofSigner: SignersEntries;
  behindOfSigner: Entry | undefined;
}

/** The entries of one signer. They leave in the order in which they came. */
interface SignersEntries {
  size: number;
  oldest: Entry | undefined;
  latest: Entry | undefined;
}

/**
 * How executions ended, by signer and key, for as long as somebody may ask again. A signer has a quarter of the room at most,
 * so that one alone makes nobody else forgotten; whoever has many keys of their own can.
 */
export class Outcomes {
  readonly #limits: OutcomeLimits;
  readonly #clock: Clock;
  readonly #byName = new Map<string, Entry>();
  readonly #bySigner = new Map<string, SignersEntries>();
  #oldest: Entry | undefined;
  #latest: Entry | undefined;
  /** None before it has an answer. */
  #oldestKept: Entry | undefined;

  constructor(limits: OutcomeLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Remembers an outcome of a question that has none, and forgets the oldest of its signer, or of all, that is too many. */
  add(outcome: Outcome): void {
    const { question } = outcome;
    const { maxKeys, ttlMs } = this.#limits;
    const ofSigner = this.#entriesOf(question.signer);
    const entry: Entry = {
      ...outcome,
      ofSigner,
      untilMs: this.#clock.elapsed() + ttlMs,
      before: this.#latest,
      behind: undefined,
      behindOfSigner: undefined,
    };
    this.#byName.set(question.name, entry);
    if (this.#latest === undefined) this.#oldest = entry;
    else this.#latest.behind = entry;
    this.#latest = entry;
    this.#oldestKept ??= entry;
    if (ofSigner.latest === undefined) ofSigner.oldest = entry;
    else ofSigner.latest.behindOfSigner = entry;
    ofSigner.latest = entry;
    ofSigner.size++;
    if (ofSigner.size > maxKeys / 4) this.#forget([ofSigner.oldest!]);
    else if (this.size > maxKeys) this.#forget([this.#oldest!]);
  }

  get(name: string): Outcome | undefined {
    this.#sweep();
    return this.#byName.get(name);
  }

  /** Drops the oldest answer that is kept; its question counts as lost from then on. `false`: there is none. */
  dropAnswer(): boolean {
    while (this.#oldestKept !== undefined && this.#oldestKept.record === undefined)
      this.#oldestKept = this.#oldestKept.behind;
    if (this.#oldestKept === undefined) return false;
    release(this.#oldestKept);
    return true;
  }

  #entriesOf(signer: string): SignersEntries {
    let entries = this.#bySigner.get(signer);
    if (entries === undefined) {
      entries = { size: 0, oldest: undefined, latest: undefined };
      this.#bySigner.set(signer, entries);
    }
    return entries;
  }

  #sweep(): void {
    if (this.#oldest === undefined) return;
    const nowMs = this.#clock.elapsed();
    const gone: Entry[] = [];
    for (let entry = this.#oldest; entry.untilMs <= nowMs; entry = entry.behind) {
      gone.push(entry);
      if (entry.behind === undefined) break;
    }
    if (gone.length > 0) this.#forget(gone);
  }

  #forget(gone: readonly Entry[]): void {
    for (const entry of gone) {
      this.#unlink(entry);
      this.#byName.delete(entry.question.name);
      release(entry);
    }
    this.#limits.onForgotten(gone.map(({ question }) => question));
  }

  /** Takes out an entry, the oldest of its signer. */
  #unlink(entry: Entry): void {
    const { before, behind, ofSigner } = entry;
    if (before === undefined) this.#oldest = behind;
    else before.behind = behind;
    if (behind === undefined) this.#latest = before;
    else behind.before = before;
    if (this.#oldestKept === entry) this.#oldestKept = behind;
    ofSigner.oldest = entry.behindOfSigner;
    ofSigner.size--;
    if (ofSigner.size === 0) this.#bySigner.delete(entry.question.signer);
  }
}

function release(entry: Entry): void {
  entry.record?.release();
  entry.record = undefined;
}
