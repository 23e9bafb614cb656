import type { Hex } from './types.ts';

/** Up to this many bytes are written digit by digit: a call of the platform costs more than that. */
const longestByHand = 128;

// The two digits of each byte as one number, in the order in which memory has them.
const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join('');
const pairs = new Uint16Array(new TextEncoder().encode(digits).buffer);

const sheet = Buffer.from(new ArrayBuffer(2 + 2 * longestByHand));
const sheetPairs = new Uint16Array(sheet.buffer, 2);
sheet.write('0x');

/** Bytes as `0x` and lower-case digits. */
export function toHex(bytes: Uint8Array): Hex {
  const { length } = bytes;
  if (length > longestByHand) {
    return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('hex')}`;
  }
  for (let index = 0; index < length; index++) sheetPairs[index] = pairs[bytes[index] ?? 0] ?? 0;
  return sheet.toString('latin1', 0, 2 + 2 * length) as Hex;
}

/**
 * The bytes of a hexadecimal text.
 * @throws {TypeError} when the text is not `0x` and an even number of hexadecimal digits
 */
export function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(hex.slice(2), 'hex'));
  // Reading ends at the first character that is no digit, but takes some outside of ASCII for digits.
  const isHex = hex.startsWith('0x') && hex.length === 2 + 2 * bytes.length && isAscii(hex);
  if (!isHex)
    throw new TypeError(`Cannot read hex: want "0x" and pairs of digits, got ${hex.length} characters`);
  return bytes;
}

/** In UTF-8, only what is in ASCII takes one byte for each character. */
function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}
