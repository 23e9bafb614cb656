import { Refusal } from './errors.ts';
import type { RequestHead } from '@lloom/codec';
import { encodeError, handlerFrame } from './internal/failures.ts';
import type { Follower } from './internal/following.ts';
import { inboundCall, throughInbound } from './internal/inboundMiddleware.ts';
import { bytesOf, checkSize, isPromise, valueOf } from './internal/results.ts';
import { saidTexts } from './internal/saidTexts.ts';
import type { RpcRuntime } from './runtime.ts';
import type { CustomProtocol, ProtocolContext } from './types.ts';

/** A request of a custom protocol. It is answered by itself: nobody else can ask the same. */
export interface CustomRequest extends Follower, ProtocolContext {
  /** Resolves with how it ended. */
  ended(): Promise<string>;
}

/** Has a request of a custom protocol answered, in one turn when the handler answers in it. */
export class CustomExecution {
  readonly #runtime: RpcRuntime;
  readonly #protocol: CustomProtocol;
  readonly #asker: CustomRequest;

  constructor(runtime: RpcRuntime, protocol: CustomProtocol, asker: CustomRequest) {
    this.#runtime = runtime;
    this.#protocol = protocol;
    this.#asker = asker;
  }

  start(body: Uint8Array, head: RequestHead): void {
    this.#runtime.watch.within(this.#asker, () => this.#start(body, head));
  }

  #start(body: Uint8Array, head: RequestHead): void {
    let request: unknown;
    try {
      request = valueOf(this.#protocol.request.decode(body));
    } catch {
      return this.#asker.refuse(new Refusal('INVALID_REQUEST', saidTexts.notOfProtocol));
    }
    if (this.#runtime.middleware.length === 0) this.#handle(request);
    else void this.#wrap(request, head);
  }

  async #wrap(request: unknown, head: RequestHead): Promise<void> {
    const { middleware, watch } = this.#runtime;
    const asker = this.#asker;
    const method = this.#protocol.protocolName;
    asker.onWorking();
    await throughInbound(inboundCall(asker, head, { method, request }), {
      middleware,
      answer: () => {
        if (asker.isWaiting) this.#handle(request);
        return asker.ended();
      },
      refuse: (error) => {
        watch.couldNotBe('handled', error, asker);
        asker.refuse(error instanceof Refusal ? error : new Refusal('REMOTE', saidTexts.notHandled));
        return asker.ended();
      },
      log: (text, error) => watch.trouble(text, error, asker),
    });
    asker.onSettled();
  }

  #handle(request: unknown): void {
    const asker = this.#asker;
    asker.onStarted();
    try {
      const response = this.#protocol.handleRequest?.(asker.peerId, request, asker);
      if (!isPromise(response)) return this.#respond(response);
      asker.onWorking();
      void Promise.resolve(response)
        .then(
          (value) => this.#respond(value),
          (error: unknown) => this.#fail(error),
        )
        .then(() => asker.onSettled());
    } catch (error) {
      this.#fail(error);
    }
  }

  #respond(response: unknown): void {
    if (!this.#asker.isWaiting) return;
    try {
      const message = bytesOf(this.#protocol.response.encode(response));
      checkSize(message.length, this.#runtime.config.maxResponseSizeBytes);
      void this.#asker.send('end', message);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!this.#asker.isWaiting) return;
    this.#runtime.watch.couldNotBe('answered', error, this.#asker);
    void this.#asker.send('error', encodeError(handlerFrame(error)));
  }
}
