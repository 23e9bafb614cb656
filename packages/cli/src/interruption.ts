import { exitCodes } from './errors.ts';

/** Why a command was asked to stop. */
export type StopReason = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'parent gone' | 'output closed';

/** Turns signals, the end of the parent process and a closed output into one abort signal. */
export class Interruption {
  /** Why; `undefined` as long as nobody asked. */
  reason: StopReason | undefined;
  readonly #controller = new AbortController();
  readonly #signals = new Map<NodeJS.Signals, () => void>();

  /** Fires with the first request to stop. A second signal ends the process at once. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Begins to listen. */
  watch(): this {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const onSignal = (): void => {
        if (this.reason !== undefined)
          process.exit(name === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated);
        this.stop(name);
      };
      this.#signals.set(name, onSignal);
      process.on(name, onSignal);
    }
    // A program that started this one with a channel to it takes it along when it ends.
    if (process.connected) {
      process.once('disconnect', this.#onDisconnect);
      process.channel?.unref();
    }
    for (const stream of [process.stdout, process.stderr]) stream.on('error', this.#onOutputError);
    return this;
  }

  /** Asks to stop, for the first reason that comes. */
  stop(reason: StopReason): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.#controller.abort();
  }

  readonly #onDisconnect = (): void => this.stop('parent gone');

  /** Whoever read the output has gone; there is nobody left to work for, and nobody to tell. */
  readonly #onOutputError = (): void => this.stop('output closed');
}
