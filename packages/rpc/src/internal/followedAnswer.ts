import type { Span } from '@lloom/core';
import type { AnswerKind, AnswerReceiver } from './exchange.ts';

/** The same receiver, with what happens noted in the span, when there is one. */
export function followed(receiver: AnswerReceiver, span: Span | undefined): AnswerReceiver {
  return span === undefined ? receiver : new FollowedAnswer(receiver, span);
}

/** Notes in a span how far a request has come. */
class FollowedAnswer implements AnswerReceiver {
  readonly #receiver: AnswerReceiver;
  readonly #span: Span;
  #hasBegun = false;

  constructor(receiver: AnswerReceiver, span: Span) {
    this.#receiver = receiver;
    this.#span = span;
  }

  onOpened(): void {
    this.#span.addEvent('connected');
    this.#receiver.onOpened();
  }

  onSent(): void {
    this.#span.addEvent('sent');
    this.#receiver.onSent();
  }

  onProgress(): void {
    this.#begin();
    this.#receiver.onProgress();
  }

  onMessage(kind: AnswerKind, message: Uint8Array): void {
    this.#begin();
    this.#receiver.onMessage(kind, message);
  }

  onOmitted(): void {
    this.#receiver.onOmitted();
  }

  onLost(error: unknown, wasSent: boolean): void {
    this.#receiver.onLost(error, wasSent);
  }

  #begin(): void {
    if (!this.#hasBegun) this.#span.addEvent('first_byte');
    this.#hasBegun = true;
  }
}
