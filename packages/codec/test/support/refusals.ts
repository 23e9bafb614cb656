import { lloom } from '../../src/generated/lloom.js';
import type { FormatName } from './formats.ts';

/** The generated classes write whatever they are given, so they can play a sender that checks nothing. */
interface Careless {
  readonly encode: (wire: never) => { finish(): Uint8Array };
}

/** A value that is refused, in both directions. */
export interface Refusal {
  readonly name: FormatName;
  readonly path: string;
  readonly value: unknown;
  /** The same on the wire. */
  readonly wire: object;
}

/** A list of one entry many times. */
export const times = <T>(count: number, entry: T): T[] => Array.from({ length: count }, () => entry);

/** Hexadecimal texts as the bytes that they are on the wire. */
export const withBytes = (value: object): Record<string, unknown> => {
  const toBytes = (entry: unknown): unknown =>
    typeof entry === 'string' && entry.startsWith('0x') ? Buffer.from(entry.slice(2), 'hex') : entry;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, toBytes(entry)]));
};

/** Values of a message that has another shape on the wire. */
export const onWire =
  (name: FormatName, wire: object) =>
  (path: string, value: object): Refusal => ({ name, path: `${name}.${path}`, value, wire });

/** The bytes that a sender writes who checks nothing. */
export function carelessBytes(name: FormatName, wire: object): Uint8Array {
  const careless = lloom[name] as unknown as Careless;
  return careless.encode(wire as never).finish();
}
