import { errorText } from '@lloom/core';
import { Reader, type Writer } from 'protobufjs/minimal.js';

import { CodecError } from '../errors.ts';
import { limits } from '../limits.ts';
import { FieldProblem, UnknownVariant, type Field } from './fields.ts';

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
  const wire = checked(format.name, () => format.fields.toWire(value));
  const encoded = plainBytes(format.wire.encode(wire as never).finish());
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
    throw new CodecError('MALFORMED', { what: format.name, reason: errorText(error, 120) }, { cause: error });
  }
  return checked(
    format.name,
    () => format.fields.fromWire(wire),
    (path) => fieldNumbers(bytes, format.unions?.[path] ?? { path: [] }),
  );
}

/**
 * Calls `act`; what is wrong with a field becomes an error that names it, seen from the message `name`.
 * `numbersOf` finds the field numbers of a union of unknown kind, by its path.
 */
export function checked<R>(
  name: string,
  act: () => R,
  numbersOf: (path: string) => readonly number[] = () => [],
): R {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof FieldProblem)) throw error;
    const fields = error instanceof UnknownVariant ? numbersOf(error.path) : undefined;
    const { path, got, wanted } = error.within(name);
    if (fields !== undefined) throw new CodecError('UNKNOWN_VARIANT', { union: path, fields });
    throw new CodecError('INVALID_FIELD', { path, got, wanted });
  }
}

/** Refuses messages of very many small parts: each part costs far more memory than its two bytes on the wire. */
class BoundedReader extends Reader {
  override discardUnknown = true;
  #left: number = limits.fields;

  override tag(): number {
    if (this.#left-- === 0) throw new RangeError(`it has more than ${limits.fields} fields`);
    return super.tag();
  }
}

/** The same bytes without the ways of a Node.js buffer, so that slices and comparisons behave alike everywhere. */
function plainBytes(bytes: Uint8Array): Uint8Array {
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
function fieldNumbers(bytes: Uint8Array, { path, beside = [] }: UnionPlace): number[] {
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
