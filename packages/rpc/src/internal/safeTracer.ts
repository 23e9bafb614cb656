import type { Span, SpanAttributes, Tracer } from '@lloom/core';
import { isPromise } from './results.ts';

type OnError = (error: unknown) => void;

/** A tracer of which nothing throws. */
export interface SafeTracer extends Omit<Tracer, 'unsampled'> {
  /** `undefined`: the tracer gives none that others could read. */
  readonly unsampled: string | undefined;
}

/** What W3C Trace Context allows. Anything else would not get into the head of a request, or be read there. */
const traceparentForm = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

/**
 * The same tracer, of which nothing throws, nor rejects later. Where it gives no span that others can refer to, it gives none.
 *
 * @param onError told of what the tracer throws; must not throw
 */
export function safeTracer(tracer: Tracer, onError: OnError): SafeTracer {
  return {
    get unsampled() {
      return readable(() => tracer.unsampled, onError);
    },
    apart: (act) => runOnce(act, { within: (once) => tracer.apart(once), onError }),
    startSpan(name, config) {
      const span = attempt(() => tracer.startSpan(name, config), onError);
      return span ? safeSpan(span, onError) : undefined;
    },
  };
}

/** A `traceparent`, when it is one. */
function readable(read: () => string, onError: OnError): string | undefined {
  const traceparent = attempt(read, onError);
  return traceparent !== undefined && traceparentForm.test(traceparent) ? traceparent : undefined;
}

function safeSpan(span: Span, onError: OnError): Span | undefined {
  const traceparent = readable(() => span.traceparent, onError);
  if (traceparent !== undefined) return new SafeSpan(span, traceparent, onError);
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

  run<T>(act: () => T): T {
    return runOnce(act, { within: (once) => this.#span.run(once), onError: this.#onError });
  }

  end(error?: { readonly code: string; readonly message: string }): void {
    attempt(() => this.#span.end(error), this.#onError);
  }
}

/** What `act` gives and throws comes through; it is called once, also when the tracer does not. */
function runOnce<T>(
  act: () => T,
  { within, onError }: { readonly within: (once: () => void) => unknown; readonly onError: OnError },
): T {
  let done: { readonly value: T } | { readonly thrown: unknown } | undefined;
  const once = (): void => {
    if (done !== undefined) return;
    try {
      done = { value: act() };
    } catch (thrown) {
      done = { thrown };
    }
  };
  attempt(() => within(once), onError);
  if (done === undefined) once();
  return valueOf(done as unknown as NonNullable<typeof done>);
}

function valueOf<T>(done: { readonly value: T } | { readonly thrown: unknown }): T {
  if ('thrown' in done) throw done.thrown;
  return done.value;
}

/** What comes later is nothing here, and what it rejects with must not end the process. */
function attempt<T>(act: () => T, onError: OnError): T | undefined {
  try {
    const given = act();
    if (!isPromise(given)) return given;
    void Promise.resolve(given).then(undefined, onError);
    return undefined;
  } catch (error) {
    onError(error);
    return undefined;
  }
}
