import { createHash } from 'node:crypto';

/** What happened in a network, in order: a few last lines, and a digest of all of them. */
export interface Trace {
  /** How many things happened. */
  readonly length: number;
  /** Notes something of your own, so that it counts and is seen between the rest. Cut at 200 characters. */
  note(text: string): void;
  /** The last lines, oldest first: virtual time in seconds, and what happened. */
  tail(lines?: number): readonly string[];
  /** SHA-256 over every line so far, in hex. Two runs of one seed have the same. */
  hash(): string;
}

const maxLineLength = 200;
const defaultTail = 40;

/** A {@link Trace} that keeps `keptLines` lines, and tells `onLine` each one. */
export class RunningTrace implements Trace {
  readonly #elapsed: () => number;
  readonly #keptLines: number;
  readonly #onLine: ((line: string) => void) | undefined;
  readonly #digest = createHash('sha256');
  readonly #lines: string[] = [];
  #length = 0;

  constructor(elapsed: () => number, keptLines: number, onLine?: (line: string) => void) {
    this.#elapsed = elapsed;
    this.#keptLines = keptLines;
    this.#onLine = onLine;
  }

  get length(): number {
    return this.#length;
  }

  note(text: string): void {
    const line = `${(this.#elapsed() / 1_000).toFixed(6)} ${String(text).slice(0, maxLineLength)}`;
    this.#digest.update(line).update('\n');
    this.#lines[this.#length % this.#keptLines] = line;
    this.#length += 1;
    this.#onLine?.(line);
  }

  tail(lines = defaultTail): readonly string[] {
    const kept = Math.min(this.#length, this.#keptLines);
    const count = Math.min(lines, kept);
    return Array.from({ length: count }, (_, index) => {
      const position = this.#length - count + index;
      return this.#lines[position % this.#keptLines]!;
    });
  }

  hash(): string {
    return this.#digest.copy().digest('hex');
  }
}
