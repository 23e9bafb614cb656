/** A block is as large as what has come, within these bounds. */
const minBlockBytes = 4 * 1024;
const maxBlockBytes = 1024 * 1024;

/** When so much of an announced message has come, it is given all its memory: then that much is not copied again. */
const trustedPart = 1 / 2;

/**
 * A message that comes in pieces. Its memory is at most twice what has come and 4 KiB, whatever was announced; while it
 * is moved into one block, three times.
 */
export class GatheredMessage {
  readonly #announcedBytes: number;
  readonly #blocks: Uint8Array[] = [];
  #last: Uint8Array = new Uint8Array(0);
  /** Bytes used of the last block. */
  #used = 0;
  #length = 0;

  /** @param announcedBytes how long it is going to be, when the peer has said so */
  constructor(announcedBytes = 0) {
    this.#announcedBytes = announcedBytes;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Takes a copy of the next piece. */
  add(piece: Uint8Array): void {
    let rest = piece;
    this.#length += piece.length;
    while (rest.length > 0) {
      const room = this.#last.length - this.#used;
      if (room === 0) this.#grow(this.#length - rest.length);
      const part = rest.subarray(0, this.#last.length - this.#used);
      this.#last.set(part, this.#used);
      this.#used += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** The whole message. */
  join(): Uint8Array {
    if (this.#blocks.length > 1) this.#moveTo(bytes(this.#length));
    return this.#last.subarray(0, this.#used);
  }

  /** Makes room behind `have` bytes, which fill all blocks. */
  #grow(have: number): void {
    if (this.#announcedBytes > have && this.#length >= this.#announcedBytes * trustedPart)
      return this.#moveTo(bytes(this.#announcedBytes));
    const left = Math.max(this.#announcedBytes - have, 0) || maxBlockBytes;
    const size = Math.min(maxBlockBytes, Math.max(minBlockBytes, this.#length), left);
    this.#blocks.push((this.#last = bytes(size)));
    this.#used = 0;
  }

  /** Puts everything so far into one block. */
  #moveTo(whole: Uint8Array): void {
    let offset = 0;
    for (const block of this.#blocks) {
      const part = block === this.#last ? block.subarray(0, this.#used) : block;
      whole.set(part, offset);
      offset += part.length;
    }
    this.#blocks.length = 0;
    this.#blocks.push((this.#last = whole));
    this.#used = offset;
  }
}

/** Bytes that are not cleared first: all of them are written before they are read. */
function bytes(length: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(length);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, length);
}
