import { CodecError, decodeResponseFrame, FrameDecoder, type ResponseFrame } from '@lloom/codec';
import type { ByteStream } from '../ports.ts';

/**
 * The frames of an answer, each when it is asked for: bytes that nobody asks for stay at the peer.
 * Ends when the peer ends its side.
 * @throws {CodecError} when the bytes are no frames, or all together beyond `maxBytes`; what `stream.read` throws
 */
export async function* readAnswer(stream: ByteStream, maxBytes: number): AsyncGenerator<ResponseFrame, void> {
  const decoder = new FrameDecoder({ maxFrameBytes: maxBytes });
  let sizeBytes = 0;
  for (;;) {
    const bytes = await stream.read();
    if (bytes === undefined) return decoder.end();
    for (const message of decoder.push(bytes)) {
      sizeBytes += message.length;
      if (sizeBytes > maxBytes)
        throw new CodecError('TOO_LARGE', { what: 'answer', sizeBytes, limitBytes: maxBytes });
      yield decodeResponseFrame(message);
    }
  }
}

/**
 * The one message that a client sends.
 *
 * @param onBytes told of each piece before it is stored; what it throws ends the reading
 * @throws {CodecError} `TRUNCATED` when the client ends its side first, `TOO_LARGE`, `MALFORMED`; what `stream.read` throws
 */
export async function readRequest(
  stream: ByteStream,
  maxBytes: number,
  onBytes: (length: number) => void,
): Promise<Uint8Array> {
  const decoder = new FrameDecoder({ maxFrameBytes: maxBytes });
  for (;;) {
    const bytes = await stream.read();
    onBytes(bytes?.length ?? 0);
    const [message] = bytes === undefined ? [] : decoder.push(bytes);
    if (message !== undefined) return message;
    if (bytes === undefined) {
      decoder.end();
      throw new TypeError('the client ended its side without a request');
    }
  }
}
