import { CodecError } from './errors.ts';
import {
  headerProblem,
  isHeader,
  malformed,
  maxPayloadBytes,
  moreBit,
  readUint32,
  sessionFrame,
  sessionHeaderBytes,
  type SessionFrame,
  type SessionFrameKind,
} from './sessionFrames.ts';

const firstAllocationBytes = 4 * 1024;
const nothing = new Uint8Array(0);

/**
 * Takes frames out of bytes that arrive in any pieces. A header is checked when it is complete, before anything of its
 * payload is stored; storage grows with what has arrived, never with what was announced. Frames of kinds 7 to 127 are
 * skipped: a newer peer may send what an older one need not know.
 *
 * After an error the bytes cannot be trusted any more: every further call throws the same error.
 *
 * @example
 * ```ts
 * const decoder = new SessionDecoder(({ id, payload }) => console.log(id, payload)); // 7 Uint8Array [42]
 * decoder.push(new Uint8Array([0, 0, 1, 2, 0, 0, 0, 7, 42]));
 * decoder.end(); // throws when bytes of an unfinished frame are left
 * ```
 */
export class SessionDecoder {
  readonly #onFrame: (frame: SessionFrame) => void;
  readonly #splitAboveBytes: number;
  readonly #header = new Uint8Array(sessionHeaderBytes);
  #headerHave = 0;
  /** Of the frame that is being read, once its header is there. */
  #wanted = -1;
  #kindByte = 0;
  #id = 0;
  #have = 0;
  #stored: Uint8Array = nothing;
  #isPushing = false;
  #failure: CodecError | undefined;

  /**
   * @param onFrame called for each frame, in order, before `push` returns. A payload that lies within one chunk is a
   * view of it, not a copy. It must not throw, nor call this decoder: what is left of the chunk would be lost, so
   * every later call throws `MALFORMED`.
   * @param config `splitAboveBytes`: a larger payload of a `body` or `end` frame that comes in several chunks is not
   * gathered here, but handed on as several pieces of the same message, all but the last with `more`. @default never
   */
  constructor(onFrame: (frame: SessionFrame) => void, config: { readonly splitAboveBytes?: number } = {}) {
    this.#onFrame = onFrame;
    this.#splitAboveBytes = config.splitAboveBytes ?? maxPayloadBytes;
  }

  /** Whether bytes of an unfinished frame were taken. */
  get isInsideFrame(): boolean {
    return this.#headerHave > 0 || this.#wanted >= 0;
  }

  /** Bytes of storage for the unfinished frame, its header left out: at most 64 KiB. */
  get heldBytes(): number {
    return this.#stored.length;
  }

  /**
   * Takes the next bytes and calls back for each frame that they complete.
   * @throws {CodecError} `TOO_LARGE` or `MALFORMED`, behind the frames before the bad one
   */
  push(chunk: Uint8Array): void {
    this.#checkUsable();
    this.#isPushing = true;
    const { buffer, byteOffset, length: size } = chunk;
    const onFrame = this.#onFrame;
    let at = this.isInsideFrame ? this.#resume(chunk) : 0;
    while (size - at >= sessionHeaderBytes) {
      const length =
        ((chunk[at] as number) << 16) | ((chunk[at + 1] as number) << 8) | (chunk[at + 2] as number);
      const kindByte = chunk[at + 3] as number;
      const id = readUint32(chunk, at + 4);
      const kind = kindByte & 0x7f;
      if (!isHeader(length, kindByte, id)) this.#refuse(length, kindByte, id);
      const start = at + sessionHeaderBytes;
      at = start + length;
      if (at > size) {
        this.#begin(length, kindByte, id);
        this.#take(chunk, start);
        break;
      }
      if (kind > sessionFrame.credit) continue;
      const payload = new Uint8Array(buffer, byteOffset + start, length);
      onFrame({ kind: kind as SessionFrameKind, id, more: kindByte >= moreBit, payload });
    }
    for (; at < size; at++) this.#header[this.#headerHave++] = chunk[at] as number;
    this.#isPushing = false;
  }

