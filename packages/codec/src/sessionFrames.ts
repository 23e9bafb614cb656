import { CodecError } from './errors.ts';
import { limits } from './limits.ts';

/** The kinds of frames in a session, by their numbers on the wire. */
export const sessionFrame = Object.freeze({
  /** Begins a request: its head, and the first piece of its message. */
  open: 1,
  /** A piece of a message; the last one of it unless it says `more`. */
  body: 2,
  /** The last piece of the last message of one side. */
  end: 3,
  /** The client wants no answer any more. */
  cancel: 4,
  /** The request failed; what it holds says why. */
  error: 5,
  /** How many bytes of messages more the sender of this frame takes. */
  credit: 6,
} as const);

/** A kind of frame in a session, as a number. */
export type SessionFrameKind = (typeof sessionFrame)[keyof typeof sessionFrame];

/** One frame of a session. */
export interface SessionFrame {
  readonly kind: SessionFrameKind;
  /** The request that it belongs to, 1 to 2^32 - 1. */
  readonly id: number;
  /** Whether the message goes on in the next `body` or `end` frame of this id. Of `open` and `body` only. */
  readonly more: boolean;
  /** At most 64 KiB. */
  readonly payload: Uint8Array;
}

/** What stands before a payload. */
export interface SessionHeader {
  /** Bytes of the payload, at most 65,536. */
  readonly length: number;
  readonly kind: SessionFrameKind;
  readonly more: boolean;
  readonly id: number;
}

/** Bytes of a frame before its payload. */
export const sessionHeaderBytes = 8;

const moreBit = 0x80;
const creditBytes = 4;
const maxPayloadBytes: number = limits.sessionFrameBytes;
const firstAllocationBytes = 4 * 1024;
const nothing = new Uint8Array(0);

/**
 * Writes the header of a frame; its payload belongs behind it.
 *
 * ```text
 * frame  = length kind id payload
 * length = 3 bytes, big endian: bytes of payload, at most 65,536
 * kind   = 1 byte: its number, and 0x80 for "more"
 * id     = 4 bytes, big endian, 1 or more
 * ```
 *
 * @throws {CodecError} `TOO_LARGE` when the payload is beyond 64 KiB; `INVALID_FIELD` when a member is wrong, or the
 * target too short
 */
export function writeSessionHeader(target: Uint8Array, offset: number, header: SessionHeader): void {
  const { length, kind, more, id } = header;
  if (length >>> 0 !== length || length > maxPayloadBytes || id >>> 0 !== id || id === 0)
    refuseHeader(header);
  if (!(kind === sessionFrame.open || kind === sessionFrame.body) && (more || !isKind(kind)))
    refuseHeader(header);
  if (offset >>> 0 !== offset || offset + sessionHeaderBytes > target.length) {
    const wanted = `${sessionHeaderBytes} bytes of ${target.length}`;
    throw new CodecError('INVALID_FIELD', { path: 'offset', got: String(offset), wanted });
  }
  target[offset] = length >>> 16;
  target[offset + 1] = length >>> 8;
  target[offset + 2] = length;
  target[offset + 3] = more ? kind | moreBit : kind;
  target[offset + 4] = id >>> 24;
  target[offset + 5] = id >>> 16;
  target[offset + 6] = id >>> 8;
  target[offset + 7] = id;
}

/**
 * A frame as bytes of its own.
 * @throws {CodecError} as {@link writeSessionHeader}
 *
 * @example
 * ```ts
 * const payload = new Uint8Array([42]);
 * encodeSessionFrame({ kind: sessionFrame.body, id: 7, more: false, payload }); // Uint8Array [0, 0, 1, 2, 0, 0, 0, 7, 42]
 * ```
 */
export function encodeSessionFrame(frame: SessionFrame): Uint8Array {
  const { kind, id, more, payload } = frame;
  const bytes = new Uint8Array(sessionHeaderBytes + payload.length);
  writeSessionHeader(bytes, 0, { length: payload.length, kind, more, id });
  bytes.set(payload, sessionHeaderBytes);
  return bytes;
}

/**
 * The payload of a `credit` frame.
 * @param credit how many bytes of messages more are taken, 1 to 2^32 - 1
 * @throws {CodecError} `INVALID_FIELD`
 */
export function encodeCredit(credit: number): Uint8Array {
  if (!Number.isInteger(credit) || credit < 1 || credit > 0xffff_ffff) {
    const wanted = 'a whole number from 1 to 4294967295';
    throw new CodecError('INVALID_FIELD', { path: 'credit', got: String(credit), wanted });
  }
  return new Uint8Array([credit >>> 24, credit >>> 16, credit >>> 8, credit]);
}

