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

export const moreBit = 0x80;
const creditBytes = 4;
export const maxPayloadBytes: number = limits.sessionFrameBytes;

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

export function isHeader(length: number, kindByte: number, id: number): boolean {
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
export function headerProblem(length: number, kindByte: number, id: number): CodecError {
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

export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

export function malformed(what: string, reason: string): CodecError {
  return new CodecError('MALFORMED', { what, reason });
}
