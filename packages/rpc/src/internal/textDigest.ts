import type { Hex, RunningDigest, Verifier } from '@lloom/core';

/** keccak-256 of no text. */
export const digestOfNothing: Hex = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470';

/** How much text is hashed at once, in UTF-16 units: enough that a call costs little beside its work, and below 1 ms. */
const batchLength = 16 * 1024;
const utf8 = new TextEncoder();

/** keccak-256 of text that comes a few characters at a time; they are hashed many at once. */
export class TextDigest {
  readonly #running: RunningDigest;
  #waiting = '';

  /** @param prefix text that comes before all other */
  constructor(verifier: Verifier, prefix = '') {
    this.#running = verifier.startDigest();
    if (prefix !== '') this.add(prefix);
  }

  /** Takes the next text, of whole characters. */
  add(text: string): void {
    this.#waiting += text;
    if (this.#waiting.length >= batchLength) this.#hash();
  }

  /** The digest of all text so far; more may follow. */
  digest(): Hex {
    if (this.#waiting !== '') this.#hash();
    return this.#running.digest();
  }

  #hash(): void {
    this.#running.update(utf8.encode(this.#waiting));
    this.#waiting = '';
  }
}
