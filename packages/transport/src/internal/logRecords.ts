import { safe, type Clock } from '@lloom/core';
import type { LogConfig, LogRecord } from '../ports.ts';
import { logMessageOf } from './logMessage.ts';

/** What passing records on takes. */
export interface LogRecordsParts extends Required<Pick<LogConfig, 'sink' | 'maxRecordsPerSecond'>> {
  readonly clock: Clock;
  readonly node: string | undefined;
  /** Told once, of the first time that the sink has failed. */
  readonly onSinkFailure: (error: unknown) => void;
}

const windowMs = 1_000;

/** Makes records and passes them on, so many in a second. */
export class LogRecords {
  readonly #parts: LogRecordsParts;
  readonly #pass: (record: LogRecord) => void;
  #windowEndsAtMs = -Infinity;
  #passed = 0;
  #leftOut = 0;
  #timer: unknown;
  #isPassing = false;
  #hasFailed = false;

  constructor(parts: LogRecordsParts) {
    this.#parts = parts;
    this.#pass = safe(parts.sink, (error) => {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      parts.onSinkFailure(error);
    });
  }

  take(level: LogRecord['level'], component: string, args: readonly unknown[]): void {
    // What a sink does may be logged as well, and would never end.
    if (this.#isPassing) return;
    const { clock, maxRecordsPerSecond } = this.#parts;
    const nowMs = clock.elapsed();
    if (nowMs >= this.#windowEndsAtMs) this.#beginWindow(nowMs);
    if (this.#passed < maxRecordsPerSecond) {
      this.#passed++;
      return this.#make(level, component, args);
    }
    this.#leftOut++;
    this.#timer ??= clock.setTimeout(() => this.#beginWindow(clock.elapsed()), this.#windowEndsAtMs - nowMs);
  }

  #beginWindow(nowMs: number): void {
    const records = this.#leftOut;
    this.#parts.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#windowEndsAtMs = nowMs + windowMs;
    this.#passed = 0;
    this.#leftOut = 0;
    if (records > 0) this.#make('info', 'lloom:log', ['records were left out %o', { records }]);
  }

  #make(level: LogRecord['level'], component: string, args: readonly unknown[]): void {
    const { clock, node } = this.#parts;
    this.#isPassing = true;
    const named = node === undefined ? { component } : { component, node };
    this.#pass({ at: clock.now(), level, ...named, ...logMessageOf(args) });
    this.#isPassing = false;
  }
}
