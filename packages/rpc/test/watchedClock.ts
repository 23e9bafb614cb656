import type { Clock } from '@lloom/core';

/** The same clock, whose timers are in `timers` while they wait. */
export function watchedClock(clock: Clock, timers: Set<unknown>): Clock {
  return {
    now: () => clock.now(),
    elapsed: () => clock.elapsed(),
    setTimeout: (fn, ms) => {
      const fire = (): void => {
        timers.delete(timer);
        fn();
      };
      const timer = clock.setTimeout(fire, ms);
      timers.add(timer);
      return timer;
    },
    clearTimeout: (timer) => {
      timers.delete(timer);
      clock.clearTimeout(timer);
    },
  };
}
