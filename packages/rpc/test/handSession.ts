import type { Stream } from '@libp2p/interface';
import {
  decodeErrorFrame,
  decodeRequestMessage,
  encodeAnswerEnd,
  encodeErrorFrame,
  encodeOpenHead,
  encodeRequestMessage,
  encodeSessionFrame,
  joinOpen,
  sessionFrame,
  SessionDecoder,
  splitOpen,
  type ErrorFrame,
  type LlmRequest,
  type OpenHead,
  type RequestMessage,
  type SessionFrame,
  type SessionFrameKind,
  type SignedMessage,
} from '@lloom/codec';
import type { Misbehaviour } from './misbehaviour.ts';

const nothing = new Uint8Array(0);

/** The whole answer to a ping, as a message. */
export const pongMessage = encodeAnswerEnd({ type: 'end', response: { type: 'pong' } });

/** An error, as a message. */
export function errorMessage(code: string, message = 'no'): Uint8Array {
  const frame: ErrorFrame = { type: 'error', code, message };
  return encodeErrorFrame(frame);
}

/** The bytes of one frame. */
export function sessionBytes(
  kind: SessionFrameKind,
  id: number,
  { payload = nothing, more = false }: { payload?: Uint8Array; more?: boolean } = {},
): Uint8Array {
  return encodeSessionFrame({ kind, id, more, payload });
}

/** The bytes that open a request; a ping unless another one is given. */
export function openBytes(
  id: number,
  {
    message = { type: 'ping' },
    piece = encodeRequestMessage(message),
    more = false,
    ...head
  }: { message?: RequestMessage; piece?: Uint8Array; more?: boolean } & Partial<OpenHead> = {},
): Uint8Array {
  const whole: OpenHead = { method: message.type, stream: false, metadata: {}, ...head };
  return sessionBytes(sessionFrame.open, id, { payload: joinOpen(encodeOpenHead(whole), piece), more });
}

/** The signed question that a frame opens. */
export function questionIn({ payload }: SessionFrame): SignedMessage<LlmRequest> {
  const message = decodeRequestMessage(splitOpen(payload).piece);
  if (message.type !== 'llmRequest') throw new Error('Expected a question');
  return message.request;
}

/** One end of a session that a test plays by hand. */
export class HandSession {
  readonly stream: Stream;
  /** What has come, in order. */
  readonly frames: SessionFrame[] = [];
  /** Called for each frame. */
  onFrame: (frame: SessionFrame) => void = () => undefined;

  constructor(stream: Stream) {
    this.stream = stream;
    const decoder = new SessionDecoder((frame) => {
      const kept = { ...frame, payload: frame.payload.slice() };
      this.frames.push(kept);
      this.onFrame(kept);
    });
    stream.addEventListener('message', ({ data }) => decoder.push(data.subarray()));
  }

  /** Whether the other side has not ended it. */
  get isOpen(): boolean {
    return this.stream.status === 'open' && this.stream.remoteWriteStatus === 'writable';
  }

  /** Writes bytes, all at once; nothing when the stream is gone. */
  write(...parts: readonly Uint8Array[]): void {
    if (this.stream.status === 'open') this.stream.send(Buffer.concat(parts));
  }

  /** Answers a ping. */
  pong(id: number): void {
    this.write(sessionBytes(sessionFrame.end, id, { payload: pongMessage }));
  }

  /** What has come for each request, by id: `pong`, the code of an error, or the number of another kind of frame. */
  get answers(): Record<number, (string | number)[]> {
    const answers: Record<number, (string | number)[]> = {};
    for (const { kind, id, payload } of this.frames) (answers[id] ??= []).push(nameOf(kind, payload));
    return answers;
  }
}

function nameOf(kind: SessionFrameKind, payload: Uint8Array): string | number {
  if (kind === sessionFrame.error) return decodeErrorFrame(payload).code;
  if (kind === sessionFrame.end && Buffer.compare(payload, pongMessage) === 0) return 'pong';
  return kind;
}

/** Takes sessions, and does what a test wants with each request that is opened. */
export function inSession(act: (session: HandSession, open: SessionFrame) => unknown): Misbehaviour {
  return (stream) => {
    const session = new HandSession(stream);
    session.onFrame = (frame) => {
      if (frame.kind === sessionFrame.open) act(session, frame);
    };
  };
}
