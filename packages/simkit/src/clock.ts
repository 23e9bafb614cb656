import TinyQueue from 'tinyqueue';
import type { Clock } from '@lloom/core';
import { SimkitError } from './errors.ts';
import { native } from './internal/native.ts';

/** How a {@link VirtualClock} begins. */
export interface VirtualClockConfig {
  /** Wall time at the start, in ms since 1970. @default 1_767_225_600_000 - the first moment of 2026, UTC */
  readonly startAtMs?: number;
}

/** Something that happens at a moment of virtual time. */
export interface ClockEntry {
  readonly at: number;
  readonly order: number;
  fn: (() => void) | undefined;
  /** The first `order` of the timer that it belongs to. */
  id: number;
}

/** Looks after the work of a run that its clock cannot see. */
export interface RunGuard {
  /** Called before a run; it starts when that has settled. */
  begin(): Promise<void>;
  /** Called before every callback and every move of time, which wait for what it returns; nothing when all is well. */
  settle(): Promise<void> | undefined;
  /** Called after a run, whatever its end. */
  end(): void;
  /** Called when a run is halted: what it waits for is not waited for any more. */
  abandon(): void;
}

/** Looks on without taking part: whatever happens would happen without it as well. */
export interface Watcher {
  /**
   * Called after every instant. What it throws ends the run.
   * @returns the moment at which it wants to be called though nothing happens then; `Infinity` when there is none
   */
  look(): number;
}

/** Far from the ids of the platform's own timers. */
const firstTimerId = 2 ** 40;

/** A timer as Node.js hands it out. `ref` and `unref` change nothing: virtual time ends when its user says so. */
export class VirtualTimer {
  readonly #clock: VirtualClock;
  readonly #fn: () => void;
  readonly #delayMs: number;
  readonly #id: number;
  #entry: ClockEntry;
  #isClosed = false;

