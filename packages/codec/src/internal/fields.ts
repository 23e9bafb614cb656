import { fromHex, toHex, type Hex } from '@lloom/core';

/**
 * One field in both directions. `undefined` from `toWire` leaves it out; `undefined` from `fromWire` means absent.
 * Both throw a {@link FieldProblem} for what does not belong there.
 */
export interface Field<V> {
  toWire(value: V): unknown;
  fromWire(wire: unknown): V;
}

/** A message: its members can also be read into an object that has others already. */
export interface MessageField<T extends object> extends Field<T> {
  readInto(target: Record<string, unknown>, wire: unknown): void;
}

/** What is wrong with a field; the path grows on the way out. */
export class FieldProblem extends Error {
  path = '';
  readonly got: string;
  readonly wanted: string;

  constructor(got: string, wanted: string) {
    super(wanted);
    this.got = got;
    this.wanted = wanted;
  }

  /** The same problem, seen from the message that holds the field. */
  within(key: string): this {
    this.path = this.path === '' || this.path.startsWith('[') ? `${key}${this.path}` : `${key}.${this.path}`;
    return this;
  }
}

/** A union that holds no kind that is known here; its path is that of the union. */
export class UnknownVariant extends FieldProblem {
  constructor() {
    super('another kind', 'a known kind');
  }
}

/** Describes a value without repeating it: it may be large, or a secret. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return `a text of ${value.length} characters`;
  if (typeof value === 'number') return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value === null ? 'null' : typeof value === 'object' ? 'an object' : typeof value;
}

/** A field that reads and writes alike: `test` says whether a value belongs there. */
function plain<V>(wanted: string, test: (value: unknown) => boolean, absent: V): Field<V> {
  const check = (value: unknown): V => {
    if (!test(value)) throw new FieldProblem(describe(value), wanted);
    return value as V;
  };
  return { toWire: check, fromWire: (wire) => check(wire ?? absent) };
}

/** A text of at most `maxBytes` in UTF-8; `min` 1 refuses an empty one. */
export function text(maxBytes: number, min: 0 | 1 = 0): Field<string> {
  return plain(
    `${min === 1 ? 'a non-empty' : 'a'} text of at most ${maxBytes} bytes in UTF-8`,
    (value) =>
      typeof value === 'string' &&
      value.length >= min &&
      value.length <= maxBytes &&
      (value.length * 3 <= maxBytes || Buffer.byteLength(value) <= maxBytes) &&
      value.isWellFormed(),
    '',
  );
}

/** A non-negative amount of wei as a decimal text of at most 78 digits. */
export const wei: Field<string> = plain(
  'an amount in wei: decimal digits without leading zeros, at most 78',
  (value) => typeof value === 'string' && /^(?:0|[1-9][0-9]{0,77})$/.test(value),
  '',
);

/** `true` or `false`. */
export const flag: Field<boolean> = plain('true or false', (value) => typeof value === 'boolean', false);

/** A finite number. */
export const double: Field<number> = plain('a finite number', (value) => Number.isFinite(value), 0);

/** A number from 0 to 1. */
export const ratio: Field<number> = plain(
  'a number from 0 to 1',
  (value) => typeof value === 'number' && value >= 0 && value <= 1,
  0,
);

/** A whole number of a range. */
export function whole(min: number, max: number): Field<number> {
  return plain(
    `a whole number from ${min} to ${max}`,
    (value) => isUint(value, max) && (value as number) >= min,
    0,
  );
}

/** A whole number below 2^32. */
export const uint32: Field<number> = whole(0, 0xffff_ffff);

/** A whole number below 2^53. A larger one on the wire is refused, never rounded. */
export const uint64: Field<number> = {
  toWire: (value) => checkUint64(value),
  fromWire: (wire) => {
    if (wire === null || wire === undefined) return 0;
    if (typeof wire === 'number') return checkUint64(wire);
    const { low, high } = wire as { low: number; high: number };
    if (high >>> 0 >= 0x20_0000)
      throw new FieldProblem('a number of 2^53 or more', 'a whole number below 2^53');
    return (high >>> 0) * 0x1_0000_0000 + (low >>> 0);
  },
};

/** Exactly `length` bytes, as hex. With `empty`, those bytes are left out on the wire. */
export function hexBytes(length: number, empty?: Hex): Field<Hex> {
  const wanted = `${length} bytes as hex`;
  return {
    toWire: (value) => {
      if (typeof value !== 'string' || value.length !== 2 + 2 * length)
        throw new FieldProblem(describe(value), wanted);
      if (value === empty) return undefined;
      try {
        return fromHex(value);
      } catch {
        throw new FieldProblem('other characters', wanted);
      }
    },
    fromWire: (wire) => {
      const bytes = wire as Uint8Array | null | undefined;
      if (empty !== undefined && (bytes === null || bytes === undefined || bytes.length === 0)) return empty;
      if (bytes?.length !== length) throw new FieldProblem(describe(bytes), `${length} bytes`);
      return toHex(bytes);
    },
  };
}

