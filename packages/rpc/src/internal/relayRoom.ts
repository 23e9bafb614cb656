import { Refusal } from '../errors.ts';

/** How long room is waited for, in ms: another connection through a relay, or a direct one that both sides agree on. */
export const roomMs = 10_000;

/** What a client needs beside that to come back, in ms. */
const returnMs = 2_000;

/**
 * How long an answer waits for its client to come back, in ms.
 *
 * @param joining there when the client was told that there is no room: it makes some first
 */
export function rejoinMsOf(
  { rejoinTimeoutMs }: { readonly rejoinTimeoutMs: number },
  joining: object | undefined,
): number {
  return joining === undefined ? rejoinTimeoutMs : Math.max(rejoinTimeoutMs, roomMs + returnMs);
}

/** What a message of an answer costs when it is said once more, beside its bytes. */
export const costOfMessageBytes = 16;

/** What connections add to what they carry, at most: a five-hundredth, and some for what they say of themselves. */
function withFrames(bytes: number): number {
  return bytes + Math.ceil(bytes / 512) + 512;
}

/** What is told of so many bytes that a relay would cut; `undefined` when they get through. */
export function noRoom(bytes: number, bytesLeft: number | undefined): Refusal | undefined {
  if (bytesLeft === undefined || withFrames(bytes) <= bytesLeft) return undefined;
  const left = Math.max(0, bytesLeft);
  return new Refusal('RELAY_LIMIT', `the relay lets ${left} bytes through, and ${bytes} are to be sent`);
}

/**
 * What a write costs a connection beside its bytes: the headers of Yamux and of Noise, and the word of the peer, as large as those,
 * that it may send as much again. In libp2p that comes for each frame.
 */
export const costOfWriteBytes = 64;

/**
 * What one session, or one stream, may still send through a relay. A connection counts bytes when they leave, and the words of the
 * peer about them when they arrive: what comes of a burst is known too late.
 */
export class RelayAccount {
  #allBytes: number | undefined;

  /** @param costBytes what was sent here in all, by now; @returns how much more may be sent */
  spareOf(bytesLeft: number, costBytes: number): number {
    this.#allBytes ??= bytesLeft + costBytes;
    return Math.min(bytesLeft, this.#allBytes - costBytes);
  }
}

/** Whether it says that a relay would cut an answer. */
export function isRelayLimit(error: unknown): error is Refusal {
  return error instanceof Refusal && error.code === 'RELAY_LIMIT';
}
