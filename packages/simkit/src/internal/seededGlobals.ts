import crypto from 'node:crypto';
import type { Random } from '@lloom/core';
import type { Callable, Replacements } from './replacements.ts';

/** What bytes can be put into. */
type Buffered = ArrayBuffer | NodeJS.ArrayBufferView;
type Answer = (error: null, value: unknown) => void;

const versionByte = 6;
const variantByte = 8;

/** Makes all chance of the process come from `random`. The platform still checks what it is asked for. */
export function replaceChance(replacements: Replacements, random: Random): void {
  const { randomBytes, randomFillSync, randomInt, randomUUID } = crypto;
  const getRandomValues = Reflect.get(Crypto.prototype, 'getRandomValues') as Callable;
  const answer = (callback: unknown, value: unknown): void =>
    void setImmediate(() => (callback as Answer)(null, value));

  const fill = (buffer: Buffered, offset = 0, size?: number): Buffered => {
    const unit = (buffer as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
    const bytes = ArrayBuffer.isView(buffer)
      ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
      : new Uint8Array(buffer);
    const start = offset * unit;
    const end = size === undefined ? bytes.length : start + size * unit;
    bytes.set(random.bytes(end - start), start);
    return buffer;
  };
  const uuid = (timeMs?: number): string => {
    const bytes = Buffer.from(random.bytes(16));
    if (timeMs !== undefined) bytes.writeUIntBE(timeMs, 0, 6);
    bytes[versionByte] = (bytes[versionByte]! & 0x0f) | (timeMs === undefined ? 0x40 : 0x70);
    bytes[variantByte] = (bytes[variantByte]! & 0x3f) | 0x80;
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  };

  replacements.fn(Math, 'random', () => random.float());
  replacements.fn(Crypto.prototype, 'getRandomValues', function (this: Crypto, array: Uint8Array) {
    Reflect.apply(getRandomValues, this, [array]);
    return fill(array);
  });
  replacements.fn(Crypto.prototype, 'randomUUID', () => uuid());
  replacements.fn(crypto, 'randomUUID', (options?: crypto.RandomUUIDOptions) => {
    randomUUID(options);
    return uuid();
  });
  if ('randomUUIDv7' in crypto) replacements.fn(crypto, 'randomUUIDv7', () => uuid(Date.now()));
  replacements.fn(crypto, 'randomBytes', (size: number, callback?: unknown) => {
    const bytes = fill(randomBytes(size));
    return callback === undefined ? bytes : answer(callback, bytes);
  });
  replacements.fn(crypto, 'randomFillSync', (...args: Parameters<typeof fill>) => {
    randomFillSync(...(args as [Uint8Array]));
    return fill(...args);
  });
  replacements.fn(crypto, 'randomFill', (...args: [...Parameters<typeof fill>, unknown]) => {
    const callback = args.pop();
    const range = args as unknown as Parameters<typeof fill>;
    randomFillSync(...(range as [Uint8Array]));
    answer(callback, fill(...range));
  });
  replacements.fn(crypto, 'randomInt', (...args: (number | Answer)[]) => {
    const callback = typeof args.at(-1) === 'function' ? args.pop() : undefined;
    const [min, max] = (args.length === 1 ? [0, args[0]] : args) as [number, number];
    randomInt(min, max);
    const value = min + Math.floor(random.float() * (max - min));
    return callback === undefined ? value : answer(callback, value);
  });
}
