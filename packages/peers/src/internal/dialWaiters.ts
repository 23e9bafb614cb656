import type { ConnectionInfo } from '../types.ts';

interface Waiter {
  readonly addresses: readonly string[];
  readonly resolve: (info: ConnectionInfo) => void;
  readonly reject: (error: Error) => void;
}

/** A wish to be connected: where, and until when. */
export interface DialWish {
  /** Empty: wherever the peer is known to be. */
  readonly addresses: readonly string[];
  readonly signal: AbortSignal | undefined;
  /** Called when the signal has ended the wish; gives the error to reject it with. */
  readonly onAbort: () => Error;
}

/** Those who wait for one peer to be connected, in the order in which they came. */
export class DialWaiters {
  // Mostly there are none, and an empty list is the smallest.
  #waiters: readonly Waiter[] = [];

  get size(): number {
    return this.#waiters.length;
  }

  /** Where the first of them wants to dial; `undefined` when nobody waits. */
  get next(): readonly string[] | undefined {
    const [first] = this.#waiters;
    return first?.addresses;
  }

  /** Waits for {@link resolve} or one of the rejections. */
  add({ addresses, signal, onAbort }: DialWish): Promise<ConnectionInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<ConnectionInfo>();
    const abort = (): void => {
      this.#forget(waiter);
      reject(onAbort());
    };
    const detach = (): void => signal?.removeEventListener('abort', abort);
    const waiter: Waiter = {
      addresses,
      resolve: (info) => (detach(), resolve(info)),
      reject: (error) => (detach(), reject(error)),
    };
    signal?.addEventListener('abort', abort, { once: true });
    this.#waiters = [...this.#waiters, waiter];
    return promise;
  }

  /** Whether anybody waits for nothing more than a dial that tries these addresses. */
  hasCovered(tried: readonly string[]): boolean {
    return this.#covered(tried).length > 0;
  }

  resolve(info: ConnectionInfo): void {
    for (const waiter of this.#takeAll()) waiter.resolve(info);
  }

  reject(error: Error): void {
    for (const waiter of this.#takeAll()) waiter.reject(error);
  }

  /** Rejects those whom a dial that tried these addresses has served; the others wait for their own. */
  rejectCovered(tried: readonly string[], error: Error): void {
    for (const waiter of this.#covered(tried)) {
      this.#forget(waiter);
      waiter.reject(error);
    }
  }

  #takeAll(): readonly Waiter[] {
    const all = this.#waiters;
    this.#waiters = [];
    return all;
  }

  #forget(waiter: Waiter): void {
    this.#waiters = this.#waiters.filter((other) => other !== waiter);
  }

  #covered(tried: readonly string[]): Waiter[] {
    return this.#waiters.filter(({ addresses }) =>
      addresses.length === 0 ? tried.length === 0 : addresses.every((address) => tried.includes(address)),
    );
  }
}
