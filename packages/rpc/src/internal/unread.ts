import type { RpcError } from '../errors.ts';
import type { AnswerKind } from './exchange.ts';
import { ownBytes } from './ownBytes.ts';

/** What a streamed answer holds for its reader: a message, or in its place what the answer broke off with. */
export interface Unread {
  readonly kind: AnswerKind | 'broken';
  readonly message: Uint8Array;
  readonly error?: RpcError;
}

/** What has come of a streamed answer and was not read yet. */
export class UnreadQueue {
  readonly #waiting: Unread[] = [];
  #wake: (() => void) | undefined;

  /** How much waits. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Keeps the next one. What has to wait must not hold on to all the bytes that it came with. */
  push({ kind, message, error }: Unread): void {
    const kept = this.#waiting.length > 0 ? ownBytes(message) : message;
    this.#waiting.push({ kind, message: kept, ...(error !== undefined && { error }) });
    this.#wakeReader();
  }

  /** Takes the next one. */
  shift(): Unread | undefined {
    return this.#waiting.shift();
  }

  /** Resolves when there is something, or when there is going to be nothing. For one reader. */
  arrival(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** Drops what waits; nothing more comes. */
  close(): void {
    this.#waiting.length = 0;
    this.#wakeReader();
  }

  #wakeReader(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
