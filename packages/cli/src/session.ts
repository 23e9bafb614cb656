import type { Interruption } from './interruption.ts';
import type { Output } from './output.ts';

/** What a command works with. */
export interface Session {
  readonly output: Output;
  readonly interruption: Interruption;
}

/** Resolves when the command is asked to stop. */
export function stopRequested({ interruption: { signal } }: Session): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
