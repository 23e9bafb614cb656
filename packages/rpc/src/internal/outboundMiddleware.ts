import { errorText } from '@lloom/core';
import { RpcError } from '../errors.ts';
import type { Middleware, OutboundCall } from '../types.ts';

/**
 * Sends a request through everything that stands around it. `send` is called with what is to travel beside it, once.
 *
 * @throws {RpcError} `MIDDLEWARE_FAILED` when it does not come to that
 */
export async function throughOutbound(
  middleware: readonly Middleware[],
  call: OutboundCall,
  send: (metadata: Readonly<Record<string, string>>) => Promise<unknown>,
): Promise<void> {
  const { requestId, peerId } = call;
  let isSent = false;
  const step = async (index: number, metadata: Readonly<Record<string, string>>): Promise<unknown> => {
    const layer = middleware[index];
    if (layer === undefined) {
      if (isSent) throw new TypeError('a middleware called next twice');
      const sending = send(metadata);
      isSent = true;
      return sending;
    }
    if (layer.outbound === undefined) return step(index + 1, metadata);
    let outcome: Promise<unknown> | undefined;
    const next = (given = metadata): Promise<unknown> => {
      outcome = step(index + 1, given);
      // It may fail while the middleware does not look.
      outcome.catch(() => undefined);
      return outcome;
    };
    await layer.outbound({ ...call, metadata }, next);
    return outcome;
  };
  try {
    await step(0, call.metadata);
  } catch (cause) {
    if (isSent) throw cause;
    throw new RpcError('MIDDLEWARE_FAILED', { requestId, peerId, reason: errorText(cause, 160) }, { cause });
  }
  if (isSent) return;
  throw new RpcError('MIDDLEWARE_FAILED', { requestId, peerId, reason: 'it did not go on' });
}
