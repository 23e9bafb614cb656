import { encodeErrorFrame, type ErrorFrame } from '@lloom/codec';
import type { SaidCode } from '../errors.ts';

/** What is said of an answer that is not there any more. */
export const lostText = 'this node accepted the request and has lost it';

/** The message that says so. */
export const lostMessage = message('REQUEST_LOST', lostText);

/** When a refused client may try again, in ms. */
const retryAfterMs = 1_000;

/** What a client is told whose request ended so, unless there is more to say. Nobody is told of the others. */
const lastWords: Readonly<Partial<Record<string, Uint8Array>>> = {
  slow: message('INVALID_REQUEST', 'the request did not arrive in time'),
  crowdedOut: message('BUSY', 'no slot was free in time', retryAfterMs),
  omitted: message('OMITTED', 'nobody answered in time'),
  stopped: message('BUSY', 'this node stops', retryAfterMs),
  // `BUSY` would promise that the request was not run.
  interrupted: message('REMOTE', 'this node stopped before it had answered'),
};

/** What a client is told at the end of a request that was not answered, by how that ended; `undefined`: nothing. */
export function lastMessage(outcome: string, error: Uint8Array | undefined): Uint8Array | undefined {
  return outcome === 'refused' || outcome === 'failed' ? error : lastWords[outcome];
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
