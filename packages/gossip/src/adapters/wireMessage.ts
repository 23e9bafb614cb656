import { varintSize, WireReader, writeVarint } from './wire.ts';

/** What gossipsub signs before the message itself. */
const signPrefix = Buffer.from('libp2p-pubsub:');
const tags = { from: 0x0a, data: 0x12, seqno: 0x1a, topic: 0x22, signature: 0x2a, key: 0x32 } as const;

/** The parts of a message, as they are written. */
export interface MessageParts {
  readonly topic: string;
  readonly data: Uint8Array | undefined;
  readonly from?: Uint8Array | undefined;
  readonly seqno?: Uint8Array | undefined;
  readonly signature?: Uint8Array | undefined;
  readonly key?: Uint8Array | undefined;
}

/** A message on the wire: read in place, copied once when it is worth it, and passed on as that copy. */
export class WireMessage {
  readonly topic: string;
  /** How many outboxes hold it. */
  queued = 0;
  /** Who is known to have it meanwhile. */
  holders: Set<string> | undefined;
  #buffer: Buffer;
  #begin: number;
  #end: number;
  #isOwn = false;
  #frame: Uint8Array | undefined;
  /** Begin and end of each field within the message, -1 where it is absent. */
  readonly #from: Span = [-1, -1];
  readonly #data: Span = [-1, -1];
  readonly #seqno: Span = [-1, -1];
  readonly #signature: Span = [-1, -1];
  readonly #key: Span = [-1, -1];
  /** Where the signature begins, with its tag: before it lies what is signed. */
  #signedEnd = -1;
  #isCanonical = true;

