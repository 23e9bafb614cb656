import type { Clock } from '@lloom/core';
import type { ResolvedConfig } from '../config.ts';
import type { MessageContext } from '../types.ts';

/** Of all validations, so much may be of messages that one neighbour handed over. */
const neighbourShare = 0.25;

/** Where a value came from. Its signal is made when somebody asks for it: most validators do not. */
export class Context implements MessageContext {
  readonly peerId: string;
  readonly receivedFrom: string;
  #controller: AbortController | undefined;
  #isAbandoned = false;

  constructor(peerId: string, receivedFrom: string) {
    this.peerId = peerId;
    this.receivedFrom = receivedFrom;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isAbandoned) this.#controller.abort(abandoned());
    return this.#controller.signal;
  }

  /** The verdict is not waited for any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#controller?.abort(abandoned());
  }
}

const abandoned = (): Error => new Error('the verdict is not waited for any more');

/** Verdicts that take time: so many at once, and each for so long. */
export class Validations {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #limit: number;
  readonly #limitOfOne: number;
  readonly #bySource = new Map<string, number>();
  readonly #giveUp = new Set<() => void>();

  constructor(clock: Clock, { validationTimeoutMs, maxPendingValidations }: ResolvedConfig) {
    this.#clock = clock;
    this.#timeoutMs = validationTimeoutMs;
    this.#limit = maxPendingValidations;
    this.#limitOfOne = Math.max(1, Math.floor(maxPendingValidations * neighbourShare));
  }

  /** How many are under way. */
  get pending(): number {
    return this.#giveUp.size;
  }

  /** Whether one more may begin, of a message that this neighbour handed over. */
  hasRoom(source: string): boolean {
    return this.pending < this.#limit && (this.#bySource.get(source) ?? 0) < this.#limitOfOne;
  }

  /**
   * What a validator comes to.
   * @throws {Error} when it takes too long, or the service stops
   * @throws what the validator rejected with
   */
  async wait(verdict: PromiseLike<unknown>, context: Context): Promise<unknown> {
    const { receivedFrom } = context;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const giveUp = (): void => {
      reject(new Error(`the validator gave no verdict in ${this.#timeoutMs} ms`));
      context.abandon();
    };
    const timer = this.#clock.setTimeout(giveUp, this.#timeoutMs);
    this.#giveUp.add(giveUp);
    this.#bySource.set(receivedFrom, (this.#bySource.get(receivedFrom) ?? 0) + 1);
    Promise.resolve(verdict).then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#clock.clearTimeout(timer);
      this.#giveUp.delete(giveUp);
      const left = (this.#bySource.get(receivedFrom) ?? 1) - 1;
      if (left > 0) this.#bySource.set(receivedFrom, left);
      else this.#bySource.delete(receivedFrom);
    }
  }

  /** Gives up all that are under way. */
  stop(): void {
    for (const giveUp of this.#giveUp) giveUp();
  }
}
