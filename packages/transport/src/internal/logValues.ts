import { base32 } from 'multiformats/bases/base32';
import { base58btc } from 'multiformats/bases/base58';
import { base64 } from 'multiformats/bases/base64';
import { errorText } from '@lloom/core';
import type { LogValue } from '../ports.ts';

const maxTextLength = 500;
const maxListLength = 64;
const maxEntryLength = 256;
const maxJsonEntries = 20;
/** What is shown of bytes: keys are shorter, and what is longer is content. */
const maxShownBytes = 64;

const bases: Readonly<Record<string, { baseEncode(bytes: Uint8Array): string }>> = {
  b: base58btc,
  t: base32,
  m: base64,
};

/** What must not be read from a log, whoever hands it over. */
const secretName = /private|secret|passw|mnemonic|credential|authorization|token$/i;

/** A text of bounded length. */
export const logText = (text: string, maxLength = maxTextLength): string => errorText(text, maxLength);

/** A value where a text stands. */
export function showText(value: unknown): string {
  if (typeof value === 'string') return logText(value);
  if (value instanceof Error) return errorText(value, maxTextLength);
  if (typeof value !== 'object' || value === null) return primitiveText(value);
  const text = ownText(value);
  return text === undefined ? showJson(value) : logText(text);
}

/** Bytes in the base that a formatter names. */
export function showBytes(letter: string, value: unknown): string {
  if (!(value instanceof Uint8Array)) return showText(value);
  const shown = bases[letter]?.baseEncode(value.subarray(0, maxShownBytes)) ?? '';
  return value.length > maxShownBytes ? `${shown}… (${value.length} bytes)` : shown;
}

/** One level of an object or a list, as JSON. What is deeper is content. */
export function showJson(value: object): string {
  if (ArrayBuffer.isView(value)) return bytesText(value);
  const entries: [string, unknown][] = [];
  let isCut = false;
  for (const name in value) {
    if (!Object.hasOwn(value, name)) continue;
    isCut = entries.length === maxJsonEntries;
    if (isCut) break;
    entries.push([logText(name, 64), shallow(name, (value as Record<string, unknown>)[name])]);
  }
  const isList = Array.isArray(value);
  const rest = isList ? value.length - entries.length : '…';
  if (isCut) entries.push(['…', isList ? `${rest} more` : rest]);
  const copy = isList ? entries.map(([, entry]) => entry) : Object.fromEntries(entries);
  return logText(JSON.stringify(copy));
}

function shallow(name: string, value: unknown): unknown {
  const field = fieldOf(name, value);
  if (field !== undefined && !Array.isArray(field)) return field;
  return Array.isArray(value) ? `${value.length} entries` : '…';
}

/** A value as a field holds it; `undefined`: it has depth, or is nothing. */
export function fieldOf(name: string, value: unknown): LogValue | readonly LogValue[] | undefined {
  const single = valueOf(name, value, maxTextLength);
  if (single !== undefined || !Array.isArray(value)) return single;
  const list: LogValue[] = [];
  for (const entry of value.slice(0, maxListLength) as unknown[]) {
    const shown = valueOf(name, entry, maxEntryLength);
    if (shown === undefined) return undefined;
    list.push(shown);
  }
  return list;
}

function valueOf(name: string, value: unknown, maxLength: number): LogValue | undefined {
  if (typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (secretName.test(name)) return 'hidden';
  if (typeof value === 'string') return logText(value, maxLength);
  if (typeof value === 'bigint') return logText(String(value), maxLength);
  if (typeof value !== 'object') return undefined;
  if (ArrayBuffer.isView(value)) return bytesText(value);
  const text = value instanceof Error ? undefined : ownText(value);
  return text === undefined ? undefined : logText(text, maxLength);
}

const bytesText = ({ byteLength }: ArrayBufferView): string => `${byteLength} bytes`;

const primitiveText = (value: unknown): string =>
  typeof value === 'function' ? 'a function' : logText(String(value));

/** What an object says that it is: peer ids, multiaddrs, keys and the like do, plain objects and lists do not. */
function ownText(value: object): string | undefined {
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return undefined;
  const { toString } = value as { readonly toString?: unknown };
  if (typeof toString !== 'function' || toString === Object.prototype.toString) return undefined;
  return String(toString.call(value));
}
