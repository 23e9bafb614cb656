import type { AnswerRecord, RecordedMessage } from './answerRecord.ts';
import type { AnswerKind } from './exchange.ts';

/** Somebody who is given an answer. */
export interface AnswerFollower {
  /** Takes the next message; a promise when it has to be waited for before the next. It never rejects. */
  send(kind: AnswerKind, message: Uint8Array): Promise<void> | undefined;
  /** What it has not been given yet is not there any more. */
  miss(): void;
}

/** How far one follower is. */
interface Feed<F> {
  readonly follower: F;
  /** Where its next message begins in the record. */
  at: number;
  /** Whether it still takes the last one. */
  isBusy: boolean;
  hasLeft: boolean;
}

/**
 * Gives one answer to everybody who asks for it: usually one, who gets each message at once. Whoever comes later is first
 * given what was said so far, from the record. Each takes it as fast as it can; who makes the answer waits for the fastest.
 */
export class AnswerFeeds<F extends AnswerFollower = AnswerFollower> {
  readonly #record: AnswerRecord;
  /** Replaced as a whole: it may change while it is gone through. */
  #feeds: readonly Feed<F>[] = [];
  /** The one who has been there from the beginning, as long as it is alone: where it is need not be noted. */
  #only: Feed<F> | undefined;
  #hasBegun: boolean;
  #isReady: PromiseWithResolvers<void> | undefined;

  /** @param record what was said before; what is said from now on is added to it */
  constructor(record: AnswerRecord) {
    this.#record = record;
    this.#hasBegun = record.end > 0;
  }

  /** How many follow. */
  get size(): number {
    return this.#feeds.length;
  }

  /** Tells all who follow, with how many bytes each is behind; they may leave when they are told. */
  each(tell: (follower: F, behindBytes: number) => void): void {
    for (const feed of this.#feeds)
      tell(feed.follower, feed === this.#only ? 0 : Math.max(0, this.#record.end - feed.at));
  }

  /** Takes somebody in, and gives what was said so far. */
  join(follower: F): void {
    const feed = { follower, at: 0, isBusy: false, hasLeft: false };
    if (this.#feeds.length === 0 && !this.#hasBegun) this.#only = feed;
    else this.#share();
    this.#feeds = this.#feeds.length === 0 ? [feed] : [...this.#feeds, feed];
    if (this.#hasBegun && !this.#record.isWhole) follower.miss();
    else this.#catchUp(feed);
  }

  leave(follower: F): void {
    for (const feed of this.#feeds) if (feed.follower === follower) feed.hasLeft = true;
    this.#feeds = this.#feeds.filter(({ hasLeft }) => !hasLeft);
    if (this.#only?.hasLeft === true) this.#only = undefined;
    if (this.#feeds.length === 0 || this.#isAnyReady()) this.#resume();
  }

  /** Gives the next message; a promise when nobody takes another one now. It never rejects. */
  send(kind: AnswerKind, message: Uint8Array): Promise<void> | undefined {
    this.#hasBegun = true;
    const isKept = this.#record.add(kind, message);
    if (this.#only !== undefined) {
      const taking = this.#only.follower.send(kind, message);
      if (taking === undefined) return undefined;
      this.#wait(this.#only, taking);
      return this.#anyReady();
    }
    for (const feed of this.#feeds) {
      if (feed.hasLeft) continue;
      if (!feed.isBusy) this.#give(feed, { kind, message, next: this.#record.end });
      // It would find a gap.
      else if (!isKept) feed.follower.miss();
    }
    return this.#feeds.length === 0 || this.#isAnyReady() ? undefined : this.#anyReady();
  }

  /** The first one is one of several from now on, and has been given all that was said. */
  #share(): void {
    if (this.#only !== undefined) this.#only.at = this.#record.end;
    this.#only = undefined;
  }

  #catchUp(feed: Feed<F>): void {
    while (!feed.hasLeft && feed.at < this.#record.end)
      if (!this.#give(feed, this.#record.read(feed.at))) return;
    if (!feed.hasLeft) this.#resume();
  }

  /** `false`: it takes a while. */
  #give(feed: Feed<F>, { kind, message, next }: RecordedMessage): boolean {
    feed.at = next;
    const taking = feed.follower.send(kind, message);
    if (taking !== undefined) this.#wait(feed, taking);
    return taking === undefined;
  }

  /** Others may be faster, also those who come meanwhile. */
  #wait(feed: Feed<F>, taking: Promise<void>): void {
    feed.isBusy = true;
    const taken = (): void => {
      feed.isBusy = false;
      if (feed === this.#only) this.#resume();
      else this.#catchUp(feed);
    };
    void taking.then(taken);
  }

  #anyReady(): Promise<void> {
    this.#isReady ??= Promise.withResolvers();
    return this.#isReady.promise;
  }

  #isAnyReady(): boolean {
    return this.#feeds.some(({ isBusy }) => !isBusy);
  }

  #resume(): void {
    this.#isReady?.resolve();
    this.#isReady = undefined;
  }
}