  /** @throws {WireError} */
  constructor(reader: WireReader) {
    const { buffer, at: begin, end } = reader;
    this.#buffer = buffer;
    this.#begin = begin;
    this.#end = end;
    let topic: string | undefined;
    let last = 0;
    while (!reader.isAtEnd) {
      const tagAt = reader.at;
      const tag = reader.varint();
      if (tag <= last || (tag & 7) !== 2 || tag > tags.key || reader.at !== tagAt + 1)
        this.#isCanonical = false;
      last = tag;
      const span = this.#spanOf(tag >>> 3);
      if (span === undefined && tag >>> 3 !== 4) {
        reader.skip(tag);
        continue;
      }
      reader.expectBytes(tag);
      if (tag >= tags.signature && this.#signedEnd < 0) this.#signedEnd = tagAt - begin;
      const lengthAt = reader.at;
      const valueAt = reader.skipBytes();
      const length = reader.at - valueAt;
      if (valueAt - lengthAt !== varintSize(length)) this.#isCanonical = false;
      if (span === undefined) {
        topic = buffer.toString('utf8', valueAt, reader.at);
        if (length === 0) this.#isCanonical = false;
      } else {
        span[0] = valueAt - begin;
        span[1] = reader.at - begin;
      }
    }
    this.topic = topic ?? '';
    if (this.#signedEnd < 0) this.#signedEnd = end - begin;
  }

  get dataLength(): number {
    return this.#data[1] - this.#data[0];
  }

  /** Bytes that are not data. */
  get overhead(): number {
    return this.#end - this.#begin - this.dataLength;
  }

  get data(): Uint8Array {
    return this.#bytes(this.#data) ?? new Uint8Array(0);
  }

  get from(): Uint8Array | undefined {
    return this.#bytes(this.#from);
  }

  get seqno(): Uint8Array | undefined {
    return this.#bytes(this.#seqno);
  }

  get signature(): Uint8Array | undefined {
    return this.#bytes(this.#signature);
  }

  get key(): Uint8Array | undefined {
    return this.#bytes(this.#key);
  }

  get hasSignature(): boolean {
    return this.#signature[0] >= 0;
  }

  /** Whether it has who wrote it and which of its messages it is, as signed ones must. */
  get isNumbered(): boolean {
    return this.#from[0] >= 0 && this.#seqno[1] - this.#seqno[0] === 8;
  }

  /** Whether it names nobody, as anonymous ones must. */
  get isBare(): boolean {
    return this.#from[0] < 0 && this.#seqno[0] < 0 && this.#signature[0] < 0 && this.#key[0] < 0;
  }

  /** Its author as it is written, one character a byte. */
  get authorKey(): string {
    return this.#latin1(this.#from);
  }

  /** The key of its author, where the name is the key itself; the same way. */
  get inlineKey(): string | undefined {
    const [begin, end] = this.#from;
    const at = this.#begin + begin;
    const length = end - begin - 2;
    if (length <= 0 || this.#buffer[at] !== 0 || this.#buffer[at + 1] !== length) return undefined;
    return this.#buffer.toString('latin1', at + 2, this.#begin + end);
  }

  /** The same of its number. */
  get sequenceKey(): string {
    return this.#latin1(this.#seqno);
  }

  /** Only where {@link isNumbered}. */
  get sequenceNumber(): bigint {
    return this.#buffer.readBigUInt64BE(this.#begin + this.#seqno[0]);
  }

  /** Takes it out of what it was read from, which may be far larger. */
  own(): void {
    if (this.#isOwn) return;
    if (!this.#isCanonical) this.#normalize();
    const size = this.#end - this.#begin;
    const copy = Buffer.allocUnsafe(signPrefix.length + size);
    signPrefix.copy(copy);
    this.#buffer.copy(copy, signPrefix.length, this.#begin, this.#end);
    this.#buffer = copy;
    this.#begin = signPrefix.length;
    this.#end = copy.length;
    this.#isOwn = true;
  }

  /** What the signature is of. To be asked before {@link frame}, which takes the place of the prefix. */
  signedBytes(): Uint8Array {
    this.own();
    return this.#buffer.subarray(0, this.#begin + this.#signedEnd);
  }

  /** It alone as an RPC with its length before it: the same bytes for everybody. */
  get frame(): Uint8Array {
    if (this.#frame !== undefined) return this.#frame;
    this.own();
    const size = this.#end - this.#begin;
    const rpcSize = 1 + varintSize(size) + size;
    const at = this.#begin - 1 - varintSize(size) - varintSize(rpcSize);
    const tagAt = writeVarint(this.#buffer, rpcSize, at);
    this.#buffer[tagAt] = 0x12;
    writeVarint(this.#buffer, size, tagAt + 1);
    return (this.#frame = this.#buffer.subarray(at, this.#end));
  }

  /** Makes it what everybody else would have written: signed is the canonical form, and strangers' padding stays here. */
  #normalize(): void {
    const { topic, data, from, seqno, signature, key } = this;
    const bytes = encodeMessage({
      topic,
      data: this.#data[0] < 0 ? undefined : data,
      from,
      seqno,
      signature,
      key,
    });
    const same = new WireMessage(new WireReader(bytes));
    this.#buffer = bytes;
    this.#begin = 0;
    this.#end = bytes.length;
    this.#signedEnd = same.#signedEnd;
    for (const field of [1, 2, 3, 5, 6]) this.#spanOf(field)!.splice(0, 2, ...same.#spanOf(field)!);
    this.#isCanonical = true;
  }

  #spanOf(field: number): Span | undefined {
    if (field === 1) return this.#from;
    if (field === 2) return this.#data;
    if (field === 3) return this.#seqno;
    if (field === 5) return this.#signature;
    return field === 6 ? this.#key : undefined;
  }

  #bytes([begin, end]: Span): Uint8Array | undefined {
    return begin < 0 ? undefined : this.#buffer.subarray(this.#begin + begin, this.#begin + end);
  }

  #latin1([begin, end]: Span): string {
    return begin < 0 ? '' : this.#buffer.toString('latin1', this.#begin + begin, this.#begin + end);
  }
}

type Span = [begin: number, end: number];

/** What is signed of a message that has no signature yet. */
export function bytesToSign(parts: MessageParts): Uint8Array {
  return Buffer.concat([signPrefix, encodeMessage(parts)]);
}

/** A message in the one form that everybody writes. */
export function encodeMessage(parts: MessageParts): Buffer {
  const fields: (readonly [tag: number, value: Uint8Array])[] = [];
  const add = (tag: number, value: Uint8Array | undefined): void => {
    if (value !== undefined) fields.push([tag, value]);
  };
  add(tags.from, parts.from);
  add(tags.data, parts.data);
  add(tags.seqno, parts.seqno);
  add(tags.topic, parts.topic === '' ? undefined : Buffer.from(parts.topic));
  add(tags.signature, parts.signature);
  add(tags.key, parts.key);
  let size = 0;
  for (const [, { length }] of fields) size += 1 + varintSize(length) + length;
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const [tag, value] of fields) {
    bytes[at] = tag;
    at = writeVarint(bytes, value.length, at + 1);
    bytes.set(value, at);
    at += value.length;
  }
  return bytes;
}

/** A message of these parts, as if it had come. */
export function messageOf(parts: MessageParts): WireMessage {
  return new WireMessage(new WireReader(encodeMessage(parts)));
}
