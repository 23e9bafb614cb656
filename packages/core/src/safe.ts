import { guard } from './internal/guard.ts';

/**
 * Wraps a callback so that neither a throw nor a rejection escapes: libp2p ends the process on both.
 *
 * @param callback what to call
 * @param onError told of what the callback threw or rejected with; what it throws itself is dropped
 * @example
 * ```ts
 * node.addEventListener('peer:connect', safe(onConnect, (error) => log.error('listener failed', error)));
 * ```
 */
export function safe<Args extends unknown[]>(
  callback: (...args: Args) => unknown,
  onError: (error: unknown) => void,
): (...args: Args) => void {
  return (...args) => guard(() => callback(...args), onError);
}
