import type { CommonPorts, Signer, Verifier } from '@lloom/core';

/** What the rpc service may be given from outside. */
export interface RpcPorts extends CommonPorts {
  /** Signs answers. @default none: only messages that are signed already, and pings, can be answered */
  readonly signer?: Signer;
  /** Proves requests and answers. @default none: signed requests are refused, and cannot be sent */
  readonly verifier?: Verifier;
}

/** Two ways of bytes between two peers. */
export interface ByteStream {
  /** The next bytes; `undefined` when the peer ended its side properly. Bytes that nobody reads stop the sender. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when more may be written: a peer that does not read stops it. */
  write(bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Ends this side; what was written still arrives. */
  closeWrite(signal?: AbortSignal): Promise<void>;
  /** Ends both sides at once. */
  abort(reason: Error): void;
  /** Resolves when both sides are closed, however that came about. */
  readonly closed: Promise<void>;
}

/** The network, as the service needs it. */
export interface Network {
  /** A stream to a peer, over a new connection when there is none. Throws an `RpcError` that says why not. */
  open(
    peerId: string,
    request: { readonly requestId: string; readonly signal: AbortSignal },
  ): Promise<ByteStream>;
  /** Calls `onStream` for each stream that a peer opens, synchronously, before its first byte is lost. */
  serve(onStream: (stream: ByteStream, peerId: string) => void): Promise<void>;
  /** Takes no more streams. */
  unserve(): Promise<void>;
  /** Resolves when peers have received what they were answered, or when the signal aborts. Never rejects. */
  flush(signal: AbortSignal): Promise<void>;
  /** This node's own peer id. */
  readonly peerId: string;
  /** Notes a failure that nobody else is told of. */
  log(message: string, error: unknown): void;
}
