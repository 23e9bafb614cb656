import type { RequestMessage, ResponseMessage } from '@lloom/codec';
import type { EvmAddress } from '@lloom/core';
import type { RpcError } from './errors.ts';
import type { Answer, RequestId, ResponseChannel } from './types.ts';

/** What the rpc service tells. */
export type RpcEvents = {
  /** A peer asks. Signed requests have been verified. Answer through `channel`, or leave it to the handler. */
  'request:received': {
    readonly peerId: string;
    readonly request: RequestMessage;
    readonly channel: ResponseChannel;
  };
  /**
   * Before it was last stopped, this node had accepted a request, and had not answered it to the end: whoever asks again is
   * told `REQUEST_LOST`. Once each, a second after the start; needs a datastore.
   */
  'request:lost': {
    readonly signer: EvmAddress;
    readonly idempotencyKey: string;
    /** Who had asked. */
    readonly peerId: string;
    /** When it was accepted, in ms since 1970, by the clock of then. */
    readonly acceptedAt: number;
  };
  /** A request of ours was answered, and what was signed is proven. */
  'response:received': {
    readonly peerId: string;
    readonly requestId: RequestId;
    readonly response:
      | ResponseMessage
      | { readonly type: 'llmAnswer'; readonly answer: Answer }
      | { readonly type: 'custom'; readonly protocolName: string; readonly value: unknown };
  };
  /** A request of ours failed for good. Once, and last. */
  'request:failed': { readonly peerId: string; readonly requestId: RequestId; readonly error: RpcError };
  /** An attempt failed and another follows. */
  'request:retrying': {
    readonly peerId: string;
    readonly requestId: RequestId;
    readonly attempt: number;
    readonly delayMs: number;
    readonly error: RpcError;
  };
};
