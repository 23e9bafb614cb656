import {
  CodecError,
  encodeErrorFrame,
  encodeFrame,
  FrameDecoder,
  joinResponseFrame,
  splitRequestFrame,
  type ErrorFrame,
} from '@lloom/codec';
import type { Clock } from '@lloom/core';
import type { Budget } from './internal/budget.ts';
import type { AnswerKind, InboundExchange, InboundReceiver } from './internal/exchange.ts';
import { costOfWriteBytes, RelayAccount } from './internal/relayRoom.ts';
import { partWith } from './internal/partWith.ts';
import type { ByteStream } from './ports.ts';

/** What a stream with one request needs of the service. */
export interface StreamHost {
  readonly clock: Clock;
  readonly maxRequestBytes: number;
  /** A request, and what stands around it. */
  readonly maxFrameBytes: number;
  /** Bytes of requests that are read, all streams together. */
  readonly unverified: Budget;
  /** Takes a request that begins, or says why not. */
  accept(exchange: InboundExchange): InboundReceiver | ErrorFrame;
}

/**
 * Serves the one request of a stream. `method` is that of the stream's protocol; `undefined` when the message says it.
 */
export function serveStream(
  stream: ByteStream,
  peer: { readonly peerId: string; readonly method: string | undefined },
  host: StreamHost,
): void {
  const exchange = new StreamExchange(stream, peer.peerId, host.clock);
  const receiver = host.accept(exchange);
  if ('type' in receiver) {
    void exchange.send('error', encodeErrorFrame(receiver));
    void exchange.finish(false);
    return;
  }
  // A stream that was given up and one whose connection broke look the same.
  void stream.closed.then(() => receiver.clientGone('cancelled'));
  if (peer.method !== undefined && !receiver.announce(peer.method)) return;
  readRequest(stream, host).then(
    ({ head, body }) => receiver.receive({ method: peer.method, head, body }),
    (error: unknown) => receiver.refuse(error),
  );
}

/**
 * The one message that a client sends.
 * @throws {CodecError} `TRUNCATED` when the client ends its side first, `TOO_LARGE`, `MALFORMED`; what `stream.read` throws
 */
async function readRequest(
  stream: ByteStream,
  { unverified, maxRequestBytes, maxFrameBytes }: StreamHost,
): Promise<ReturnType<typeof splitRequestFrame>> {
  const decoder = new FrameDecoder({ maxFrameBytes });
  let heldBytes = 0;
  try {
    for (;;) {
      const bytes = await stream.read();
      unverified.take(bytes?.length ?? 0);
      heldBytes += bytes?.length ?? 0;
      const [message] = bytes === undefined ? [] : decoder.push(bytes);
      if (message !== undefined) {
        const request = splitRequestFrame(message);
        const { length: sizeBytes } = request.body;
        if (sizeBytes <= maxRequestBytes) return request;
        throw new CodecError('TOO_LARGE', { what: 'request', sizeBytes, limitBytes: maxRequestBytes });
      }
      if (bytes !== undefined) continue;
      decoder.end();
      throw new CodecError('TRUNCATED', { gotBytes: 0, wantedBytes: 1 });
    }
  } finally {
    unverified.give(heldBytes);
  }
}

/** Where the request of a stream is answered. */
class StreamExchange implements InboundExchange {
  readonly peerId: string;
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #account = new RelayAccount();
  #costBytes = 0;
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(stream: ByteStream, peerId: string, clock: Clock) {
    this.#stream = stream;
    this.peerId = peerId;
    this.#clock = clock;
  }

  get connectionId(): string | undefined {
    return this.#stream.connectionId;
  }

  send(kind: AnswerKind, message: Uint8Array): Promise<void> {
    const frame = joinResponseFrame(kind, message);
    this.#costBytes += frame.length + costOfWriteBytes;
    const write = this.#lastWrite.then(() => this.#stream.write(encodeFrame(frame, frame.length)));
    // The next frame waits for this one, also when this one failed: frames never mix. The stream is closed then.
    return (this.#lastWrite = write.catch(() => undefined));
  }

  spareOf(bytesLeft: number): number {
    return this.#account.spareOf(bytesLeft, this.#costBytes);
  }

  finish(isClientGone: boolean): Promise<void> | undefined {
    if (!isClientGone) return partWith(this.#stream, this.#clock, () => this.#lastWrite);
    this.#stream.abort(new Error('the client is gone'));
    return undefined;
  }
}
