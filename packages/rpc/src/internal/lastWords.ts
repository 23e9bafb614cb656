import { encodeErrorFrame, type ErrorFrame } from '@lloom/codec';
import type { SaidCode } from '../errors.ts';
import { saidTexts } from './saidTexts.ts';

/** What is said of an answer that is not there any more. */
export const lostMessage = message('REQUEST_LOST', saidTexts.lost);

/** When a refused client may try again, in ms. */
const retryAfterMs = 1_000;

/** What a client is told whose request ended so, unless there is more to say. Nobody is told of the others. */
const lastWords: Readonly<Partial<Record<string, Uint8Array>>> = {
  slow: message('INVALID_REQUEST', saidTexts.slow),
  crowdedOut: message('BUSY', saidTexts.noSlotInTime, retryAfterMs),
  omitted: message('OMITTED', saidTexts.omitted),
  stopped: message('BUSY', saidTexts.stops, retryAfterMs),
  // `BUSY` would promise that the request was not run.
  interrupted: message('REMOTE', saidTexts.stopped),
};

/** What a client is told at the end of a request that was not answered, by how that ended; `undefined`: nothing. */
export function lastMessage(outcome: string, error: Uint8Array | undefined): Uint8Array | undefined {
  return outcome === 'refused' || outcome === 'failed' ? error : lastWords[outcome];
}

/** A signature each, and why it ends; what an answer keeps for its own is enough for so many beside it. */
const lastWordsOfOneBytes = 2 * 1024;
const othersProvidedFor = 3;

/** What of a relay's last bytes is kept for the last words of so many other answers to the same peer. */
export function keptForOthersBytes(others: number): number {
  return Math.max(0, others - othersProvidedFor) * lastWordsOfOneBytes;
}

function message(code: SaidCode, text: string, retry?: number): Uint8Array {
  const frame: ErrorFrame = {
    type: 'error',
    code,
    message: text,
    ...(retry !== undefined && { retryAfterMs: retry }),
  };
  return encodeErrorFrame(frame);
}
