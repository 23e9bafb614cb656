import { encodeFrame, encodeResponseFrame } from '@lloom/codec';

/** When a refused client may try again: requests last seconds. */
const retryAfterMs = 1_000;

/** The one frame for a request that is not even read; `queueDepth` is absent when the node stops. */
export function encodeBusy(queueDepth: number | undefined): Uint8Array {
  const message = queueDepth === undefined ? 'this node stops' : 'this node has no room now';
  const depth = queueDepth === undefined ? {} : { queueDepth };
  return encodeFrame(encodeResponseFrame({ type: 'error', code: 'BUSY', message, retryAfterMs, ...depth }));
}
