/**
 * The bytes of `0x` and hexadecimal digits, or `undefined` when the value is something else. Unlike `fromHex` of the
 * core, it gives a piece of the platform's pool: a third of the time for 65 bytes, but nothing to keep.
 */
export function bytesOfHex(hex: unknown): Uint8Array | undefined {
  if (typeof hex !== 'string' || !hex.startsWith('0x')) return undefined;
  const bytes = Buffer.from(hex.slice(2), 'hex');
  // Reading ends at the first character that is no digit, but takes some outside of ASCII for digits.
  const isHex = hex.length === 2 + 2 * bytes.length && Buffer.byteLength(hex) === hex.length;
  return isHex ? bytes : undefined;
}
