import { exitCodes } from './errors.ts';

/** Why a command was asked to stop. */
export type StopReason = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'parent gone' | 'output closed';

/** Turns signals, the end of the parent process and a closed output into one abort signal. */
export class Interruption {
  /** Why; `undefined` as long as nobody asked. */
  reason: StopReason | undefined;
  readonly #controller = new AbortController();

  /** Fires with the first request to stop. A second signal ends the process at once. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Begins to listen. */
  watch(): this {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (this.reason === undefined) this.stop(name);
        else process.exit(name === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated);
      });
    }
    // A program that started this one with a channel to it takes it along when it ends.
    if (process.connected) {
      process.once('disconnect', () => this.stop('parent gone'));
      process.channel?.unref();
    }
    // When nobody reads the output any more there is nobody to work for. Notes may get lost.
    process.stdout.on('error', () => this.stop('output closed'));
    process.stderr.on('error', () => undefined);
    return this;
  }

  /** Asks to stop, for the first reason that comes. */
  stop(reason: StopReason): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.#controller.abort();
  }
}
