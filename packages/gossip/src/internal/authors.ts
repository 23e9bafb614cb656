import { type Clock, RecentMap } from '@lloom/core';
import type { ResolvedConfig } from '../config.ts';
import { Pace, type Usage } from './pace.ts';
import { SequenceWindow } from './sequenceWindow.ts';

/** Authors that are remembered, by topic, and neighbours; who has been silent longest goes first. */
const maxAuthors = 4_096;
/** Sequences that are remembered, of all authors; those of whoever has been silent longest go first. */
const maxSequences = 262_144;
/** The widest window, so that nobody alone takes more than a quarter of them. */
const maxWindow = maxSequences / 8;
/** A message may be under way for so long: then nobody has it for others any more. */
const maxHeartbeats = 5;
/** A neighbour hands over what many say: so many times what one author may say on one topic. */
const neighbourFactor = 64;
/** Where no time stands in a message, its sequence alone tells that it is old: it is remembered for so long, in ms. */
const untimedMs = 3_600_000;

/** What one author said on one topic. */
export interface Author extends Usage {
  readonly key: string;
  window: SequenceWindow;
  /** When a sequence was new last, by the clock that never goes back. */
  heardAtMs: number;
}

/** How a message is held against what its author said before. */
export interface Admission {
  /**
   * Whether the time in the message says that it is fresh. Then sequences need not be remembered for longer than messages
   * are fresh, and an author whose clock was set back is soon heard again.
   */
  readonly isTimed: boolean;
  /** Whether it was counted already. */
  readonly isCounted: boolean;
}

/** What each author said lately on each topic: how much, and which sequences; and how much each neighbour handed over. */
export class Authors {
  /** Whoever was heard last is the last. */
  readonly #authors = new Map<string, Author>();
  /** Those of them whose sequences are remembered. Whoever said something new last is the last. */
  readonly #remembering = new Set<Author>();
  readonly #neighbours = new RecentMap<Usage>(maxAuthors);
  readonly #clock: Clock;
  readonly #pace: Pace;
  readonly #neighbourPace: Pace;
  readonly #timedMs: number;
  readonly #windowSize: number;
  #sequences = 0;

  constructor(clock: Clock, config: ResolvedConfig) {
    const { maxMessagesPerSecond: perSecond, maxMessageBurst: burst } = config;
    this.#clock = clock;
    this.#pace = new Pace({ perSecond, burst });
    this.#neighbourPace = new Pace({
      perSecond: perSecond * neighbourFactor,
      burst: burst * neighbourFactor,
    });
    this.#timedMs = 2 * config.maxMessageAgeMs;
    const underwaySeconds = (maxHeartbeats * config.heartbeatIntervalMs) / 1_000;
    this.#windowSize = Math.min(maxWindow, burst + Math.ceil(perSecond * underwaySeconds));
  }

  /** How many sequences are remembered, of all authors. */
  get sequences(): number {
    return this.#sequences;
  }

  /** Whether a neighbour may hand over one more message, whoever says it on whatever topic. */
  mayHandOver(source: string): boolean {
    const nowMs = this.#clock.elapsed();
    const usage = this.#neighbours.get(source) ?? { used: 0, atMs: nowMs };
    this.#neighbours.set(source, usage);
    return this.#neighbourPace.take(usage, nowMs);
  }

  /** What is known of an author. Remembered only when it says something: what others repeat of it does not count. */
  of(author: string, topic: string): Author {
    const key = `${author}\n${topic}`;
    const nowMs = this.#clock.elapsed();
    const window = (): SequenceWindow => new SequenceWindow(this.#windowSize);
    return this.#authors.get(key) ?? { key, used: 0, atMs: nowMs, window: window(), heardAtMs: nowMs };
  }

  /** Whether the author may say one more. */
  maySay(author: Author): boolean {
    this.#authors.delete(author.key);
    this.#authors.set(author.key, author);
    const [oldest] = this.#authors.size > maxAuthors ? this.#authors.values() : [];
    if (oldest !== undefined) {
      this.#authors.delete(oldest.key);
      this.#release(oldest);
    }
    return this.#pace.take(author, this.#clock.elapsed());
  }

  /** Why a message is not taken; when it is, its sequence is remembered. */
  admit(
    author: Author,
    sequence: number | bigint,
    { isTimed, isCounted }: Admission,
  ): 'replayed' | 'tooMany' | undefined {
    const nowMs = this.#clock.elapsed();
    if (nowMs - author.heardAtMs > (isTimed ? this.#timedMs : untimedMs)) {
      this.#release(author);
      author.window = new SequenceWindow(this.#windowSize);
    }
    if (!author.window.isNew(sequence)) return 'replayed';
    if (!isCounted && !this.maySay(author)) return 'tooMany';
    author.heardAtMs = nowMs;
    this.#release(author);
    author.window.note(sequence);
    this.#remembering.add(author);
    this.#sequences += author.window.remembered;
    for (const silent of this.#remembering) {
      if (this.#sequences <= maxSequences) break;
      this.#release(silent);
      silent.window.keep(0);
    }
    return undefined;
  }

  /** The sequences of an author count no more. */
  #release(author: Author): void {
    if (this.#remembering.delete(author)) this.#sequences -= author.window.remembered;
  }
}
