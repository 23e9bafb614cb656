import { fromPromise, SimulatedClock, type NonReducibleUnknown } from 'xstate';

/** One call of an effect that a test answers by hand. */
interface Call<I, O> {
  readonly input: I;
  readonly signal: AbortSignal;
  readonly resolve: (output: O) => void;
  readonly reject: (error: Error) => void;
}

/** An effect whose calls wait until the test answers them. */
export class Controlled<O, I = NonReducibleUnknown> {
  #answered = 0;
  readonly calls: Call<I, O>[] = [];
  readonly logic = fromPromise<O, I>(({ input, signal }) => {
    const { promise, resolve, reject } = Promise.withResolvers<O>();
    this.calls.push({ input, signal, resolve, reject });
    return promise;
  });

  /** How many calls wait for an answer and were not given up. */
  get open(): number {
    return this.calls.filter(({ signal }) => !signal.aborted).length - this.#answered;
  }

  /** The latest call. */
  get last(): Call<I, O> {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error('the effect was not called');
    return call;
  }

  /** Answers the latest call, and waits until the machine has heard. */
  async resolve(output: O): Promise<void> {
    this.#answered++;
    this.last.resolve(output);
    await settled();
  }

  /** Fails the latest call, and waits until the machine has heard. */
  async reject(): Promise<void> {
    this.#answered++;
    this.last.reject(new Error('failed by the test'));
    await settled();
  }
}

/** Resolves when every promise that could go on has gone on. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Time for machines: moves when a test says so. */
export const createClock = (): SimulatedClock => new SimulatedClock();
