import type { Clock } from '@lloom/core';
import type { ByteStream } from '../ports.ts';

/** How long a peer has to take the last bytes and close its side. */
export const lingerMs = 2_000;

/**
 * Ends a stream so that what was written last still arrives: writes `last`, closes this side, waits for the peer to
 * close the other, and resets what is left after two seconds. An immediate reset could overtake the last bytes.
 * Never rejects.
 */
export async function partWith(stream: ByteStream, clock: Clock, last?: () => Promise<void>): Promise<void> {
  const timer = clock.setTimeout(
    () => stream.abort(new Error('the peer did not close the stream')),
    lingerMs,
  );
  try {
    await last?.();
    await stream.closeWrite();
    await stream.closed;
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)));
  } finally {
    clock.clearTimeout(timer);
  }
}
