import { integer } from './config.ts';
import { ConfigError } from './errors.ts';
import { guard } from './internal/guard.ts';
import { showValue } from './internal/text.ts';

/** The events of a package: each name with the shape of its detail. */
export type EventMap = Record<string, object>;

/** An event with its name, as iterables give it. */
export type EventOf<M> = { [K in keyof M & string]: { readonly type: K } & M[K] }[keyof M & string];

/** Called with the event; what it throws is caught and reported, it cannot end the process. */
export type EventListener<Detail> = (event: CustomEvent<Detail>) => unknown;

/** How to listen. */
export interface ListenConfig {
  /** Stop listening when it aborts. */
  readonly signal?: AbortSignal;
  /** Stop listening after the first call. */
  readonly once?: boolean;
}

/** How to iterate over events. */
export interface EventsConfig {
  /** Ends the iteration when it aborts. */
  readonly signal?: AbortSignal;
  /** How many events wait for a slow reader before the oldest is dropped. @default 1_000 */
  readonly limit?: number;
}

/** Events as they happen; ends with its signal, with `return()`, or when the source stops. */
export interface EventIterable<E> extends AsyncIterableIterator<E> {
  /** How many events were dropped because the reader was slow. */
  readonly dropped: number;
}

/** Somebody to pass events on to: usually the hub of a larger whole. */
export interface EventSink<M> {
  /** Takes an event. Never throws. */
  emit<K extends keyof M & string>(type: K, detail: M[K]): void;
  /** Whether anybody would hear of it who may act on it: onlookers do not count. */
  isObserved(type: keyof M & string): boolean;
  /** Whether anybody would hear of it, onlookers among them. @default as `isObserved` */
  isHeard?(type: keyof M & string): boolean;
  /** Calls `act` once, when somebody would: soon, or as soon as there is somebody. */
  whenObserved(type: keyof M & string, act: () => void): void;
}

/** What a package shows of its events. */
export interface EventSource<M> {
  /** Calls `listener` on each event of that name. */
  addEventListener<K extends keyof M & string>(
    type: K,
    listener: EventListener<M[K]>,
    config?: ListenConfig,
  ): void;
  /** Stops calling it. */
  removeEventListener<K extends keyof M & string>(type: K, listener: EventListener<M[K]>): void;
  /**
   * All events from now on, each once, in order.
   * @throws {ConfigError} when `limit` is not a positive integer
   */
  events(config?: EventsConfig): EventIterable<EventOf<M>>;
  /** Passes every event on, after its own listeners were told. The returned function stops it. */
  forwardTo(sink: EventSink<M>): () => void;
}

/**
 * Gives typed events to listeners and to bounded iterables. A listener that throws is reported and harms nobody;
 * a reader that is slow loses the oldest events, and can see how many.
 */
export class EventHub<M> implements EventSource<M>, EventSink<M> {
  readonly #listeners = new Map<string, Map<EventListener<never>, { once: boolean; detach: () => void }>>();
  readonly #readers = new Set<Reader<EventOf<M>>>();
  readonly #sinks = new Set<EventSink<M>>();
  readonly #onError: (error: unknown, type: string) => void;
  /** What waits for somebody to listen, by what they would hear. */
  readonly #waiting = new Map<keyof M & string, Set<() => void>>();
  /** Events that are to be passed on, in order. */
  readonly #passing: { readonly type: keyof M & string; readonly detail: M[keyof M & string] }[] = [];
  #emitting = false;

  /** @param onError told of what a listener threw or rejected with; what it throws itself is dropped */
  constructor(onError: (error: unknown, type: string) => void) {
    this.#onError = onError;
  }

