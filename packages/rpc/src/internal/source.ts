/** An iterable that a handler gave: read once, to its end or until nobody wants more of it. */
export class Source<T> {
  readonly #iterator: AsyncIterator<T>;
  readonly #read = Promise.withResolvers<void>();
  #leaving: Promise<void> | undefined;
  #isOver = false;

  /** Throws what the iterable throws when it is asked for its iterator. */
  constructor(iterable: AsyncIterable<T>) {
    this.#iterator = iterable[Symbol.asyncIterator]();
  }

  /**
   * Gives each value to `take`, and waits for what that returns. Resolves when there is nothing more, or when the
   * iterable was left and has let go. Rejects with what it or `take` threw. To be called once.
   */
  read(take: (value: T) => Promise<void> | undefined | void): Promise<void> {
    this.#readAll(take).then(this.#read.resolve, this.#read.reject);
    return this.#read.promise;
  }

  /**
   * Tells the iterable, once, that nobody wants more. Resolves when it has let go: a generator that waits for something
   * does so when that has come. One that cannot be told lets go when its next value is there. Never rejects.
   */
  async leave(): Promise<void> {
    if (this.#isOver || this.#iterator.return === undefined) return;
    await this.#return();
    this.#read.resolve();
  }

  async #readAll(take: (value: T) => Promise<void> | undefined | void): Promise<void> {
    let isTaking = false;
    try {
      for (;;) {
        const { done, value } = await this.#iterator.next();
        if (done === true) return;
        isTaking = true;
        const taking = take(value);
        if (taking !== undefined) await taking;
        isTaking = false;
      }
    } catch (error) {
      // An iterator that threw is over by itself.
      if (isTaking) await this.#return();
      throw error;
    } finally {
      this.#isOver = true;
    }
  }

  #return(): Promise<void> {
    return (this.#leaving ??= this.#callReturn());
  }

  async #callReturn(): Promise<void> {
    try {
      await this.#iterator.return?.();
    } catch {
      // Nobody is left whom it would concern.
    }
  }
}
