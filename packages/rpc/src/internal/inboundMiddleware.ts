import type { RequestHead } from '@lloom/codec';
import type { InboundCall, Middleware, RequestId } from '../types.ts';

/** What stands around a request of a peer, and what is within. */
export interface InboundStack {
  readonly middleware: readonly Middleware[];
  /** Has it answered. Resolves with how it ended. */
  readonly answer: () => Promise<string>;
  /** Ends it with what a middleware threw instead of going on. Resolves with how it ended. */
  readonly refuse: (error: unknown) => Promise<string>;
  /** Notes what a middleware threw behind the request. */
  readonly log: (message: string, error: unknown) => void;
}

/** A request as middleware sees it. Its signal is made when somebody looks at it. */
export function inboundCall(
  owner: { readonly requestId: RequestId; readonly peerId: string; readonly signal: AbortSignal },
  { metadata, traceparent }: RequestHead,
  asked: { readonly method: string; readonly request: unknown },
): InboundCall {
  const { requestId, peerId } = owner;
  return {
    ...{ requestId, peerId, ...asked, metadata, traceparent },
    get signal() {
      return owner.signal;
    },
  };
}

/** Takes a request of a peer through everything that stands around it. Never rejects. */
export async function throughInbound(call: InboundCall, stack: InboundStack): Promise<void> {
  await enter(0, call, stack);
}

async function enter(index: number, call: InboundCall, stack: InboundStack): Promise<string> {
  const { middleware, answer, refuse, log } = stack;
  const layer = middleware[index];
  if (layer === undefined) return answer();
  if (layer.inbound === undefined) return enter(index + 1, call, stack);
  let outcome: Promise<string> | undefined;
  try {
    await layer.inbound(call, () => (outcome ??= enter(index + 1, call, stack)));
  } catch (error) {
    if (outcome === undefined) return refuse(error);
    log('a middleware failed behind a request', error);
  }
  return outcome ?? refuse(new TypeError('a middleware did not go on'));
}
