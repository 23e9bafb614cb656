import { CodecError, limits, SessionDecoder, sessionHeaderBytes } from '../../src/index.ts';
import type { SessionFrame } from '../../src/index.ts';
import { mutated } from './fuzz.ts';

type Random = () => number;

const below = (random: Random, limit: number): number => Math.floor(random() * limit);

/** What comes out of a decoder, boiled down to numbers: the same ones for the same frames and the same error. */
export interface Outcome {
  readonly frames: number;
  readonly digest: number;
  /** Code and data of the error; empty when there was none. */
  readonly error: string;
}

/** Takes frames in and says what they were. */
class Digest {
  frames = 0;
  #digest = 0x811c_9dc5;

  readonly add = ({ kind, id, more, payload }: SessionFrame): void => {
    this.frames += 1;
    this.#mix(kind);
    this.#mix(id);
    this.#mix(more ? 1 : 0);
    this.#mix(payload.length);
    for (const byte of payload) this.#mix(byte);
  };

  ended(error: string): Outcome {
    return { frames: this.frames, digest: this.#digest, error };
  }

  #mix(value: number): void {
    this.#digest = Math.imul(this.#digest ^ value, 0x0100_0193) >>> 0;
  }
}

/** The frames of some bytes, read in the plainest way: all at once, by the words of the format. */
export function readPlainly(bytes: Uint8Array): Outcome {
  const digest = new Digest();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; ;) {
    const left = bytes.length - at;
    if (left === 0) return digest.ended('');
    if (left < sessionHeaderBytes) return digest.ended('TRUNCATED');
    const length = view.getUint32(at) >>> 8;
    const kind = view.getUint8(at + 3) % 128;
    const more = view.getUint8(at + 3) >= 128;
    const id = view.getUint32(at + 4);
    if (length > limits.sessionFrameBytes) return digest.ended('TOO_LARGE');
    const mayGoOn = kind === 1 || kind === 2;
    const hasLength = (kind !== 4 || length === 0) && (kind !== 6 || length === 4);
    if (kind === 0 || id === 0 || (more && !mayGoOn) || !hasLength) return digest.ended('MALFORMED');
    if (left < sessionHeaderBytes + length) return digest.ended('TRUNCATED');
    const payload = bytes.subarray(at + sessionHeaderBytes, at + sessionHeaderBytes + length);
    if (kind <= 6) digest.add({ kind: kind as SessionFrame['kind'], id, more, payload });
    at += sessionHeaderBytes + length;
  }
}

/** What a decoder makes of some bytes that come in pieces, each overwritten as soon as it was taken. */
export function readInPieces(bytes: Uint8Array, nextLength: () => number): Outcome {
  const digest = new Digest();
  const decoder = new SessionDecoder(digest.add);
  let error = '';
  const attempt = (act: () => void): void => {
    try {
      act();
      if (error !== '') throw new Error('it went on after an error');
    } catch (thrown) {
      if (!CodecError.is(thrown)) throw thrown;
      const told = `${thrown.code} ${JSON.stringify(thrown.data)}`;
      if (error !== '' && error !== told) throw new Error(`${error} became ${told}`, { cause: thrown });
      error = told;
    }
  };
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.slice(at, at + nextLength());
    attempt(() => decoder.push(piece));
    piece.fill(0xee);
    if (error !== '') break;
    at += piece.length;
    if (decoder.heldBytes > Math.min(limits.sessionFrameBytes, Math.max(4_096, 2 * at))) {
      throw new Error(`${decoder.heldBytes} bytes are held of ${at} that came`);
    }
  }
  attempt(() => decoder.end());
  if (error !== '') attempt(() => decoder.push(bytes));
  return digest.ended(error);
}

/** Frames of all kinds as bytes, small ones most often; some of them wrong. */
function frames(random: Random): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let count = 1 + below(random, 6); count > 0; count--) {
    const known = 1 + below(random, 6);
    const kind = random() < 0.95 ? known : below(random, 256);
    const more = kind <= 2 && random() < 0.3 ? 0x80 : 0;
    const usual = kind === 4 ? 0 : kind === 6 ? 4 : below(random, random() < 0.995 ? 40 : 70_000);
    const payload = new Uint8Array(usual).fill(below(random, 256));
    // A length that says something else, and an id that is none, now and then.
    const length = random() < 0.99 ? usual : below(random, random() < 0.5 ? 64 : 0xff_ffff);
    const id = random() < 0.99 ? 1 + below(random, 300) : below(random, 2) * 0xffff_ffff;
    const header = new DataView(new ArrayBuffer(sessionHeaderBytes));
    header.setUint32(0, length * 256 + (kind | more));
    header.setUint32(4, id);
    parts.push(new Uint8Array(header.buffer), payload);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** How bytes are cut: each alone, around the size of a header, or in larger pieces; many bytes not in tiny ones. */
function cuts(random: Random, length: number): () => number {
  const largest = length > 2_000 ? [300, 5_000, 40_000] : [1, 7, 17, 300];
  const most = largest[below(random, largest.length)] ?? 1;
  return () => 1 + below(random, most);
}

/** What {@link fuzzSessions} saw. */
export interface SessionTally {
  readonly frames: number;
  readonly whole: number;
  readonly refused: number;
}

/**
 * Feeds `count` mutated sequences of frames to decoders, each in two cuts of its own. Both must come to the same as
 * the plainest reading of the bytes.
 */
export function fuzzSessions(random: Random, count: number): SessionTally {
  const tally = { frames: 0, whole: 0, refused: 0 };
  let pool: Uint8Array[] = [];
  for (let index = 0; index < count; index++) {
    // New sequences now and then; the others are bent from those.
    if (index % 500 === 0) pool = Array.from({ length: 50 }, () => frames(random));
    const bytes = mutated(pool, random);
    const plainly = readPlainly(bytes);
    const outcomes = [
      readInPieces(bytes, () => bytes.length),
      readInPieces(bytes, cuts(random, bytes.length)),
    ];
    for (const { frames: found, digest, error } of outcomes) {
      const isSame = found === plainly.frames && digest === plainly.digest && error === outcomes[0]?.error;
      if (isSame && error.startsWith(plainly.error) && (error === '') === (plainly.error === '')) continue;
      const hex = Buffer.from(bytes).toString('hex').slice(0, 400);
      throw new Error(
        `Input ${index}, ${hex}: ${found} frames and "${error}", want ${JSON.stringify(plainly)}`,
      );
    }
    tally.frames += plainly.frames;
    if (plainly.error === '') tally.whole += 1;
    else tally.refused += 1;
  }
  return tally;
}
