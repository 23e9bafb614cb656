import type { Span, SpanAttributes, Tracer } from '@lloom/core';

type OnError = (error: unknown) => void;

/** What W3C Trace Context allows. Anything else would not get into the head of a request, or be read there. */
const traceparentForm = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

/**
 * The same tracer, of which nothing throws. Where it gives no span that others can refer to, it gives none.
 *
 * @param onError told of what the tracer throws; must not throw
 */
export function safeTracer(tracer: Tracer, onError: OnError): Tracer {
  return {
    startSpan: (name, config) =>
      attempt(() => {
        const span = tracer.startSpan(name, config);
        return span && safeSpan(span, onError);
      }, onError),
  };
}

function safeSpan(span: Span, onError: OnError): Span | undefined {
  const traceparent = attempt(() => span.traceparent, onError);
  if (traceparent !== undefined && traceparentForm.test(traceparent))
    return new SafeSpan(span, traceparent, onError);
  attempt(() => span.end(), onError);
  return undefined;
}

class SafeSpan implements Span {
  readonly traceparent: string;
  readonly #span: Span;
  readonly #onError: OnError;

  constructor(span: Span, traceparent: string, onError: OnError) {
    this.#span = span;
    this.traceparent = traceparent;
    this.#onError = onError;
  }

  setAttributes(attributes: SpanAttributes): void {
    attempt(() => this.#span.setAttributes(attributes), this.#onError);
  }

  addEvent(name: string, attributes?: SpanAttributes): void {
    attempt(() => this.#span.addEvent(name, attributes), this.#onError);
  }

  /** What `act` gives and throws comes through; it is called once, also when the tracer does not. */
  run<T>(act: () => T): T {
    let done: { readonly value: T } | { readonly thrown: unknown } | undefined;
    const once = (): void => {
      if (done !== undefined) return;
      try {
        done = { value: act() };
      } catch (thrown) {
        done = { thrown };
      }
    };
    attempt(() => this.#span.run(once), this.#onError);
    if (done === undefined) once();
    return valueOf(done as unknown as NonNullable<typeof done>);
  }

  end(error?: { readonly code: string; readonly message: string }): void {
    attempt(() => this.#span.end(error), this.#onError);
  }
}

function valueOf<T>(done: { readonly value: T } | { readonly thrown: unknown }): T {
  if ('thrown' in done) throw done.thrown;
  return done.value;
}

function attempt<T>(act: () => T, onError: OnError): T | undefined {
  try {
    return act();
  } catch (error) {
    onError(error);
    return undefined;
  }
}
