/** What cannot be read as protobuf, or holds more than any honest node says. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Reads protobuf out of a part of a buffer. Copies nothing. */
export class WireReader {
  readonly buffer: Buffer;
  readonly end: number;
  at: number;

  constructor(buffer: Buffer, at = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  /** A number of up to 64 bits; what does not fit a double exactly is rounded. */
  varint(): number {
    const { buffer, end } = this;
    let [value, scale] = [0, 1];
    for (let i = 0; i < maxVarintBytes && this.at < end; i++) {
      const byte = buffer[this.at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new WireError('a number does not end');
  }

  /** Passes over a value with a length. Gives where it begins; it ends at `at`. */
  skipBytes(): number {
    const length = this.varint();
    const begin = this.at;
    this.#advance(length);
    return begin;
  }

  /** The next value with a length, read by itself. */
  nested(): WireReader {
    const begin = this.skipBytes();
    return new WireReader(this.buffer, begin, this.at);
  }

  text(): string {
    const begin = this.skipBytes();
    return this.buffer.toString('utf8', begin, this.at);
  }

  bytes(): Uint8Array {
    const begin = this.skipBytes();
    return this.buffer.subarray(begin, this.at);
  }

  /** Passes over a value of a field that is not known. */
  skip(tag: number): void {
    const type = tag & 7;
    if (type === 0) this.varint();
    else if (type === 1) this.#advance(8);
    else if (type === 2) this.skipBytes();
    else if (type === 5) this.#advance(4);
    else throw new WireError(`a field is of type ${type}`);
  }

  /** Demands that a field has a length. */
  expectBytes(tag: number): void {
    if ((tag & 7) !== 2) throw new WireError(`field ${tag >>> 3} is of type ${tag & 7}`);
  }

  #advance(bytes: number): void {
    if (bytes > this.end - this.at) throw new WireError('a value is longer than what holds it');
    this.at += bytes;
  }
}

const maxVarintBytes = 10;

/** How many bytes a number takes, below 2^35. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

/** Writes a number below 2^31; gives where it ends. */
export function writeVarint(buffer: Buffer, value: number, at: number): number {
  let [rest, end] = [value, at];
  while (rest >= 0x80) {
    buffer[end++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[end++] = rest;
  return end;
}
