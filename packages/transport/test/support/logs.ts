import type { Clock } from '@lloom/core';
import { createLog, type LogConfig, type LogRecord } from '../../src/index.ts';

/** Time that moves when a test says so. */
export function createClock() {
  const timers = new Map<number, { readonly atMs: number; readonly fn: () => void }>();
  let nowMs = 1_000_000;
  let last = 0;
  const clock: Clock = {
    now: () => nowMs,
    elapsed: () => nowMs,
    setTimeout: (fn, ms) => {
      timers.set(++last, { atMs: nowMs + ms, fn });
      return last;
    },
    clearTimeout: (id) => void timers.delete(id as number),
  };
  const advance = (ms: number): void => {
    nowMs += ms;
    for (const [id, { atMs, fn }] of timers)
      if (atMs <= nowMs) {
        timers.delete(id);
        fn();
      }
  };
  return { clock, advance, timers };
}

/** A log whose records are kept for the test. */
export function begin(config: LogConfig = {}) {
  const records: LogRecord[] = [];
  const { clock, advance, timers } = createClock();
  const log = createLog({ clock, sink: (record) => records.push(record), ...config });
  /** What was logged since the last look. */
  const seen = () => records.splice(0);
  const said = () => seen().map(({ level, component, message }) => `${level} ${component} ${message}`);
  return { log, seen, said, advance, timers };
}
