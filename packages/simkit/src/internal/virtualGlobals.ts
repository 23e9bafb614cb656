import timers from 'node:timers';
import timersPromises from 'node:timers/promises';
import { promisify } from 'node:util';
import { VirtualTimer, type VirtualClock } from '../clock.ts';
import type { Immediates } from './immediates.ts';
import { abortError, promised, type Cancellable } from './promised.ts';
import { realOf, type Callable, type Replacements } from './replacements.ts';

type Call = (...args: unknown[]) => void;
type Set = (fn: Call, ms?: number, ...args: unknown[]) => VirtualTimer;

/** The same functions under both names. */
const sharedTimers = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
] as const;
const longestSignalMs = 2 ** 32 - 1;
const nsPerMs = 1e6;
const nsPerSecond = 1_000_000_000n;

/** Puts the timers of `clock` in place of the platform's. */
export function replaceTimers(replacements: Replacements, clock: VirtualClock, immediates: Immediates): void {
  const [setTimeout, setInterval] = [realOf(globalThis.setTimeout), realOf(globalThis.setInterval)];
  const clearTimeout = realOf(globalThis.clearTimeout);
  const clear = (timer: unknown): void => {
    clock.clearTimeout(timer);
    // Made before virtual time began.
    if (!(timer instanceof VirtualTimer)) clearTimeout(timer as NodeJS.Timeout | undefined);
  };
  const wait = async (ms?: number, value?: unknown, options?: Cancellable): Promise<unknown> =>
    promised(value, options, (done) => {
      const timer = clock.setTimeout(done, ms);
      return () => clock.clearTimeout(timer);
    });
  // The platform has its own words for what is no function.
  const set: Set = (fn, ms, ...args) =>
    typeof fn === 'function'
      ? clock.setTimeout(fn, ms, ...args)
      : (setTimeout(fn, ms) as unknown as VirtualTimer);
  const repeat: Set = (fn, ms, ...args) =>
    typeof fn === 'function'
      ? clock.setInterval(fn, ms, ...args)
      : (setInterval(fn, ms) as unknown as VirtualTimer);
  replacements.fn(timersPromises, 'setTimeout', wait);
  replacements.fn(timersPromises, 'setInterval', (ms?: number, value?: unknown, options?: Cancellable) =>
    ticks(clock, { ms, value, signal: options?.signal }),
  );
  replacements.fn(
    globalThis,
    'setTimeout',
    Object.assign(set, { [promisify.custom]: timersPromises.setTimeout }),
  );
  replacements.fn(globalThis, 'setInterval', repeat);
  replacements.fn(globalThis, 'clearTimeout', clear);
  replacements.fn(globalThis, 'clearInterval', clear);
  immediates.replace(replacements);
  for (const key of sharedTimers) replacements.value(timers, key, globalThis[key]);
  const scheduler = Object.getPrototypeOf(timersPromises.scheduler) as object;
  replacements.fn(scheduler, 'wait', async (ms?: number, options?: Cancellable) =>
    wait(ms, undefined, options),
  );
  replacements.fn(scheduler, 'yield', async () => immediates.promised());
}

interface Ticking {
  readonly ms: number | undefined;
  readonly value: unknown;
  readonly signal: AbortSignal | undefined;
}

async function* ticks(clock: VirtualClock, { ms, value, signal }: Ticking): AsyncGenerator {
  let due = 0;
  let wake = (): void => {};
  const timer = clock.setInterval(() => {
    due += 1;
    wake();
  }, ms);
  const abort = (): void => wake();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    for (;;) {
      if (signal?.aborted === true) throw abortError(signal);
      if (due > 0) {
        due -= 1;
        yield value;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    clock.clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** Makes the platform's clocks and signals tell the time of `clock`. */
export function replaceTime(replacements: Replacements, clock: VirtualClock): void {
  replaceDate(replacements, clock);
  replacements.fn(Performance.prototype, 'now', () => clock.elapsed());
  replacements.getter(Performance.prototype, 'timeOrigin', () => clock.startAtMs);
  const bigint = (): bigint => BigInt(Math.round(clock.elapsed() * nsPerMs));
  const hrtime = (previous: readonly [number, number] = [0, 0]): [number, number] => {
    const ns = bigint() - (BigInt(previous[0]) * nsPerSecond + BigInt(previous[1]));
    const seconds = ns < 0n ? (ns - nsPerSecond + 1n) / nsPerSecond : ns / nsPerSecond;
    return [Number(seconds), Number(ns - seconds * nsPerSecond)];
  };
  replacements.fn(process, 'hrtime', Object.assign(hrtime, { bigint }));
  replacements.fn(process, 'uptime', () => clock.elapsed() / 1_000);

  const timeout = realOf(Reflect.get(AbortSignal, 'timeout') as Callable);
  replacements.fn(AbortSignal, 'timeout', (ms: number) => {
    // The platform has its own words for what is no such number.
    if (!(Number.isInteger(ms) && ms >= 0 && ms <= longestSignalMs))
      return Reflect.apply(timeout, AbortSignal, [ms]);
    const controller = new AbortController();
    const expire = (): void => controller.abort(timeoutError());
    clock.setTimeout(expire, ms);
    return controller.signal;
  });
}

/** Most signals expire long after anybody cares. Where that happens says nothing, and to note it takes most of the time. */
function timeoutError(): DOMException {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = new DOMException('The operation was aborted due to timeout', 'TimeoutError');
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}

function replaceDate(replacements: Replacements, clock: VirtualClock): void {
  const RealDate = realOf(Date);
  const follow = (): DateConstructor => (Date === VirtualDate ? RealDate : Date);
  // A plain function, since a class cannot be called and a proxy is slow.
  function VirtualDate(...args: []): Date | string {
    const { isActive } = replacements;
    const Base = isActive ? RealDate : follow();
    if (new.target === undefined) return isActive ? new RealDate(clock.now()).toString() : Base();
    const made: unknown[] = isActive && args.length === 0 ? [clock.now()] : args;
    const isSubclass = new.target !== (VirtualDate as unknown);
    return Reflect.construct(Base, made, isSubclass ? new.target : Base) as Date;
  }
  const now = (): number => (replacements.isActive ? clock.now() : follow().now());
  const statics = Object.getOwnPropertyDescriptors(RealDate);
  Object.defineProperties(VirtualDate, { ...statics, now: { ...statics.now, value: now } });
  replacements.value(globalThis, 'Date', VirtualDate);
  replacements.value(RealDate.prototype, 'constructor', VirtualDate);
}
