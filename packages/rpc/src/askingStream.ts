import { CodecError, encodeFrame, FrameDecoder, joinRequestFrame, splitResponseFrame } from '@lloom/codec';
import type { Clock } from '@lloom/core';
import type { AnswerReceiver, CarriedRequest, Carrier, SentRequest } from './internal/exchange.ts';
import { unsendable } from './internal/failures.ts';
import { partWith } from './internal/partWith.ts';
import type { ByteStream, Network } from './ports.ts';

/** Messages that wait for their reader before the peer is stopped; the muxer's window comes on top. */
const maxUnreadBytes = 64 * 1024;

const isGivenUp = new Error('the request has ended');

/** What asking over streams takes. */
export interface AskingStreamConfig {
  readonly network: Network;
  readonly clock: Clock;
  readonly peerId: string;
  /** The protocol of a request, by its method. */
  readonly protocolOf: (method: string) => string;
  readonly maxAnswerBytes: number;
}

/** Requests of this node to one peer, each over a stream of its own. */
export class StreamCarrier implements Carrier {
  readonly #config: AskingStreamConfig;

  constructor(config: AskingStreamConfig) {
    this.#config = config;
  }

  send(request: CarriedRequest, receiver: AnswerReceiver): SentRequest {
    return new AskedStream(this.#config, request, receiver);
  }
}

/** One request, over its stream. */
class AskedStream implements SentRequest {
  readonly #config: AskingStreamConfig;
  readonly #request: CarriedRequest;
  readonly #receiver: AnswerReceiver;
  readonly #controller = new AbortController();
  #stream: ByteStream | undefined;
  #isOver = false;
  #unreadBytes = 0;
  #wake: (() => void) | undefined;

  constructor(config: AskingStreamConfig, request: CarriedRequest, receiver: AnswerReceiver) {
    this.#config = config;
    this.#request = request;
    this.#receiver = receiver;
    void this.#run();
  }

  get relay(): string | undefined {
    return this.#stream?.relay;
  }

  taken(bytes: number): void {
    this.#unreadBytes -= bytes;
    if (this.#unreadBytes >= maxUnreadBytes) return;
    this.#wake?.();
    this.#wake = undefined;
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller.abort(isGivenUp);
    this.#stream?.abort(isGivenUp);
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { network, peerId, protocolOf } = this.#config;
    const { requestId, method } = this.#request;
    let stream: ByteStream;
    try {
      const call = { requestId, signal: this.#controller.signal, protocol: protocolOf(method) };
      stream = await network.open(peerId, call);
    } catch (error) {
      return this.#lose(error, false);
    }
    if (this.#isOver) return stream.abort(isGivenUp);
    this.#stream = stream;
    this.#receiver.onOpened();
    // It may have been given up by that; its stream was, too.
    if (this.#isOver) return;
    let frame: Uint8Array;
    try {
      frame = joinRequestFrame(this.#request.head(), this.#request.body);
    } catch (error) {
      stream.abort(isGivenUp);
      return this.#lose(unsendable(error), false);
    }
    void this.#write(stream, frame);
    try {
      await this.#read(stream);
    } catch (error) {
      stream.abort(isGivenUp);
      this.#lose(error, true);
    }
  }

  async #write(stream: ByteStream, frame: Uint8Array): Promise<void> {
    const { signal } = this.#controller;
    try {
      await stream.write(encodeFrame(frame, frame.length), signal);
      await stream.closeWrite(signal);
      if (!this.#isOver) this.#receiver.onSent();
    } catch {
      // A peer may refuse before it has everything, and close. What it says, or how it closed, is found by reading.
    }
  }

  async #read(stream: ByteStream): Promise<void> {
    const { maxAnswerBytes } = this.#config;
    const decoder = new FrameDecoder({ maxFrameBytes: maxAnswerBytes });
    let sizeBytes = 0;
    while (!this.#isOver) {
      const bytes = await stream.read();
      if (this.#isOver) return;
      if (bytes === undefined) {
        decoder.end();
        return this.#omit(stream);
      }
      for (const frame of decoder.push(bytes)) {
        const { kind, bytes: message } = splitResponseFrame(frame);
        // As the peer counts it, and as a session does: without what frames add.
        if ((sizeBytes += message.length) > maxAnswerBytes)
          throw new CodecError('TOO_LARGE', { what: 'answer', sizeBytes, limitBytes: maxAnswerBytes });
        if (kind !== 'chunk') return this.#end(stream, { kind, message });
        // It says nothing and counts for nothing, so there would be no end of them.
        if (message.length === 0)
          throw new CodecError('MALFORMED', { what: 'answer', reason: 'it has an empty message' });
        this.#unreadBytes += message.length;
        this.#receiver.onMessage('chunk', message);
        if (this.#isOver) return;
      }
      if (decoder.isInsideFrame) this.#receiver.onProgress();
      if (this.#unreadBytes >= maxUnreadBytes) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #end(stream: ByteStream, last: { readonly kind: 'end' | 'error'; readonly message: Uint8Array }): void {
    this.#isOver = true;
    void partWith(stream, this.#config.clock);
    this.#receiver.onMessage(last.kind, last.message);
  }

  #omit(stream: ByteStream): void {
    this.#isOver = true;
    void partWith(stream, this.#config.clock);
    this.#receiver.onOmitted();
  }

  #lose(error: unknown, wasSent: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#receiver.onLost(error, wasSent);
  }
}
