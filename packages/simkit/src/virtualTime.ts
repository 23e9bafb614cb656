import { syncBuiltinESMExports } from 'node:module';
import type { Random } from '@lloom/core';
import type { VirtualClock } from './clock.ts';
import { SimkitError } from './errors.ts';
import { noteEarlierWork } from './internal/earlierWork.ts';
import { Immediates } from './internal/immediates.ts';
import { native } from './internal/native.ts';
import { NativeWork } from './internal/nativeWork.ts';
import { refuseRealResources } from './internal/realResources.ts';
import { realOf, Replacements } from './internal/replacements.ts';
import { replaceChance } from './internal/seededGlobals.ts';
import { replaceTime, replaceTimers } from './internal/virtualGlobals.ts';

/** What the process lives by in virtual time. */
export interface VirtualTimeConfig {
  /** Whose time it is. */
  readonly clock: VirtualClock;
  /** Whence all chance comes. */
  readonly random: Random;
  /** How long time waits for other threads, in real ms. @default 30_000 */
  readonly maxNativeWaitMs?: number;
}

/** Far more than any chain of immediates or of work on other threads that ends. */
const maxTurns = 100_000;
const defaultNativeWaitMs = 30_000;
/** Known to every copy of this package. */
const marker = Symbol.for('@lloom/simkit/virtual-time');

// Nothing of production is touched by importing this.
if (process.env['NODE_ENV'] !== 'production') noteEarlierWork(() => marker in process);

/**
 * Makes `clock` the time of the whole process and `random` its chance, until the returned function is called, which
 * puts everything back and may be called again.
 *
 * - Virtual: `setTimeout`, `setInterval` (global, `node:timers`, `node:timers/promises`, `util.promisify`), `Date`,
 *   `performance.now` and `timeOrigin`, `process.hrtime` and `uptime`, `AbortSignal.timeout`.
 * - Seeded: `Math.random`, `crypto.getRandomValues` and `randomUUID`, the random functions of `node:crypto`. Keys that
 *   the platform generates are not: make them from seeds.
 * - Awaited: time does not move while immediates wait, nor while `crypto.subtle`, `node:crypto`, `node:fs`, `node:zlib`
 *   or `WebAssembly` work on other threads; their results come in the order in which they were begun, each on a turn of
 *   its own. What of it was begun before virtual time, since this package was imported, is awaited when the clock is next
 *   run; files always are. Not seen, and so to be kept out of a run: methods of `FileHandle`, streams of `node:zlib`, message ports, native addons,
 *   `import()`.
 * - Refused: sockets, name servers, child processes and threads.
 * - Left alone: promises, `queueMicrotask`, `process.nextTick`, and the time in `performance.mark` and `Intl`.
 *   Callbacks of timers run in the `AsyncLocalStorage` of whoever runs the clock.
 *
 * Works in Vitest's pools `forks` and `threads`; in its `vm` pools, names imported from Node.js modules stay real.
 *
 * A function of this process that was taken before, such as `const { setTimeout } = globalThis` in a module, stays what
 * it was. One that was taken meanwhile follows the process back to real time.
 *
 * While it runs, the clock throws `GLOBAL_REPLACED` when another tool has replaced one of these, `ENDLESS_INSTANT` when
 * immediates or such work go on making more, `NATIVE_PENDING` when other threads do not end, and simulated code gets
 * `REAL_RESOURCE` for what is refused.
 *
 * @throws {SimkitError} `PRODUCTION`, `ALREADY_RUNNING`; `GLOBAL_REPLACED` when other fake timers are in place
 * @example
 * ```ts
 * const clock = new VirtualClock();
 * const uninstall = installVirtualTime({ clock, random: seededRandom(1) });
 * const signal = AbortSignal.timeout(60_000);
 * await clock.runFor(60_000); // signal.aborted, in no time
 * uninstall();
 * ```
 */
export function installVirtualTime(config: VirtualTimeConfig): () => void {
  const { clock, random, maxNativeWaitMs = defaultNativeWaitMs } = config;
  if (process.env['NODE_ENV'] === 'production') throw new SimkitError('PRODUCTION', {});
  if (marker in process) throw new SimkitError('ALREADY_RUNNING', {});
  refuseOtherFakes();
  const replacements = new Replacements();
  const immediates = new Immediates();
  const work = new NativeWork(maxNativeWaitMs);
  const uninstall = (): void => {
    if (!replacements.isActive) return;
    replacements.restore();
    syncBuiltinESMExports();
    clock.guard = undefined;
    work.release();
    work.abandon();
  };
  try {
    replacements.value(process, marker, true);
    replaceTimers(replacements, clock, immediates);
    replaceTime(replacements, clock);
    replaceChance(replacements, random);
    work.watch(replacements);
    refuseRealResources(replacements);
    syncBuiltinESMExports();
  } catch (error) {
    uninstall();
    throw error;
  }

  const findReplaced = watchGlobals();
  clock.guard = {
    begin: async () => {
      await work.unseen();
      work.hold();
    },
    settle: () => {
      const name = findReplaced();
      if (name !== undefined) throw new SimkitError('GLOBAL_REPLACED', { name });
      return immediates.size + work.size > 0 ? settle(clock, immediates, work) : undefined;
    },
    end: () => work.release(),
    abandon: () => work.abandon(),
  };
  return uninstall;
}

/** What another tool has replaced already would be taken for the real thing. */
function refuseOtherFakes(): void {
  const { setTimeout, setInterval, setImmediate, clearTimeout, Date, performance } = globalThis;
  const now: unknown = Reflect.get(performance, 'now');
  const present = { setTimeout, setInterval, setImmediate, clearTimeout, Date, 'performance.now': now };
  for (const [name, real] of Object.entries(native.globals)) {
    if (realOf(present[name as keyof typeof present] as unknown) !== real)
      throw new SimkitError('GLOBAL_REPLACED', { name });
  }
}

async function settle(clock: VirtualClock, immediates: Immediates, work: NativeWork): Promise<void> {
  let turns = 0;
  while (immediates.size + work.size > 0) {
    turns += 1;
    if (immediates.size === 0) await work.deliverOldest();
    if (turns > maxTurns) throw new SimkitError('ENDLESS_INSTANT', { at: clock.elapsed(), callbacks: turns });
    await native.turn();
  }
}

/** What to call to hear which global is not what it is now. Called before every callback: one comparison each. */
function watchGlobals(): () => string | undefined {
  const { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, Date, performance } =
    globalThis;
  const now: unknown = Reflect.get(performance, 'now');
  const timeout: unknown = Reflect.get(AbortSignal, 'timeout');
  const { random } = Math;
  const getRandomValues: unknown = Reflect.get(crypto, 'getRandomValues');
  const { hrtime } = process;
  return () => {
    if (globalThis.setTimeout !== setTimeout) return 'setTimeout';
    if (globalThis.setInterval !== setInterval) return 'setInterval';
    if (globalThis.setImmediate !== setImmediate) return 'setImmediate';
    if (globalThis.clearTimeout !== clearTimeout) return 'clearTimeout';
    if (globalThis.clearInterval !== clearInterval) return 'clearInterval';
    if (globalThis.Date !== Date) return 'Date';
    if (globalThis.performance !== performance || performance.now !== now) return 'performance.now';
    if (AbortSignal.timeout !== timeout) return 'AbortSignal.timeout';
    if (Math.random !== random) return 'Math.random';
    if (crypto.getRandomValues !== getRandomValues) return 'crypto.getRandomValues';
    if (process.hrtime !== hrtime) return 'process.hrtime';
    return undefined;
  };
}
