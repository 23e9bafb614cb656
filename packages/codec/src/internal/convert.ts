import { errorText } from '@lloom/core';
import { Reader, type Writer } from 'protobufjs/minimal.js';

import { CodecError } from '../errors.ts';
import { limits } from '../limits.ts';
import { FieldProblem, UnknownVariant, type Field } from './fields.ts';

/** Storage of a writer that is given away as it is; above, what was written is copied to as many bytes as it has. */
const pooledBytes = 4 * 1024;

/** The part of a generated message class that is used. */
interface WireType {
  readonly encode: (message: never) => Writer;
  readonly decode: (reader: Reader) => unknown;
}

/** Where a oneof is on the wire. */
interface UnionPlace {
  /** Field numbers that lead from the message to it. */
  readonly path: readonly number[];
  /** Numbers of the fields that stand beside its kinds. */
  readonly beside?: readonly number[];
}

/** A message of the format: its name for errors, its generated class and its fields. */
export interface MessageFormat<T> {
  readonly name: string;
  readonly wire: WireType;
  readonly fields: Field<T>;
  /** Its oneofs by their path in errors, for telling which unknown kind one is of. */
  readonly unions?: Readonly<Record<string, UnionPlace>>;
  /** The largest encoding. @default as large as its frame allows */
  readonly maxBytes?: number;
}

/**
 * The bytes of a message.
 * @throws {CodecError} `INVALID_FIELD`, or `TOO_LARGE` when the format has a limit of its own
 */
export function encode<T>(format: MessageFormat<T>, value: T): Uint8Array {
  let wire: unknown;
  try {
    wire = format.fields.toWire(value);
  } catch (error) {
    throw problemOf(error, format.name, noNumbers);
  }
  const encoded = finished(format.wire.encode(wire as never));
  checkSize(format, encoded.length);
  return encoded;
}

/**
 * The message of some bytes. Byte fields of the result are views of them.
 * @throws {CodecError} `MALFORMED`, `INVALID_FIELD` or `UNKNOWN_VARIANT`; `TOO_LARGE` when the format has a limit
 */
export function decode<T>(format: MessageFormat<T>, bytes: Uint8Array): T {
  checkSize(format, bytes.length);
  let wire: unknown;
  try {
    wire = format.wire.decode(new BoundedReader(plainBytes(bytes)));
  } catch (error) {
    throw malformed(format.name, error);
  }
  try {
    return format.fields.fromWire(wire);
  } catch (error) {
    throw problemOf(error, format.name, (path) => fieldNumbers(bytes, format.unions?.[path] ?? { path: [] }));
  }
}

/** Calls `act`; what is wrong with a field becomes an error that names it, seen from the message `name`. */
export function checked<R>(name: string, act: () => R): R {
  try {
    return act();
  } catch (error) {
    throw problemOf(error, name, noNumbers);
  }
}

/** What reading the bytes of the message `what` threw, as an error that says that they are none. */
export function malformed(what: string, cause: unknown): CodecError {
  return new CodecError('MALFORMED', { what, reason: errorText(cause, 120) }, { cause });
}

type NumbersOf = (path: string) => readonly number[];

const noNumbers: NumbersOf = () => [];

/**
 * What converting a message threw: what is wrong with a field, as an error that names it; anything else as it is.
 * `numbersOf` finds the field numbers of a union of unknown kind, by its path.
 */
function problemOf(error: unknown, name: string, numbersOf: NumbersOf): unknown {
  if (!(error instanceof FieldProblem)) return error;
  const fields = error instanceof UnknownVariant ? numbersOf(error.path) : undefined;
  const { path, got, wanted } = error.within(name);
  if (fields !== undefined) return new CodecError('UNKNOWN_VARIANT', { union: path, fields });
  return new CodecError('INVALID_FIELD', { path, got, wanted });
}

/** Refuses messages of very many small parts: each part costs far more memory than its two bytes on the wire. */
export class BoundedReader extends Reader {
  #left: number = limits.fields;

  constructor(bytes: Uint8Array) {
    super(bytes);
    this.discardUnknown = true;
  }

  override tag(): number {
    if (this.#left-- === 0) throw new RangeError(`it has more than ${limits.fields} fields`);
    return super.tag();
  }

  /** As a number while it has at most seven bytes, so below 2^49: the generated classes take both. */
  override uint64(): ReturnType<Reader['uint64']> {
    const { buf, pos, len } = this;
    let value = 0;
    for (let at = pos, scale = 1; at < len && at < pos + 7; at++, scale *= 128) {
      const byte = buf[at] as number;
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      this.pos = at + 1;
      return value as unknown as ReturnType<Reader['uint64']>;
    }
    return super.uint64();
  }
}

/** What a writer wrote. A view of its bytes while they are few: they lie in the pool of Node.js in any case. */
function finished(writer: Writer): Uint8Array {
  const { buf, pos } = writer;
  return buf.length <= pooledBytes
    ? new Uint8Array(buf.buffer, buf.byteOffset, pos)
    : plainBytes(writer.finish());
}

/** The same bytes without the ways of a Node.js buffer, so that slices and comparisons behave alike everywhere. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  if (!ArrayBuffer.isView(bytes)) throw new TypeError('it is no Uint8Array');
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function checkSize(format: { readonly name: string; readonly maxBytes?: number }, sizeBytes: number): void {
  const { name: what, maxBytes: limitBytes = sizeBytes } = format;
  if (sizeBytes > limitBytes) throw new CodecError('TOO_LARGE', { what, sizeBytes, limitBytes });
}

/** The field numbers that stand where the kinds of a union do; at most eight. */
export function fieldNumbers(bytes: Uint8Array, { path, beside = [] }: UnionPlace): number[] {
  const [next, ...rest] = path;
  const numbers = new Set<number>();
  const reader = new BoundedReader(bytes);
  while (reader.pos < reader.len && numbers.size < 8) {
    const tag = reader.tag();
    const number = tag >>> 3;
    if (number === next && (tag & 7) === 2) {
      for (const found of fieldNumbers(reader.bytes(), { path: rest, beside })) numbers.add(found);
    } else {
      if (next === undefined && !beside.includes(number)) numbers.add(number);
      reader.skipType(tag & 7, 0, number);
    }
  }
  return [...numbers].slice(0, 8);
}
