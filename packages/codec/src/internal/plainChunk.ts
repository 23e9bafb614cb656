import type { ChunkFrame } from '../types.ts';

// Chunks without a segment are most of what is sent, so their three fields are written and read without the generated
// class. Whatever is unusual is left to it: what it gives or throws for such a chunk is all that there is to say.

const sequenceTag = 0x08;
const textTag = 0x12;
const tokensTag = 0x18;
/** Bytes of a number; one that needs more is unusual. */
const longestNumber = 4;
const numbersEnd = 2 ** (7 * longestNumber);
/** Characters, or bytes, of a text; a longer one is unusual. */
const longestText = 4 * 1024;
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes of an ordinary chunk without a segment; `undefined` for any other. */
export function writePlainChunk(chunk: ChunkFrame): Uint8Array | undefined {
  if (chunk?.type !== 'chunk' || chunk.segment !== undefined) return undefined;
  const { sequence, text, tokens } = chunk;
  if (!isShort(sequence) || !isShort(tokens)) return undefined;
  if (typeof text !== 'string' || text.length > longestText || !text.isWellFormed()) return undefined;
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(length + 3 * (1 + longestNumber));
  let at = 0;
  if (sequence > 0) {
    bytes[at] = sequenceTag;
    at = writeNumber(bytes, at + 1, sequence);
  }
  if (length > 0) {
    bytes[at] = textTag;
    at = writeNumber(bytes, at + 1, length);
    at += bytes.write(text, at);
  }
  if (tokens > 0) {
    bytes[at] = tokensTag;
    at = writeNumber(bytes, at + 1, tokens);
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset, at);
}

/** The chunk of some bytes that {@link writePlainChunk} may have written; `undefined` for any other bytes. */
export function readPlainChunk(bytes: Uint8Array): ChunkFrame | undefined {
  if (!(bytes instanceof Uint8Array)) return undefined;
  let at = 0;
  const readNumber = (): number => {
    let value = 0;
    for (let have = 0; have < longestNumber; have++) {
      const byte = bytes[at++];
      if (byte === undefined) return -1;
      value |= (byte & 0x7f) << (7 * have);
      if (byte < 0x80) return value;
    }
    return -1;
  };
  let sequence = 0;
  let tokens = 0;
  let text = '';
  if (bytes[at] === sequenceTag) {
    at++;
    sequence = readNumber();
  }
  if (bytes[at] === textTag) {
    at++;
    const length = readNumber();
    const end = at + length;
    if (length < 0 || length > longestText || end > bytes.length) return undefined;
    try {
      text = strict.decode(new Uint8Array(bytes.buffer, bytes.byteOffset + at, length));
    } catch {
      return undefined;
    }
    at = end;
  }
  if (bytes[at] === tokensTag) {
    at++;
    tokens = readNumber();
  }
  if (at !== bytes.length || sequence < 0 || tokens < 0) return undefined;
  return { type: 'chunk', sequence, text, tokens };
}

function isShort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < numbersEnd;
}

function writeNumber(target: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  target[at++] = rest;
  return at;
}