  constructor(clock: VirtualClock, fn: () => void, delayMs: number) {
    this.#clock = clock;
    this.#fn = fn;
    this.#delayMs = delayMs;
    this.#entry = clock.at(clock.elapsed() + delayMs, fn);
    this.#id = this.#entry.id;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  refresh(): this {
    if (this.#isClosed) return this;
    this.#clock.drop(this.#entry);
    this.#entry = this.#clock.at(this.#clock.elapsed() + this.#delayMs, this.#fn);
    this.#entry.id = this.#id;
    return this;
  }

  close(): this {
    this.#isClosed = true;
    this.#clock.drop(this.#entry);
    return this;
  }

  [Symbol.toPrimitive](): number {
    return firstTimerId + this.#id;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const startOf2026 = 1_767_225_600_000;
/** The longest that a timer of Node.js waits; it takes a longer one for 1 ms. */
const longestTimerMs = 2 ** 31 - 1;
/** Far more than any instant of a thousand nodes needs. */
const maxCallbacksPerInstant = 1_000_000;
/** How many dropped entries may lie in the queue before it is rebuilt. */
const maxDropped = 1_024;

const earlier = (a: ClockEntry, b: ClockEntry): number => a.at - b.at || a.order - b.order;

/**
 * Time that moves only when it is told to, from one timer to the next, as fast as the processor can.
 *
 * Every callback runs on a turn of the event loop of its own, so promises settle between two of them as they do in
 * real time. A clock by itself drives what is handed to it as a `Clock`; `createTestNetwork` makes it the time of the
 * whole process.
 *
 * @example
 * ```ts
 * const clock = new VirtualClock();
 * clock.setTimeout(() => console.log('a minute later'), 60_000);
 * await clock.runFor(60_000);
 * ```
 */
export class VirtualClock implements Clock {
  readonly startAtMs: number;
  readonly #queue = new TinyQueue<ClockEntry>([], earlier);
  #instantEnds: (() => void)[] = [];
  #elapsedMs = 0;
  #order = 0;
  #fired = 0;
  #dropped = 0;
  #callbacks = 0;
  #isRunning = false;
  #isHalted = false;
  #failure: { readonly error: unknown } | undefined;
  /** Whether time stands where only the watcher wanted it to. */
  #isWatchersMoment = false;
  /**
   * Set by `installVirtualTime`.
   * @internal
   */
  guard: RunGuard | undefined;
  /**
   * Set by a network, for its properties.
   * @internal
   */
  watcher: Watcher | undefined;

  constructor({ startAtMs = startOf2026 }: VirtualClockConfig = {}) {
    this.startAtMs = startAtMs;
  }

  /** Wall time, in ms since 1970. */
  now(): number {
    return Math.floor(this.startAtMs + this.#elapsedMs);
  }

  /** Virtual time since the clock was made, in ms, with fractions. */
  elapsed(): number {
    return this.#elapsedMs;
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#queue.length - this.#dropped;
  }

  /** How many callbacks have run: names a moment more finely than time does. */
  get fired(): number {
    return this.#fired;
  }

  /** How many entries the queue holds, with those that were dropped and not yet swept out. */
  get queued(): number {
    return this.#queue.length;
  }

  /** As in Node.js: no time at all is 1 ms, and so is more than 24.8 days; fractions are cut off. */
  setTimeout(fn: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): VirtualTimer {
    return new VirtualTimer(this, args.length === 0 ? fn : () => fn(...args), nodeDelay(ms));
  }

  /** As in Node.js. */
  setInterval(fn: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): VirtualTimer {
    const repeat = (): void => {
      timer.refresh();
      fn(...args);
    };
    const timer: VirtualTimer = new VirtualTimer(this, repeat, nodeDelay(ms));
    return timer;
  }

  /** Drops a timer, given as such or as its number. Whatever else it is given, it ignores. */
  clearTimeout(id: unknown): void {
    if (id instanceof VirtualTimer) id.close();
    else if (typeof id === 'number' || typeof id === 'string') this.#dropById(Number(id) - firstTimerId);
  }

  /** Calls `fn` at a moment of {@link elapsed}, or at this one when that has passed; without the rounding of timers. */
  at(elapsedMs: number, fn: () => void): ClockEntry {
    const order = this.#order++;
    const at = elapsedMs > this.#elapsedMs ? elapsedMs : this.#elapsedMs;
    const entry = { at, order, fn, id: order };
    this.#queue.push(entry);
    return entry;
  }

  /** Drops what {@link at} returned. */
  drop(entry: ClockEntry): void {
    if (entry.fn === undefined) return;
    entry.fn = undefined;
    this.#dropped += 1;
    if (this.#dropped > maxDropped && this.#dropped > this.#queue.length / 2) this.#sweep();
  }

  /** Calls `fn` when everything else of this instant has happened. */
  atEndOfInstant(fn: () => void): void {
    this.#instantEnds.push(fn);
  }

  /**
   * Lets `ms` of virtual time pass.
   * @throws {SimkitError} `INVALID_ARGUMENT`, `ALREADY_MOVING`, and when time cannot move
   */
  async runFor(ms: number): Promise<void> {
    await this.#run(ms, () => false);
  }

  /**
   * Lets virtual time pass until `isDone` says yes. It is asked after every instant.
   *
   * @returns whether it said yes within `limitMs`
   * @throws {SimkitError} `INVALID_ARGUMENT`, `ALREADY_MOVING`, and when time cannot move
   */
  async runUntil(isDone: () => boolean, limitMs: number): Promise<boolean> {
    return this.#run(limitMs, isDone);
  }

  /** Whether a run is under way. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Ends a run that is under way, if there is one: it is rejected with `STOPPED`. */
  async halt(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isHalted = true;
    this.guard?.abandon();
    while (this.#isRunning) await native.turn();
    this.#isHalted = false;
  }

  /** Makes the run that is under way, or the next one, end with an error. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Numbers of timers are hardly ever used, so that they are worth no index. */
  #dropById(id: number): void {
    const entry =
      id >= 0 ? this.#queue.data.find((each) => each.id === id && each.fn !== undefined) : undefined;
    if (entry !== undefined) this.drop(entry);
  }

  async #run(ms: number, isDone: () => boolean): Promise<boolean> {
    checkDuration('run the clock', ms);
    const until = this.#elapsedMs + ms;
    if (this.#isRunning) throw new SimkitError('ALREADY_MOVING', {});
    this.#isRunning = true;
    this.#isWatchersMoment = false;
    this.#callbacks = 0;
    try {
      await this.guard?.begin();
      return await new Promise((resolve, reject) => {
        const step = (): void => {
          try {
            const work = this.guard?.settle();
            if (work !== undefined) return void work.then(() => native.next(step), reject);
            this.#throwFailure();
            if (this.#isHalted) throw new SimkitError('STOPPED', { act: 'go on' });
            const outcome = this.#step(until, isDone);
            if (outcome === undefined) native.next(step);
            else resolve(outcome);
          } catch (error) {
            reject(error as Error);
          }
        };
        native.next(step);
      });
    } finally {
      this.#isRunning = false;
      this.guard?.end();
    }
  }

  /** Does the next thing there is to do; says how the run ends when there is none. */
  #step(until: number, isDone: () => boolean): boolean | undefined {
    const next = this.#peek();
    if (next !== undefined && next.at <= this.#elapsedMs) {
      this.#callbacks += 1;
      this.#fire(next);
    } else if (this.#instantEnds.length > 0) {
      this.#callbacks += this.#endInstant();
    } else {
      const wakeAtMs = this.watcher?.look() ?? Infinity;
      if (!this.#isWatchersMoment && isDone()) return true;
      this.#isWatchersMoment = wakeAtMs < Math.min(next?.at ?? Infinity, until);
      if (this.#isWatchersMoment) {
        this.#elapsedMs = wakeAtMs;
        return undefined;
      }
      if (next === undefined || next.at > until) {
        this.#elapsedMs = until;
        this.watcher?.look();
        return isDone();
      }
      this.#callbacks = 1;
      this.#elapsedMs = next.at;
      this.#fire(next);
    }
    if (this.#callbacks <= maxCallbacksPerInstant) return undefined;
    throw new SimkitError('ENDLESS_INSTANT', { at: this.#elapsedMs, callbacks: this.#callbacks });
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  #endInstant(): number {
    const ends = this.#instantEnds;
    this.#instantEnds = [];
    for (const end of ends) this.#guard(end);
    return ends.length;
  }

  #fire(entry: ClockEntry): void {
    this.#queue.pop();
    const { fn } = entry;
    entry.fn = undefined;
    if (fn !== undefined) this.#guard(fn);
  }

  /** What a callback throws ends the run: in real time it would have ended the process. */
  #guard(fn: () => void): void {
    this.#fired += 1;
    try {
      fn();
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  #peek(): ClockEntry | undefined {
    for (;;) {
      const next = this.#queue.peek();
      if (next === undefined || next.fn !== undefined) return next;
      this.#queue.pop();
      this.#dropped -= 1;
    }
  }

  #sweep(): void {
    const live = this.#queue.data.filter((entry) => entry.fn !== undefined);
    this.#queue.data = [];
    this.#queue.length = 0;
    for (const entry of live) this.#queue.push(entry);
    this.#dropped = 0;
  }
}

function nodeDelay(ms: unknown): number {
  const delayMs = Number(ms);
  return delayMs >= 1 && delayMs <= longestTimerMs ? Math.trunc(delayMs) : 1;
}

/** Refuses what is no time to wait. */
export function checkDuration(act: string, ms: unknown): void {
  if (typeof ms === 'number' && ms >= 0 && ms < Infinity) return;
  throw new SimkitError('INVALID_ARGUMENT', { act, got: String(ms), wanted: 'a number of ms from 0 on' });
}
