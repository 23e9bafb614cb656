import { type Clock, RecentMap } from '@lloom/core';
import type { ResolvedConfig } from '../config.ts';
import type { Incoming } from '../ports.ts';
import { Pace, type Usage } from './pace.ts';
import { SequenceWindow } from './sequenceWindow.ts';

/** Authors that are remembered, by topic; who has been silent longest goes first. */
const maxAuthors = 4_096;
/** Who hands over unsigned messages hands over those of all: so many times what one author may say. */
const unsignedFactor = 16;
/** Where no time stands in a message, its sequence alone tells that it is old: it is remembered for so long, in ms. */
const untimedMs = 3_600_000;

/** What one author said on one topic. */
export interface Author extends Usage {
  window: SequenceWindow;
  /** When a sequence was new last, by the clock that never goes back. */
  heardAtMs: number;
}

/** What each author said lately on each topic: how much, and which sequences. */
export class Authors {
  readonly #authors = new RecentMap<Author>(maxAuthors);
  readonly #clock: Clock;
  readonly #signed: Pace;
  readonly #unsigned: Pace;
  readonly #timedMs: number;

  constructor(clock: Clock, config: ResolvedConfig) {
    const { maxMessagesPerSecond: perSecond, maxMessageBurst: burst, maxMessageAgeMs } = config;
    this.#clock = clock;
    this.#signed = new Pace({ perSecond, burst });
    this.#unsigned = new Pace({ perSecond: perSecond * unsignedFactor, burst: burst * unsignedFactor });
    this.#timedMs = 2 * maxMessageAgeMs;
  }

  /** What is known of the author of a message, when it may say it; `undefined` when it says too much. */
  admit({ author, source, topic }: Incoming): Author | undefined {
    const nowMs = this.#clock.elapsed();
    const key = `${author ?? source}\n${topic}`;
    const known = this.#authors.get(key) ?? {
      used: 0,
      atMs: nowMs,
      window: new SequenceWindow(),
      heardAtMs: nowMs,
    };
    this.#authors.set(key, known);
    const pace = author === undefined ? this.#unsigned : this.#signed;
    return pace.take(known, nowMs) ? known : undefined;
  }

  /**
   * Whether the sequence is new. `isTimed` when the time in the message says that it is fresh: then sequences need not be
   * remembered for longer than messages are fresh, and an author whose clock was set back is soon heard again.
   */
  isNew(author: Author, sequence: number | bigint, { isTimed }: { readonly isTimed: boolean }): boolean {
    const nowMs = this.#clock.elapsed();
    if (nowMs - author.heardAtMs > (isTimed ? this.#timedMs : untimedMs))
      author.window = new SequenceWindow();
    if (!author.window.note(sequence)) return false;
    author.heardAtMs = nowMs;
    return true;
  }
}
