import type { Clock } from '@lloom/core';

/** A signal that fires by itself. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Fires it now. */
  end(): void;
  /** Forgets the time. Call it when the work is done. */
  clear(): void;
}

/** A signal that fires after `ms`, or as soon as another one does. */
export function startDeadline(clock: Clock, ms: number, stop: AbortSignal): Deadline {
  const controller = new AbortController();
  const timer = clock.setTimeout(() => controller.abort(new Error(`the time of ${ms} ms is over`)), ms);
  const clear = (): void => {
    clock.clearTimeout(timer);
    stop.removeEventListener('abort', follow);
  };
  const follow = (): void => {
    clear();
    controller.abort(new Error('it was given up'));
  };
  stop.addEventListener('abort', follow, { once: true });
  if (stop.aborted) follow();
  return { signal: controller.signal, end: follow, clear };
}
