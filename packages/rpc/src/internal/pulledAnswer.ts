import type {
  Answer,
  AnswerChunk,
  AnswerStream,
  PartialAnswer,
  PendingRequest,
  RequestId,
} from '../types.ts';

/** Chunks that are kept apart for an iteration that begins late. */
const maxBacklog = 1_000;

const nothing: PartialAnswer = Object.freeze({ content: '', parts: [], shares: [], totalCost: '0' });

/** The request behind an answer, as far as reading needs it. */
export interface PulledRequest {
  readonly pending: PendingRequest;
  readonly outcome: Promise<Answer>;
  readonly soFar: PartialAnswer | undefined;
  next(): Promise<AnswerChunk | undefined>;
  cancel(): void;
}

/**
 * An answer that is read as fast as somebody wants it. Whoever awaits `result` without iterating makes it read by
 * itself; chunks that are read that way wait for an iteration that begins later.
 */
export class PulledAnswer implements AnswerStream {
  readonly requestId: RequestId;
  readonly #request: PulledRequest;
  readonly #backlog: AnswerChunk[] = [];
  #isIterated = false;
  #reading: Promise<void> | undefined;

  constructor(request: PulledRequest) {
    this.#request = request;
    this.requestId = request.pending.requestId;
  }

  get soFar(): PartialAnswer {
    return this.#request.soFar ?? nothing;
  }

  get result(): Promise<Answer> {
    if (!this.#isIterated) this.#reading ??= this.#readAhead();
    return this.#request.outcome;
  }

  /** Not a generator: one that is left before its first step does nothing any more, and the request would go on. */
  [Symbol.asyncIterator](): AsyncIterableIterator<AnswerChunk, undefined> {
    let isOurs = false;
    let isLeft = false;
    const begin = (): void => {
      if (isOurs) return;
      if (this.#isIterated) throw new TypeError('Cannot iterate over an answer twice');
      this.#isIterated = isOurs = true;
    };
    const chunks = this.#chunks(begin, () => isLeft);
    const leave = (): void => {
      isLeft = true;
      if (this.#isIterated && !isOurs) return;
      this.#isIterated = isOurs = true;
      this.#request.cancel();
    };
    const iterator: AsyncIterableIterator<AnswerChunk, undefined> = {
      next: () => chunks.next(),
      return: () => {
        leave();
        return chunks.return(undefined);
      },
      throw: (error: unknown) => {
        leave();
        return chunks.throw(error);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Whoever waits for a chunk when the iteration is left gets the end, and no error. */
  async *#chunks(begin: () => void, isLeft: () => boolean): AsyncGenerator<AnswerChunk, undefined> {
    begin();
    try {
      await this.#reading;
      yield* this.#backlog.splice(0);
      for (let chunk = await this.#request.next(); chunk !== undefined; chunk = await this.#request.next())
        yield chunk;
    } catch (error) {
      if (!isLeft()) throw error;
    }
    return undefined;
  }

  /** Keeps a chunk for an iteration that may still begin; beyond a thousand, with the one before by the same peer. */
  #keep(chunk: AnswerChunk): void {
    const last = this.#backlog.at(-1);
    if (last === undefined || this.#backlog.length < maxBacklog || last.peerId !== chunk.peerId)
      return void this.#backlog.push(chunk);
    const [text, tokens] = [last.text + chunk.text, last.tokens + chunk.tokens];
    this.#backlog.splice(-1, 1, { ...chunk, text, tokens });
  }

  async #readAhead(): Promise<void> {
    try {
      while (!this.#isIterated) {
        const chunk = await this.#request.next();
        if (chunk === undefined) return;
        this.#keep(chunk);
      }
    } catch {
      // `outcome` has it, and so will the next call of `next`.
    }
  }
}
