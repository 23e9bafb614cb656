import type { Uint8ArrayList } from 'uint8arraylist';
import { WireError } from './wire.ts';

/** Cuts what comes on a stream into frames, each with its length before it. Holds one frame at most, and one read. */
export class Frames {
  readonly #maxBytes: number;
  /** What was not handed out yet lies between `at` and `end`. */
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(data: Uint8Array | Uint8ArrayList): void {
    const bytes = data instanceof Uint8Array ? data : data.subarray();
    const left = this.#end - this.#at;
    if (left === 0) {
      this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#at = 0;
      this.#end = bytes.byteLength;
      return;
    }
    const wanted = left + bytes.byteLength;
    // Frames that were handed out live in the old buffer; a part of one is moved, with room so that bytes one by one stay cheap.
    if (this.#at > 0 || this.#buffer.length < wanted) {
      const larger = Buffer.allocUnsafeSlow(Math.max(wanted, Math.min(left * 2, this.#maxBytes + headroom)));
      this.#buffer.copy(larger, 0, this.#at, this.#end);
      this.#buffer = larger;
      this.#at = 0;
      this.#end = left;
    }
    this.#buffer.set(bytes, this.#end);
    this.#end = wanted;
  }

  /**
   * The next frame that is complete. It stays as it is.
   * @throws {WireError} when it is longer than any
   */
  next(): Buffer | undefined {
    let [length, scale, at] = [0, 1, this.#at];
    for (;;) {
      if (at >= this.#end) return undefined;
      const byte = this.#buffer[at++]!;
      length += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (length > this.#maxBytes) throw new WireError(`an RPC of more than ${this.#maxBytes} bytes`);
      if (byte < 0x80) break;
      if (scale > maxScale) throw new WireError('a length does not end');
    }
    if (this.#end - at < length) return undefined;
    this.#at = at + length;
    return this.#buffer.subarray(at, this.#at);
  }
}

const headroom = 64 * 1024;
/** Five bytes of length. */
const maxScale = 0x80 ** 5;
