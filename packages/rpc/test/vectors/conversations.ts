import {
  encodeAnswerChunk,
  encodeAnswerEnd,
  encodeCredit,
  encodeErrorFrame,
  encodeOpenHead,
  encodeRequestMessage,
  encodeSessionFrame,
  joinOpen,
  sessionFrame,
  type ChunkFrame,
  type EndFrame,
  type ErrorFrame,
  type OpenHead,
  type RequestMessage,
  type SessionFrame,
  type SignedMessage,
} from '@lloom/codec';
import { fromHex, toHex, type Hex } from '@lloom/core';
import { filled, type Party } from './parties.ts';

/** A frame of a session as the vectors describe it: what it holds by at most one of the members behind `head`. */
export interface FrameVector {
  readonly from: string;
  readonly kind: string;
  readonly id: number;
  readonly more?: boolean;
  readonly head?: object;
  readonly request?: object;
  readonly chunk?: object;
  readonly end?: object;
  readonly error?: object;
  readonly credit?: number;
  /** Bytes of a custom protocol that are a text. */
  readonly text?: string;
  /** So many bytes `61` of a custom protocol. They follow `bytes`, and are not among them. */
  readonly fill?: number;
  readonly bytes: string;
}

/** What stands in the way of bytes that are too many to be written out. */
const fillByte = 0x61;
const utf8 = new TextEncoder();

/** The frame that a vector describes. */
export function frameOf(vector: FrameVector, messages: ReadonlyMap<string, SignedMessage>): SessionFrame {
  const { kind, id, more = false, head } = vector;
  const content = contentOf(vector, messages);
  const payload = head === undefined ? content : joinOpen(encodeOpenHead(head as OpenHead), content);
  return { kind: sessionFrame[kind as keyof typeof sessionFrame], id, more, payload };
}

/** All bytes of a vector. */
export function bytesOf({ bytes, fill = 0 }: { readonly bytes: string; readonly fill?: number }): Uint8Array {
  return fromHex(bytes + fillByte.toString(16).repeat(fill));
}

/** The bytes of the frames of one party, one behind the other, as hexadecimal digits. */
export function bytesFrom(party: Party, frames: readonly FrameVector[]): Hex {
  const own = frames.filter(({ from }) => from === party);
  return toHex(Buffer.concat(own.map(bytesOf)));
}

/** The bytes of a frame without those that fill it. */
export function shownBytes(frame: SessionFrame, { fill = 0 }: FrameVector): string {
  const bytes = encodeSessionFrame(frame);
  return toHex(bytes.subarray(0, bytes.length - fill));
}

function contentOf(vector: FrameVector, messages: ReadonlyMap<string, SignedMessage>): Uint8Array {
  const { request, chunk, end, error, credit, text, fill } = vector;
  const whole = (value: object): object => filled(value, messages) as object;
  if (request !== undefined) return encodeRequestMessage(whole(request) as RequestMessage);
  if (chunk !== undefined) return encodeAnswerChunk({ type: 'chunk', ...whole(chunk) } as ChunkFrame);
  if (end !== undefined) return encodeAnswerEnd({ type: 'end', ...whole(end) } as EndFrame);
  if (error !== undefined) return encodeErrorFrame({ type: 'error', ...error } as ErrorFrame);
  if (credit !== undefined) return encodeCredit(credit);
  if (text !== undefined) return utf8.encode(text);
  return new Uint8Array(fill ?? 0).fill(fillByte);
}
