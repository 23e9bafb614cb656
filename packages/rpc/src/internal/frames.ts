import { decodeResponseFrame, FrameDecoder, type ResponseFrame } from '@lloom/codec';
import type { ByteStream } from '../ports.ts';

/** What a frame is larger than its text: tags, lengths, and a signed segment with its envelope. */
const frameOverheadBytes = 16 * 1024;

/**
 * The frames of an answer, each when it is asked for: bytes that nobody asks for stay at the peer.
 * Ends when the peer ends its side.
 * @throws {CodecError} when the bytes are no frames, or beyond `maxBytes`; what `stream.read` throws
 */
export async function* readAnswer(stream: ByteStream, maxBytes: number): AsyncGenerator<ResponseFrame, void> {
  const decoder = new FrameDecoder({ maxFrameBytes: maxBytes + frameOverheadBytes });
  for (;;) {
    const bytes = await stream.read();
    if (bytes === undefined) return decoder.end();
    for (const message of decoder.push(bytes)) yield decodeResponseFrame(message);
  }
}

/**
 * The one message that a client sends.
 * @throws {CodecError} `TRUNCATED` when the client ends its side first, `TOO_LARGE`, `MALFORMED`; what `stream.read` throws
 */
export async function readRequest(stream: ByteStream, maxBytes: number): Promise<Uint8Array> {
  const decoder = new FrameDecoder({ maxFrameBytes: maxBytes });
  for (;;) {
    const bytes = await stream.read();
    const [message] = bytes === undefined ? [] : decoder.push(bytes);
    if (message !== undefined) return message;
    if (bytes === undefined) {
      decoder.end();
      throw new TypeError('the client ended its side without a request');
    }
  }
}
