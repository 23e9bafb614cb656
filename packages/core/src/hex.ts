import type { Hex } from './types.ts';

/** Bytes as `0x` and lower-case digits. */
export function toHex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`;
}

/**
 * The bytes of a hexadecimal text.
 * @throws {TypeError} when the text is not `0x` and an even number of hexadecimal digits
 */
export function fromHex(hex: string): Uint8Array {
  if (!/^0x(?:[0-9a-fA-F]{2})*$/.test(hex)) {
    throw new TypeError(`Cannot read hex: want "0x" and pairs of digits, got ${hex.length} characters`);
  }
  return new Uint8Array(Buffer.from(hex.slice(2), 'hex'));
}