/**
 * How many bytes of messages more the sender of a `credit` frame takes.
 * @throws {CodecError} `MALFORMED` when the payload is no such number, or 0
 */
export function readCredit(payload: Uint8Array): number {
  if (payload.length !== creditBytes) throw malformed('credit', `it has ${payload.length} bytes, not 4`);
  const credit = readUint32(payload, 0);
  if (credit === 0) throw malformed('credit', 'it is 0');
  return credit;
}

/**
 * The payload of an `open` frame.
 *
 * ```text
 * payload     = head-length head piece
 * head-length = 2 bytes, big endian: bytes of head, at most 8,192
 * ```
 *
 * @param head what `encodeOpenHead` gives
 * @param piece the first piece of the request's message; may be empty
 * @throws {CodecError} `TOO_LARGE` when the head is beyond 8 KiB
 */
export function joinOpen(head: Uint8Array, piece: Uint8Array): Uint8Array {
  checkHead(head.length);
  const payload = new Uint8Array(2 + head.length + piece.length);
  payload[0] = head.length >>> 8;
  payload[1] = head.length;
  payload.set(head, 2);
  payload.set(piece, 2 + head.length);
  return payload;
}

/**
 * The head of an `open` frame and the first piece of the request's message, as views.
 * @throws {CodecError} `TOO_LARGE` when the head is beyond 8 KiB; `MALFORMED` when it is beyond the payload
 */
export function splitOpen(payload: Uint8Array): { head: Uint8Array; piece: Uint8Array } {
  if (payload.length < 2) throw malformed('open frame', `it has ${payload.length} bytes, less than 2`);
  const length = ((payload[0] as number) << 8) | (payload[1] as number);
  checkHead(length);
  const left = payload.length - 2 - length;
  if (left < 0)
    throw malformed('open frame', `its head has ${length} bytes, ${payload.length - 2} are there`);
  const start = payload.byteOffset + 2;
  return {
    head: new Uint8Array(payload.buffer, start, length),
    piece: new Uint8Array(payload.buffer, start + length, left),
  };
}

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

function isHeader(length: number, kindByte: number, id: number): boolean {
  const kind = kindByte & 0x7f;
  return (
    id !== 0 &&
    kind !== 0 &&
    length <= maxPayloadBytes &&
    (kindByte < moreBit || kind <= sessionFrame.body) &&
    (kind !== sessionFrame.cancel || length === 0) &&
    (kind !== sessionFrame.credit || length === creditBytes)
  );
}

/** What is wrong with a header that `isHeader` refuses. */
function headerProblem(length: number, kindByte: number, id: number): CodecError {
  const kind = kindByte & 0x7f;
  if (length > maxPayloadBytes) return tooLarge(length);
  if (id === 0) return malformed('session frame', 'its id is 0');
  if (kind === 0) return malformed('session frame', 'its kind is 0');
  if (kindByte >= moreBit && kind > sessionFrame.body) {
    return malformed('session frame', `a frame of kind ${kind} says that more follows`);
  }
  return malformed('session frame', `a frame of kind ${kind} has ${length} bytes`);
}

function isKind(kind: number): boolean {
  return kind >>> 0 === kind && kind >= sessionFrame.open && kind <= sessionFrame.credit;
}

function refuseHeader({ length, kind, more, id }: SessionHeader): never {
  if (length > maxPayloadBytes) throw tooLarge(length);
  const wrong = (path: string, got: unknown, wanted: string): CodecError =>
    new CodecError('INVALID_FIELD', { path, got: String(got), wanted });
  if (length >>> 0 !== length) throw wrong('length', length, 'a whole number of bytes');
  if (id >>> 0 !== id || id === 0) throw wrong('id', id, 'a whole number from 1 to 4294967295');
  if (!isKind(kind)) throw wrong('kind', kind, 'a kind from 1 to 6');
  throw wrong('more', more, 'false, or kind 1 or 2');
}

function tooLarge(sizeBytes: number): CodecError {
  return new CodecError('TOO_LARGE', { what: 'session frame', sizeBytes, limitBytes: maxPayloadBytes });
}

function checkHead(sizeBytes: number): void {
  const limitBytes = limits.openHeadBytes;
  if (sizeBytes > limitBytes) throw new CodecError('TOO_LARGE', { what: 'open head', sizeBytes, limitBytes });
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

function malformed(what: string, reason: string): CodecError {
  return new CodecError('MALFORMED', { what, reason });
}
