import { errorText } from '@lloom/core';
import { checkDuration, type VirtualClock, type Watcher } from '../clock.ts';
import { SimkitError } from '../errors.ts';
import type { Trace } from '../trace.ts';
import type { AlwaysConfig, EventuallyConfig, Property } from '../types.ts';

/** Whose properties they are. */
export interface PropertiesContext {
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly seed: number;
}

/** What a property is about, and when it is asked. */
interface Terms {
  readonly kind: 'always' | 'eventually';
  readonly what: string;
  readonly isTrue: () => boolean;
  readonly fromMs: number;
  readonly everyMs: number;
  /** When an `eventually` must have come true. */
  readonly untilMs: number;
}

const maxOpen = 1_000;
const maxWhatLength = 200;

/** One {@link Property}, and when it wants to be asked. */
class OpenProperty implements Property {
  readonly terms: Terms;
  readonly #elapsed: () => number;
  #status: Property['status'] = 'pending';
  #decidedAtMs: number | undefined;
  #isEnded = false;
  /** When it is asked next: at the first instant from then on. */
  nextAtMs: number;

  constructor(terms: Terms, elapsed: () => number) {
    this.terms = terms;
    this.#elapsed = elapsed;
    this.nextAtMs = terms.fromMs;
  }

  get what(): string {
    return this.terms.what;
  }

  get status(): Property['status'] {
    return this.#status;
  }

  get decidedAtMs(): number | undefined {
    return this.#decidedAtMs;
  }

  /** Whether it is still to be asked. */
  get isOpen(): boolean {
    return !this.#isEnded && this.#status === 'pending';
  }

  end(): void {
    if (this.isOpen && this.terms.kind === 'always') this.decide('holds');
    this.#isEnded = true;
  }

  decide(status: Property['status']): void {
    this.#status = status;
    this.#decidedAtMs = this.#elapsed();
  }

  /** Plans the next time that it is asked. */
  plan(nowMs: number): void {
    const { fromMs, everyMs, untilMs } = this.terms;
    const next = everyMs === 0 ? nowMs : fromMs + everyMs * (Math.floor((nowMs - fromMs) / everyMs) + 1);
    this.nextAtMs = Math.min(next, untilMs);
  }

  /** When it has to be asked though nothing happens. */
  wakeAtMs(nowMs: number): number {
    return this.nextAtMs > nowMs ? this.nextAtMs : this.terms.untilMs;
  }
}

/** The properties of a network: asked by its clock, without a trace in what they look at. */
export class Properties implements Watcher {
  readonly #context: PropertiesContext;
  #open: OpenProperty[] = [];
  #isLooking = false;

  constructor(context: PropertiesContext) {
    this.#context = context;
  }

  always(what: string, isTrue: () => boolean, config: AlwaysConfig): Property {
    const nowMs = this.#context.clock.elapsed();
    const { fromMs = nowMs, everyMs = 0 } = { ...config };
    checkDuration('ask a property from a time on', fromMs);
    const from = Math.max(fromMs, nowMs);
    return this.#add({ kind: 'always', what, isTrue, fromMs: from, everyMs, untilMs: Infinity });
  }

  eventually(what: string, isTrue: () => boolean, config: EventuallyConfig): Property {
    const fromMs = this.#context.clock.elapsed();
    const { withinMs, everyMs = 0 } = { ...config };
    checkDuration('give a property its time', withinMs);
    return this.#add({ kind: 'eventually', what, isTrue, fromMs, everyMs, untilMs: fromMs + withinMs });
  }

  look(): number {
    if (this.#open.length === 0) return Infinity;
    const nowMs = this.#context.clock.elapsed();
    let wakeAtMs = Infinity;
    let violation: SimkitError | undefined;
    let isAnyOver = false;
    this.#isLooking = true;
    // A condition may ask for another property: it is asked in the same instant.
    for (const property of this.#open) {
      const isDue = property.isOpen && property.nextAtMs <= nowMs;
      const violated = isDue ? this.#ask(property, nowMs) : undefined;
      violation ??= violated;
      if (property.isOpen) wakeAtMs = Math.min(wakeAtMs, property.wakeAtMs(nowMs));
      else isAnyOver = true;
    }
    this.#isLooking = false;
    if (isAnyOver) this.#sweep();
    if (violation !== undefined) throw violation;
    return wakeAtMs;
  }

  /** Asks none of them any more. */
  end(): void {
    for (const property of this.#open) property.end();
    this.#open = [];
  }

  #add(terms: Terms): Property {
    const act = `say what holds ${terms.kind}`;
    const refuse = (got: unknown, wanted: string): never => {
      throw new SimkitError('INVALID_ARGUMENT', { act, got: String(got), wanted });
    };
    const { what, isTrue, everyMs } = terms;
    if (typeof what !== 'string' || what === '' || what.length > maxWhatLength)
      refuse(what, `a text of 1 to ${maxWhatLength} characters`);
    if (typeof isTrue !== 'function') refuse(typeof isTrue, 'a condition');
    const isEvery = typeof everyMs === 'number' && (everyMs === 0 || (everyMs >= 1 && everyMs < Infinity));
    if (!isEvery) refuse(everyMs, 'everyMs to be 0, or a number of ms from 1 on');
    if (!this.#isLooking) this.#sweep();
    if (this.#open.length >= maxOpen) refuse('one more', `at most ${maxOpen} that are not decided`);
    const property = new OpenProperty(terms, () => this.#context.clock.elapsed());
    this.#open.push(property);
    return property;
  }

  /** Returns how it was violated, when it was. */
  #ask(property: OpenProperty, nowMs: number): SimkitError | undefined {
    const { kind, what, isTrue, untilMs } = property.terms;
    property.plan(nowMs);
    let failure: { readonly error: unknown } | undefined;
    let isHolding = false;
    try {
      isHolding = answerOf(isTrue, `ask whether "${what}" holds`);
    } catch (error) {
      failure = { error };
    }
    // It may have ended itself.
    if (!property.isOpen) return undefined;
    const isLate = kind === 'always' || nowMs >= untilMs;
    if (isHolding && kind === 'eventually') property.decide('holds');
    if (isHolding || (failure === undefined && !isLate)) return undefined;
    property.decide('violated');
    const { seed, trace } = this.#context;
    trace.note(`violated: ${kind} ${what}`);
    const reason = failure && errorText(failure.error);
    const data = { what, kind, atMs: nowMs, seed, reason };
    return new SimkitError('PROPERTY_VIOLATED', data, { cause: failure?.error });
  }

  #sweep(): void {
    this.#open = this.#open.filter((property) => property.isOpen);
  }
}

/**
 * What a condition says.
 * @throws {SimkitError} `INVALID_ARGUMENT` when it is asynchronous; what it throws
 */
export function answerOf(condition: () => boolean, act: string): boolean {
  const answer: unknown = condition();
  if (!(answer instanceof Promise)) return Boolean(answer);
  answer.catch(() => undefined);
  const wanted = 'a condition that answers at once';
  throw new SimkitError('INVALID_ARGUMENT', { act, got: 'a promise', wanted });
}
