import type { Stream } from '@libp2p/interface';
import { lpStream, type LengthPrefixedStream } from '@libp2p/utils';
import { orAbort } from '@lloom/core';
import { dialDataBytes, maxMessageBytes } from '../internal/autonatMessages.ts';

/** Streams of a connection at once, in each direction: one that is used and one that is closing. */
export const streamLimits = { maxInboundStreams: 2, maxOutboundStreams: 2 } as const;
/** Room for dial data that arrives faster than it is read, with its frames. */
const maxBufferBytes = 2 * dialDataBytes.most;

/** Frames of a stream. Nothing may be awaited before: bytes that arrive earlier could be lost. */
export function framesOf(stream: Stream): LengthPrefixedStream {
  return lpStream(stream, { maxDataLength: maxMessageBytes, maxBufferSize: maxBufferBytes });
}

/** Closes a stream, and resets it when the other side leaves its end open until the signal fires. Never rejects. */
export async function finish(stream: Stream, signal: AbortSignal): Promise<void> {
  const { promise: isClosed, resolve } = Promise.withResolvers<void>();
  const onClose = (): void => resolve();
  stream.addEventListener('close', onClose, { once: true });
  try {
    await stream.close({ signal });
    if (stream.status === 'open' || stream.status === 'closing') await orAbort(isClosed, signal);
  } catch (error) {
    stream.abort(errorOf(error));
  } finally {
    stream.removeEventListener('close', onClose);
  }
}

export const errorOf = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
