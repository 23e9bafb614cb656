import type { RpcError } from '../errors.ts';
import type { AnswerKind } from './exchange.ts';
import { ownBytes } from './ownBytes.ts';

/** What a streamed answer holds for its reader: a message, or in its place what the answer broke off with. */
export interface Unread {
  readonly kind: AnswerKind | 'broken';
  readonly message: Uint8Array;
  readonly error?: RpcError;
}

/** Shorter chunks are packed: an object for each would hold far more memory than the credit that it cost. */
const packedBelowBytes = 128;
const blockBytes = 4 * 1024;

/** Short chunks, one behind the other, each behind a byte that says its length. */
interface Block {
  readonly bytes: Uint8Array;
  readAt: number;
  writtenTo: number;
}

/** What waits, in order: each knows the next. */
interface Waiting {
  readonly held: Unread | Block;
  next: Waiting | undefined;
}

/**
 * What has come of a streamed answer and was not read yet. It holds about what the bytes of its messages come to:
 * messages of a byte each take two.
 */
export class UnreadQueue {
  #first: Waiting | undefined;
  #last: Waiting | undefined;
  #size = 0;
  #wake: (() => void) | undefined;

  /** How many messages wait. */
  get size(): number {
    return this.#size;
  }

  /** Keeps the next one. What has to wait must not hold on to all the bytes that it came with. */
  push(unread: Unread): void {
    const { kind, message } = unread;
    if (this.#size++ === 0) this.#append(unread);
    else if (kind === 'chunk' && message.length < packedBelowBytes) this.#pack(message);
    else this.#append({ ...unread, message: ownBytes(message) });
    this.#wakeReader();
  }

  /** Takes the next one. */
  shift(): Unread | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    this.#size--;
    const { held } = first;
    if ('kind' in held) {
      this.#dropFirst(first);
      return held;
    }
    const from = held.readAt + 1;
    held.readAt = from + held.bytes[held.readAt]!;
    if (held.readAt === held.writtenTo) this.#dropFirst(first);
    return { kind: 'chunk', message: held.bytes.subarray(from, held.readAt) };
  }

  /** Resolves when there is something, or when there is going to be nothing. For one reader. */
  arrival(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** Drops what waits; nothing more comes. */
  close(): void {
    this.#first = this.#last = undefined;
    this.#size = 0;
    this.#wakeReader();
  }

  #pack(message: Uint8Array): void {
    let block = this.#last?.held;
    if (block === undefined || 'kind' in block || block.writtenTo + 1 + message.length > blockBytes) {
      block = { bytes: new Uint8Array(blockBytes), readAt: 0, writtenTo: 0 };
      this.#append(block);
    }
    block.bytes[block.writtenTo] = message.length;
    block.bytes.set(message, block.writtenTo + 1);
    block.writtenTo += 1 + message.length;
  }

  #append(held: Unread | Block): void {
    const waiting: Waiting = { held, next: undefined };
    if (this.#last === undefined) this.#first = waiting;
    else this.#last.next = waiting;
    this.#last = waiting;
  }

  #dropFirst({ next }: Waiting): void {
    this.#first = next;
    if (next === undefined) this.#last = undefined;
  }

  #wakeReader(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
