// signature = 0x30, length, integer r, integer s
// integer   = 0x02, length, the bytes of the number without leading zeros, and one 0x00 before them where the first
//             of them is 0x80 or more
const sequenceTag = 0x30;
const integerTag = 0x02;

/** The DER form of r and s, 32 bytes each. What follows them is not looked at. */
export function toDer(signature: Uint8Array): Uint8Array {
  const r = toInteger(signature.subarray(0, 32));
  const s = toInteger(signature.subarray(32, 64));
  const der = new Uint8Array(2 + r.length + s.length);
  der[0] = sequenceTag;
  der[1] = r.length + s.length;
  der.set(r, 2);
  der.set(s, 2 + r.length);
  return der;
}

/**
 * r and s, 32 bytes each, of a signature in DER; `undefined` when it is in any other than the one form that DER gives a
 * pair of numbers of at most 256 bits. So nobody can turn one signature into a second one that also verifies. Whether
 * the numbers are in the range of the curve is not looked at.
 */
export function fromDer(der: Uint8Array): Uint8Array | undefined {
  // A length of 128 or more would take two bytes; two integers of 256 bits never have it.
  const { length } = der;
  const middle = 4 + (der[3] ?? 0);
  if (der[0] !== sequenceTag || der[1] !== length - 2) return undefined;
  if (middle + 2 + (der[middle + 1] ?? 0) !== length) return undefined;
  const r = fromInteger(der.subarray(2, middle));
  const s = fromInteger(der.subarray(middle));
  if (r === undefined || s === undefined) return undefined;
  const signature = new Uint8Array(64);
  signature.set(r, 32 - r.length);
  signature.set(s, 64 - s.length);
  return signature;
}

function toInteger(bytes: Uint8Array): Uint8Array {
  let zeros = 0;
  while (bytes[zeros] === 0) zeros += 1;
  const number = bytes.subarray(zeros);
  const padding = (number[0] ?? 0) >= 0x80 ? 1 : 0;
  const integer = new Uint8Array(2 + padding + number.length);
  integer[0] = integerTag;
  integer[1] = padding + number.length;
  integer.set(number, 2 + padding);
  return integer;
}

/** The bytes of a number, without the padding; `undefined` when it is negative, longer than need be, or too large. */
function fromInteger(integer: Uint8Array): Uint8Array | undefined {
  const first = integer[2];
  if (integer[0] !== integerTag || first === undefined || first >= 0x80) return undefined;
  if (first === 0 && (integer[3] ?? 0) < 0x80) return undefined;
  const number = integer.subarray(first === 0 ? 3 : 2);
  return number.length > 32 ? undefined : number;
}
