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

/** Which levels share an allowance: details, of which there may be many, leave the others room. */
const allowances = { error: 'error', info: 'info', debug: 'detail', trace: 'detail' } as const;

const none = { error: 0, info: 0, detail: 0 };

/** Makes records and passes them on, so many of each allowance in a second. */
export class LogRecords {
  readonly #parts: LogRecordsParts;
  readonly #pass: (record: LogRecord) => void;
  #windowEndsAtMs = -Infinity;
  #passed = { ...none };
  #leftOut = { ...none };
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
    const allowance = allowances[level];
    if (this.#passed[allowance] < maxRecordsPerSecond) {
      this.#passed[allowance]++;
      return this.#make(level, component, args);
    }
    this.#leftOut[allowance]++;
    this.#timer ??= clock.setTimeout(() => this.#beginWindow(clock.elapsed()), this.#windowEndsAtMs - nowMs);
  }

  #beginWindow(nowMs: number): void {
    const { error: errors, info, detail } = this.#leftOut;
    const records = errors + info + detail;
    this.#parts.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#windowEndsAtMs = nowMs + windowMs;
    this.#passed = { ...none };
    this.#leftOut = { ...none };
    if (records > 0) this.#make('info', 'lloom:log', ['records were left out %o', { records, errors }]);
  }

  #make(level: LogRecord['level'], component: string, args: readonly unknown[]): void {
    const { clock, node } = this.#parts;
    this.#isPassing = true;
    const named = node === undefined ? { component } : { component, node };
    this.#pass({ at: clock.now(), level, ...named, ...logMessageOf(args) });
    this.#isPassing = false;
  }
}