/** Bytes, at least one. */
export const bytes: Field<Uint8Array> = plain(
  'at least one byte',
  (value) => value instanceof Uint8Array && value.length > 0,
  new Uint8Array(0),
);

/** Present or not. On the wire, absent is absent, and so is an empty text when `emptyIsAbsent`. */
export function optional<V>(field: Field<V>, emptyIsAbsent: boolean = false): Field<V | undefined> {
  return {
    toWire: (value) => (value === undefined ? undefined : field.toWire(value)),
    fromWire: (wire) =>
      wire === null || wire === undefined || (emptyIsAbsent && wire === '')
        ? undefined
        : field.fromWire(wire),
  };
}

/** A list with a bounded number of entries. */
export function list<V>(field: Field<V>, max: number, min: 0 | 1 = 0): Field<readonly V[]> {
  const check = (values: unknown): readonly unknown[] => {
    if (Array.isArray(values) && values.length <= max && values.length >= min) return values;
    throw new FieldProblem(describe(values), `a list of ${min} to ${max} entries`);
  };
  return {
    toWire: (values) => {
      const entries = check(values) as readonly V[];
      const wire: unknown[] = [];
      try {
        while (wire.length < entries.length) wire.push(field.toWire(entries[wire.length] as V));
      } catch (error) {
        throw seenFrom(error, `[${wire.length}]`);
      }
      return wire;
    },
    fromWire: (wire) => {
      const entries = check(wire ?? []);
      const values: V[] = [];
      try {
        while (values.length < entries.length) values.push(field.fromWire(entries[values.length]));
      } catch (error) {
        throw seenFrom(error, `[${values.length}]`);
      }
      return values;
    },
  };
}

/** The fields of a message by the names of its members. */
export type RecordFields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

/**
 * A message with named fields; the names are those of the wire. Fields that are absent get no key.
 *
 * @param members names of members that are called otherwise than on the wire
 */
export function record<T extends object>(
  fields: RecordFields<T>,
  members: Readonly<Record<string, string>> = {},
): MessageField<T> {
  const keys = Object.keys(fields);
  const names = keys.map((key) => members[key] ?? key);
  const converters = Object.values<Field<unknown>>(fields);
  const count = keys.length;
  const readInto = (target: Record<string, unknown>, wire: unknown): void => {
    if (!isObject(wire)) throw new FieldProblem('nothing', 'an object');
    let index = 0;
    try {
      for (; index < count; index++) {
        const converted = (converters[index] as Field<unknown>).fromWire(wire[keys[index] as string]);
        if (converted !== undefined) target[names[index] as string] = converted;
      }
    } catch (error) {
      throw seenFrom(error, keys[index] as string);
    }
  };
  return {
    toWire: (value) => {
      if (!isObject(value)) throw new FieldProblem(describe(value), 'an object');
      const wire: Record<string, unknown> = {};
      let index = 0;
      try {
        for (; index < count; index++) {
          const converted = (converters[index] as Field<unknown>).toWire(value[names[index] as string]);
          if (converted !== undefined) wire[keys[index] as string] = converted;
        }
      } catch (error) {
        throw seenFrom(error, keys[index] as string);
      }
      return wire;
    },
    fromWire: (wire) => {
      const value: Record<string, unknown> = {};
      readInto(value, wire);
      return value as T;
    },
    readInto,
  };
}

/** A field that is looked at as another type of value. */
export function mapped<V, Inner>(
  inner: Field<Inner>,
  convert: { readonly to: (value: V) => Inner; readonly from: (value: Inner) => V },
): Field<V> {
  return {
    toWire: (value) => inner.toWire(convert.to(value)),
    fromWire: (wire) => convert.from(inner.fromWire(wire)),
  };
}

/** Whether a value has named members: an object, and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What was thrown inside a message, seen from the one that holds it as `key`. */
export function seenFrom(error: unknown, key: string): unknown {
  return error instanceof FieldProblem ? error.within(key) : error;
}

/** A field inside a message that is left out on the wire; errors name it nevertheless. */
export function under<V>(key: string, field: Field<V>): Field<V> {
  return {
    toWire: (value) => {
      try {
        return field.toWire(value);
      } catch (error) {
        throw seenFrom(error, key);
      }
    },
    fromWire: (wire) => {
      try {
        return field.fromWire(wire);
      } catch (error) {
        throw seenFrom(error, key);
      }
    },
  };
}

function isUint(value: unknown, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

function checkUint64(value: unknown): number {
  if (!isUint(value, Number.MAX_SAFE_INTEGER))
    throw new FieldProblem(describe(value), 'a whole number below 2^53');
  return value as number;
}
