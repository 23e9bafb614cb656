import type { Clock } from '@lloom/core';

/** When a dial that nobody waits for any more has to end. */
export interface LingerRule {
  readonly clock: Clock;
  /** Whether the peer is connected. */
  readonly isConnected: () => boolean;
  /** How long a dial may go on when it was overtaken by a connection, in ms. */
  readonly lingerMs: number;
}

/**
 * The dials of one peer that are under way. A dial that is aborted in the moment in which its connection opens takes
 * the connection with it, and one that is aborted because the peer came in first may have done its part on the other
 * side. So a dial whose peer is connected is left to end by itself, within a limit of time; any other is aborted.
 */
export class RunningDials {
  readonly #rule: LingerRule;
  #controllers: readonly AbortController[] = [];

  constructor(rule: LingerRule) {
    this.#rule = rule;
  }

  /** Runs a dial that may be left through `signal`. */
  async run(signal: AbortSignal, dial: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { clock, isConnected, lingerMs } = this.#rule;
    const controller = new AbortController();
    let timer: unknown;
    const leave = (): void => {
      if (isConnected()) timer = clock.setTimeout(() => controller.abort(), lingerMs);
      else controller.abort();
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#controllers = [...this.#controllers, controller];
    try {
      await dial(controller.signal);
    } finally {
      this.#controllers = this.#controllers.filter((other) => other !== controller);
      signal.removeEventListener('abort', leave);
      clock.clearTimeout(timer);
    }
  }

  /** Ends all of them at once. */
  abort(): void {
    for (const controller of this.#controllers) controller.abort();
  }
}