  /**
   * Tells readers, then listeners, then those it is passed on to. Readers and the latter get events in the order of
   * their emission, also when a listener emits another one. Never throws.
   */
  emit<K extends keyof M & string>(type: K, detail: M[K]): void {
    if (this.#readers.size > 0) {
      const event = { type, ...detail } as EventOf<M>;
      for (const reader of this.#readers) reader.push(event);
    }
    if (this.#sinks.size > 0) this.#passing.push({ type, detail });
    const isOutermost = !this.#emitting;
    this.#emitting = true;
    this.#tell(type, detail);
    if (!isOutermost) return;
    for (let next = this.#passing.shift(); next !== undefined; next = this.#passing.shift()) {
      const { type: name, detail: content } = next;
      for (const sink of this.#sinks)
        guard(
          () => sink.emit(name, content),
          (error) => this.#onError(error, name),
        );
    }
    this.#emitting = false;
  }

  /** Whether anybody listens to, or iterates over, events of that name. */
  isObserved(type: keyof M & string): boolean {
    if (this.#readers.size > 0 || (this.#listeners.get(type)?.size ?? 0) > 0) return true;
    for (const sink of this.#sinks) if (sink.isObserved(type)) return true;
    return false;
  }

  /**
   * Whether anybody would be told of an event of that name, those among them who only look on: sinks that hear events, and say that
   * nobody observes them.
   */
  isHeard(type: keyof M & string): boolean {
    if (this.isObserved(type)) return true;
    for (const sink of this.#sinks) if (sink.isHeard?.(type) === true) return true;
    return false;
  }

  /** Calls `act` once, when somebody would hear an event of that name: in a moment, or when they begin to listen. */
  whenObserved(type: keyof M & string, act: () => void): void {
    let waiting = this.#waiting.get(type);
    if (waiting === undefined) this.#waiting.set(type, (waiting = new Set()));
    waiting.add(act);
    for (const sink of this.#sinks) sink.whenObserved(type, () => this.#wake());
    this.#wake();
  }

  forwardTo(sink: EventSink<M>): () => void {
    this.#sinks.add(sink);
    for (const type of this.#waiting.keys()) sink.whenObserved(type, () => this.#wake());
    return () => this.#sinks.delete(sink);
  }

  addEventListener<K extends keyof M & string>(
    type: K,
    listener: EventListener<M[K]>,
    config: ListenConfig = {},
  ): void {
    const { signal, once = false } = config;
    if (signal?.aborted === true) return;
    let listeners = this.#listeners.get(type);
    if (listeners === undefined) this.#listeners.set(type, (listeners = new Map()));
    if (listeners.has(listener)) return;
    const remove = (): void => this.removeEventListener(type, listener);
    signal?.addEventListener('abort', remove, { once: true });
    listeners.set(listener, { once, detach: () => signal?.removeEventListener('abort', remove) });
    this.#wake();
  }

  removeEventListener<K extends keyof M & string>(type: K, listener: EventListener<M[K]>): void {
    this.#listeners.get(type)?.get(listener)?.detach();
    this.#listeners.get(type)?.delete(listener);
  }

  events(config: EventsConfig = {}): EventIterable<EventOf<M>> {
    const reader = new Reader<EventOf<M>>(config, () => this.#readers.delete(reader));
    if (config.signal?.aborted !== true) this.#readers.add(reader);
    this.#wake();
    return reader;
  }

  /** Ends every iteration; events that wait are still read. Listeners stay. */
  close(): void {
    for (const reader of Array.from(this.#readers)) reader.end();
  }

  /** Lets go what waited for somebody to listen. Not at once: whoever begins to listen finishes that first. */
  #wake(): void {
    if (this.#waiting.size === 0) return;
    queueMicrotask(() => {
      for (const [type, acts] of Array.from(this.#waiting)) {
        if (!this.isObserved(type)) continue;
        this.#waiting.delete(type);
        for (const act of acts) guard(act, (error) => this.#onError(error, type));
      }
    });
  }

  #tell<K extends keyof M & string>(type: K, detail: M[K]): void {
    const listeners = this.#listeners.get(type);
    if (listeners === undefined || listeners.size === 0) return;
    const event = new CustomEvent(type, { detail });
    // Who is added meanwhile hears the next one; who is removed meanwhile hears nothing more.
    for (const [key, entry] of Array.from(listeners)) {
      if (listeners.get(key) !== entry) continue;
      const listener = key as EventListener<M[K]>;
      if (entry.once) this.removeEventListener(type, listener);
      guard(
        () => listener(event),
        (error) => this.#onError(error, type),
      );
    }
  }
}

class Reader<E> implements EventIterable<E> {
  dropped = 0;
  readonly #queue: E[] = [];
  readonly #waiting: ((result: IteratorResult<E>) => void)[] = [];
  readonly #limit: number;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: () => void;
  #ended = false;

  constructor(config: EventsConfig, onEnd: () => void) {
    this.#limit = config.limit ?? 1_000;
    const wanted = integer(1)(this.#limit);
    if (wanted !== undefined) {
      throw new ConfigError([{ path: 'events.limit', got: showValue(this.#limit), wanted }]);
    }
    this.#onEnd = onEnd;
    this.#signal = config.signal;
    if (this.#signal?.aborted === true) this.#ended = true;
    else this.#signal?.addEventListener('abort', this.#abort, { once: true });
  }

  push(event: E): void {
    const next = this.#waiting.shift();
    if (next !== undefined) return next({ done: false, value: event });
    this.#queue.push(event);
    if (this.#queue.length > this.#limit) {
      this.#queue.shift();
      this.dropped++;
    }
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#onEnd();
    for (const next of this.#waiting.splice(0)) next({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<E>> {
    const event = this.#queue.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<E>> {
    this.#queue.length = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #abort = (): void => {
    this.#queue.length = 0;
    this.end();
  };
}
