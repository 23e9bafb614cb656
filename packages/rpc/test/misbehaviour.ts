import type { Stream } from '@libp2p/interface';
import {
  decodeRequestFrame,
  decodeResponseFrame,
  encodeFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  FrameDecoder,
  type LlmRequest,
  type RequestMessage,
  type ResponseFrame,
  type SignedMessage,
} from '@lloom/codec';
import type { Identity } from '@lloom/identity';

/** What a peer does with a stream. */
export type Misbehaviour = (stream: Stream) => void | Promise<void>;

/** The bytes of one frame of an answer. */
export function frame(value: ResponseFrame): Uint8Array {
  return encodeFrame(encodeResponseFrame(value));
}

/** The bytes of one request. */
export function requestFrame(request: RequestMessage): Uint8Array {
  return encodeFrame(encodeRequestFrame({ stream: false, metadata: {}, request }));
}

/** The whole answer to a ping. */
export const pong = frame({ type: 'end', response: { type: 'pong' } });

export function says(...messages: readonly Uint8Array[]): Misbehaviour {
  return (stream) => {
    for (const bytes of messages) stream.send(bytes);
  };
}

export function saysAndEnds(bytes: Uint8Array): Misbehaviour {
  return (stream) => {
    stream.send(bytes);
    return stream.close();
  };
}

export function saysAndResets(bytes: Uint8Array): Misbehaviour {
  return (stream) => {
    stream.send(bytes);
    stream.abort(new Error('no'));
  };
}

/** The frames that a peer answers with until it ends its side. */
export function readFrames(stream: Stream): Promise<ResponseFrame[]> {
  const decoder = new FrameDecoder();
  const frames: ResponseFrame[] = [];
  return new Promise((resolve) => {
    stream.addEventListener('message', ({ data }) => {
      for (const message of decoder.push(data.subarray())) frames.push(decodeResponseFrame(message));
    });
    stream.addEventListener('remoteCloseWrite', () => resolve(frames));
    stream.addEventListener('close', () => resolve(frames));
  });
}

/** The signed question that a client sends. */
export function readOneRequest(stream: Stream): Promise<SignedMessage<LlmRequest>> {
  const decoder = new FrameDecoder();
  return new Promise((resolve) => {
    stream.addEventListener('message', ({ data }) => {
      for (const message of decoder.push(data.subarray())) {
        const { request } = decodeRequestFrame(message);
        if (request.type === 'llmRequest') resolve(request.request);
      }
    });
  });
}

/** What an answer without any sense costs. */
export const totals = {
  finishReason: 'stop',
  inboundTokens: 1,
  outboundTokens: 1,
  totalCost: '5',
  modelUsed: 'demo-small',
};

/** The bytes of a proven answer in one piece, `proven`, to the question that comes on a stream. */
export async function wholeAnswer(stream: Stream, executor: Identity): Promise<Uint8Array> {
  const request = await readOneRequest(stream);
  const requestDigest = executor.verifier().digest(request.payloadBytes);
  const payload = { content: 'proven', ...totals, requestDigest };
  const response = await executor.sign(payload, { to: request.signer, inReplyTo: requestDigest });
  return frame({ type: 'end', response: { type: 'llmResponse', response } });
}
