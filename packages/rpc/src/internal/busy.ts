import type { ErrorFrame } from '@lloom/codec';
import { saidTexts } from './saidTexts.ts';

/** When a refused client may try again: requests last seconds. */
const retryAfterMs = 1_000;

/** The answer to a request that is not even read; `queueDepth` is absent when the node stops. */
export function busyFrame(queueDepth: number | undefined): ErrorFrame {
  const message = queueDepth === undefined ? saidTexts.stops : saidTexts.noRoom;
  return {
    type: 'error',
    code: 'BUSY',
    message,
    retryAfterMs,
    ...(queueDepth !== undefined && { queueDepth }),
  };
}
