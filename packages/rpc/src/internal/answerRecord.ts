import type { Budget } from './budget.ts';
import type { AnswerKind } from './exchange.ts';

/** A message of a record, and where the next one begins. */
export interface RecordedMessage {
  readonly kind: AnswerKind;
  readonly message: Uint8Array;
  readonly next: number;
}

const kinds = ['chunk', 'end', 'error'] as const satisfies AnswerKind[];
/** Before each message: its kind, and its length. */
const headBytes = 5;
/** Room for the first words of an answer that comes in pieces. */
const leastBytes = 1_024;
/** What is filled so far is kept as it is. */
const wellFilled = 7 / 8;
const nothing = new Uint8Array(0);

/**
 * What was said in answer to one request, message by message, for whoever asks again. It is one run of bytes, so that a
 * hundred thousand tokens are no hundred thousand objects.
 */
export class AnswerRecord {
  readonly #maxBytes: number;
  readonly #budget: Budget;
  #bytes: Uint8Array = nothing;
  #used = 0;
  #isWhole = true;
  #isReleased = false;

  /** @param maxBytes a longer one is not kept; 0: nothing is */
  constructor(maxBytes: number, budget: Budget) {
    this.#maxBytes = maxBytes;
    this.#budget = budget;
    this.#isWhole = maxBytes > 0;
  }

  /**
   * A record that was written down by {@link bytes}, when there is room for it.
   * @throws {RangeError} when it is none
   */
  static from(bytes: Uint8Array, budget: Budget): AnswerRecord | undefined {
    const record = new AnswerRecord(bytes.length, budget);
    record.#bytes = bytes;
    record.#used = bytes.length;
    for (let at = 0; at < bytes.length;) at = record.read(at).next;
    return budget.tryTake(bytes.length) ? record : undefined;
  }

  /** Whether it has all that was said. One that has not is empty. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Where the next message will begin. */
  get end(): number {
    return this.#used;
  }

  /** All of it, to be written down. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }

  /** Takes the next message. `false`: it does not fit, and nothing is kept any more. */
  add(kind: AnswerKind, message: Uint8Array): boolean {
    if (!this.#isWhole || !this.#reserve(headBytes + message.length, kind)) {
      this.#lose();
      return false;
    }
    const at = this.#used;
    this.#bytes[at] = kinds.indexOf(kind);
    writeLength(this.#bytes, at + 1, message.length);
    this.#bytes.set(message, at + headBytes);
    this.#used = at + headBytes + message.length;
    return true;
  }

  /** The message that begins there. @throws {RangeError} when none does */
  read(at: number): RecordedMessage {
    const kind = kinds[this.#bytes[at] ?? kinds.length];
    const start = at + headBytes;
    const next = start <= this.#used ? start + readLength(this.#bytes, at + 1) : Infinity;
    if (kind === undefined || next > this.#used) throw new RangeError('no message begins there');
    return { kind, message: this.#bytes.subarray(start, next), next };
  }

  /** Nothing follows: gives back what it had reserved. */
  close(): void {
    if (this.#used > wellFilled * this.#bytes.length) return;
    this.#budget.give(this.#bytes.length - this.#used);
    this.#bytes = this.#bytes.slice(0, this.#used);
  }

  /** It is not kept any more. Whoever reads it may read on. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#budget.give(this.#bytes.length);
  }

  #lose(): void {
    this.#isWhole = false;
    if (!this.#isReleased) this.#budget.give(this.#bytes.length);
    this.#bytes = nothing;
    this.#used = 0;
  }

  #reserve(more: number, kind: AnswerKind): boolean {
    const wanted = this.#used + more;
    if (wanted > this.#maxBytes) return false;
    const { length } = this.#bytes;
    if (wanted <= length) return true;
    // Behind an end or an error nothing comes.
    const ahead = kind === 'chunk' ? Math.max(wanted, leastBytes, 2 * length) : wanted;
    const reserved = Math.min(this.#maxBytes, ahead);
    if (!this.#budget.tryTake(reserved - length)) return false;
    const bytes = new Uint8Array(reserved);
    bytes.set(this.bytes);
    this.#bytes = bytes;
    return true;
  }
}

function writeLength(bytes: Uint8Array, at: number, length: number): void {
  for (let index = 0; index < 4; index++) bytes[at + index] = length >>> (8 * index);
}

function readLength(bytes: Uint8Array, at: number): number {
  let length = 0;
  for (let index = 3; index >= 0; index--) length = length * 256 + bytes[at + index]!;
  return length;
}