  /**
   * Says that no more bytes come.
   * @throws {CodecError} `TRUNCATED` when they ended inside a frame
   */
  end(): void {
    this.#checkUsable();
    if (!this.isInsideFrame) return;
    const hasHeader = this.#wanted >= 0;
    this.#failure = new CodecError('TRUNCATED', {
      gotBytes: hasHeader ? sessionHeaderBytes + this.#have : this.#headerHave,
      wantedBytes: sessionHeaderBytes + Math.max(this.#wanted, 0),
    });
    throw this.#failure;
  }

  /** Goes on with the frame that the chunk before ended in; gives the place behind what it took. */
  #resume(chunk: Uint8Array): number {
    let at = 0;
    if (this.#wanted < 0) {
      while (at < chunk.length && this.#headerHave < sessionHeaderBytes) {
        this.#header[this.#headerHave++] = chunk[at++] as number;
      }
      if (this.#headerHave < sessionHeaderBytes) return at;
      const header = this.#header;
      const length = readUint32(header, 0) >>> 8;
      const kindByte = header[3] as number;
      const id = readUint32(header, 4);
      if (!isHeader(length, kindByte, id)) this.#refuse(length, kindByte, id);
      this.#begin(length, kindByte, id);
    }
    return this.#take(chunk, at);
  }

  #begin(length: number, kindByte: number, id: number): void {
    this.#wanted = length;
    this.#kindByte = kindByte;
    this.#id = id;
  }

  /** Takes bytes of the payload that was begun, and calls back when it is complete. */
  #take(chunk: Uint8Array, start: number): number {
    const end = Math.min(chunk.length, start + this.#wanted - this.#have);
    const length = end - start;
    const isWhole = length === this.#wanted;
    const kind = this.#kindByte & 0x7f;
    const isKnown = kind <= sessionFrame.credit;
    const piece = isKnown ? new Uint8Array(chunk.buffer, chunk.byteOffset + start, length) : nothing;
    const isSplit =
      this.#wanted > this.#splitAboveBytes && (kind === sessionFrame.body || kind === sessionFrame.end);
    if (isSplit) return this.#handOn(piece, end);
    if (isKnown && !isWhole) this.#store(piece);
    this.#have += length;
    if (this.#have < this.#wanted) return end;
    const payload = isWhole ? piece : this.#stored;
    this.#wanted = -1;
    this.#headerHave = 0;
    this.#have = 0;
    this.#stored = nothing;
    if (isKnown) {
      const more = this.#kindByte >= moreBit;
      this.#onFrame({ kind: kind as SessionFrameKind, id: this.#id, more, payload });
    }
    return end;
  }

  /** Hands a piece of a large payload on at once. */
  #handOn(payload: Uint8Array, end: number): number {
    this.#have += payload.length;
    const isLast = this.#have === this.#wanted;
    const [kind, id] = [this.#kindByte & 0x7f, this.#id];
    const more = !isLast || this.#kindByte >= moreBit;
    if (isLast) {
      this.#wanted = -1;
      this.#headerHave = 0;
      this.#have = 0;
    }
    if (payload.length === 0) return end;
    this.#onFrame({ kind: isLast ? (kind as SessionFrameKind) : sessionFrame.body, id, more, payload });
    return end;
  }

  #store(piece: Uint8Array): void {
    const needed = this.#have + piece.length;
    if (needed > this.#stored.length) {
      const size = Math.min(this.#wanted, Math.max(needed, 2 * this.#stored.length, firstAllocationBytes));
      const grown = new Uint8Array(size);
      grown.set(this.#stored);
      this.#stored = grown;
    }
    this.#stored.set(piece, this.#have);
  }

  #checkUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#isPushing) return;
    throw (this.#failure = malformed('session frame', 'frames of the bytes before were not taken'));
  }

  #refuse(length: number, kindByte: number, id: number): never {
    throw (this.#failure = headerProblem(length, kindByte, id));
  }
}
