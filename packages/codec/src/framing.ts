import { CodecError } from './errors.ts';
import { limits } from './limits.ts';

/** The longest length prefix: 2^28 - 1 needs four bytes, and no limit goes beyond. */
const maxPrefixBytes = 4;
const longestBytes = 2 ** (7 * maxPrefixBytes) - 1;
const firstAllocationBytes = 4 * 1024;
const nothing = new Uint8Array(0);

/**
 * Puts a message in its frame.
 *
 * ```text
 * frame  = length message
 * length = unsigned varint (LEB128, shortest form, at most 4 bytes): the number of bytes in message
 * ```
 *
 * @param message the bytes to frame; may be empty
 * @param maxBytes the largest message that is framed, at most 2^28 - 1. @default 10 MiB
 * @throws {CodecError} `TOO_LARGE` when the message is beyond `maxBytes`; `INVALID_FIELD` when `maxBytes` is no limit
 *
 * @example
 * ```ts
 * encodeFrame(new Uint8Array([7, 8, 9])); // Uint8Array [3, 7, 8, 9]
 * ```
 */
export function encodeFrame(message: Uint8Array, maxBytes: number = limits.messageBytes): Uint8Array {
  const limitBytes = checkLimit('maxBytes', maxBytes);
  if (message.length > limitBytes) {
    throw new CodecError('TOO_LARGE', { what: 'message', sizeBytes: message.length, limitBytes });
  }
  const prefix: number[] = [];
  let rest = message.length;
  for (; rest >= 0x80; rest >>>= 7) prefix.push((rest & 0x7f) | 0x80);
  prefix.push(rest);
  const frame = new Uint8Array(prefix.length + message.length);
  frame.set(prefix);
  frame.set(message, prefix.length);
  return frame;
}

/**
 * Takes frames out of bytes that arrive in any pieces. The limit is checked when the length is read, before
 * anything is stored; storage grows with what has arrived, never with what was announced; and messages are made
 * one by one, as they are taken.
 *
 * After an error the stream cannot be trusted any more: every further call throws the same error.
 *
 * @example
 * ```ts
 * const decoder = new FrameDecoder({ maxFrameBytes: 1024 });
 * for (const message of decoder.push(encodeFrame(new Uint8Array([1, 2, 3])))) console.log(message); // Uint8Array [1, 2, 3]
 * decoder.end(); // throws when bytes of an unfinished frame are left
 * ```
 */
export class FrameDecoder {
  readonly #maxFrameBytes: number;
  #chunk: Uint8Array = nothing;
  #offset = 0;
  #prefix = 0;
  #prefixBytes = 0;
  /** Length of the frame that is being read; -1 while its prefix is. */
  #wanted = -1;
  #have = 0;
  #stored: Uint8Array = nothing;
  #failure: CodecError | undefined;

  /**
   * @param config `maxFrameBytes`: the largest message that is accepted, at most 2^28 - 1. @default 10 MiB
   * @throws {CodecError} `INVALID_FIELD` when `maxFrameBytes` is no limit
   */
  constructor(config: { readonly maxFrameBytes?: number } = {}) {
    this.#maxFrameBytes = checkLimit('maxFrameBytes', config.maxFrameBytes ?? limits.messageBytes);
  }

  /** Whether bytes of an unfinished frame are held. */
  get isInsideFrame(): boolean {
    return this.#wanted >= 0 || this.#prefixBytes > 0;
  }

  /**
   * Takes the next bytes and gives the messages that they complete, each when it is asked for. Take them all before
   * the next call. A message that lies within `chunk` is a view of it, not a copy.
   * @throws {CodecError} `TOO_LARGE` or `MALFORMED`, from the iteration, behind the messages before the bad frame
   */
  push(chunk: Uint8Array): IterableIterator<Uint8Array> {
    this.#checkUsable();
    this.#chunk = chunk;
    this.#offset = 0;
    return this.#take();
  }

  /**
   * Says that no more bytes come.
   * @throws {CodecError} `TRUNCATED` when they ended inside a frame; `MALFORMED` when messages were not taken
   */
  end(): void {
    this.#checkUsable();
    if (!this.isInsideFrame) return;
    const wantedBytes = this.#wanted < 0 ? this.#prefixBytes + 1 : this.#wanted;
    const gotBytes = this.#wanted < 0 ? this.#prefixBytes : this.#have;
    throw new CodecError('TRUNCATED', { gotBytes, wantedBytes });
  }

  *#take(): IterableIterator<Uint8Array> {
    while (this.#offset < this.#chunk.length) {
      if (this.#wanted < 0) this.#readPrefix();
      const message = this.#wanted < 0 ? undefined : this.#readBody();
      if (this.#offset === this.#chunk.length) this.#chunk = nothing;
      if (message !== undefined) yield message;
    }
  }

  #readPrefix(): void {
    while (this.#wanted < 0 && this.#offset < this.#chunk.length) {
      const byte = this.#chunk[this.#offset++] as number;
      this.#prefix |= (byte & 0x7f) << (7 * this.#prefixBytes++);
      if (byte < 0x80) {
        if (byte === 0 && this.#prefixBytes > 1) this.#fail('its length is not in the shortest form');
        this.#wanted = this.#prefix;
      } else if (this.#prefixBytes === maxPrefixBytes) {
        this.#fail(`its length has more than ${maxPrefixBytes} bytes`);
      }
    }
    if (this.#wanted <= this.#maxFrameBytes) return;
    const data = { what: 'frame', sizeBytes: this.#wanted, limitBytes: this.#maxFrameBytes };
    throw (this.#failure = new CodecError('TOO_LARGE', data));
  }

  /** The message, when its last byte is there. */
  #readBody(): Uint8Array | undefined {
    const piece = this.#chunk.subarray(this.#offset, this.#offset + this.#wanted - this.#have);
    this.#offset += piece.length;
    const isWhole = piece.length === this.#wanted;
    if (!isWhole) this.#store(piece);
    if (!isWhole && this.#have < this.#wanted) return undefined;
    const message = isWhole ? piece : this.#stored;
    this.#wanted = -1;
    this.#have = 0;
    this.#prefix = 0;
    this.#prefixBytes = 0;
    this.#stored = nothing;
    return message;
  }

  #store(piece: Uint8Array): void {
    const needed = this.#have + piece.length;
    if (needed > this.#stored.length) {
      const size = Math.min(this.#wanted, Math.max(needed, 2 * this.#stored.length, firstAllocationBytes));
      const grown = new Uint8Array(size);
      grown.set(this.#stored.subarray(0, this.#have));
      this.#stored = grown;
    }
    this.#stored.set(piece, this.#have);
    this.#have = needed;
  }

  #checkUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#offset < this.#chunk.length) this.#fail('messages of the bytes before were not taken');
  }

  #fail(reason: string): never {
    throw (this.#failure = new CodecError('MALFORMED', { what: 'frame', reason }));
  }
}

function checkLimit(path: string, value: number): number {
  if (value >= 0 && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY)) {
    return Math.min(value, longestBytes);
  }
  throw new CodecError('INVALID_FIELD', { path, got: String(value), wanted: 'a whole number of bytes' });
}
