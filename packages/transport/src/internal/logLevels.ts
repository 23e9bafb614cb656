import type { LogLevel } from '../ports.ts';

/** The levels, from silent to loud. */
export const logRanks: Readonly<Record<LogLevel, number>> = {
  off: 0,
  error: 1,
  info: 2,
  debug: 3,
  trace: 4,
};

/** How much is logged of which component. */
export class LogLevels {
  readonly #levels = new Map<string, LogLevel>();
  /** How many components are set to each rank. */
  readonly #counts = [0, 0, 0, 0, 0];
  #loudest = 0;
  #changes = 0;

  get levels(): ReadonlyMap<string, LogLevel> {
    return this.#levels;
  }

  /** The rank of the loudest component: 0 while all are off. */
  get loudest(): number {
    return this.#loudest;
  }

  /** Differs after each change, so that a rank can be kept until then. */
  get changes(): number {
    return this.#changes;
  }

  set(component: string, level: LogLevel | undefined): void {
    this.#count(this.#levels.get(component), -1);
    this.#count(level, 1);
    if (level === undefined) this.#levels.delete(component);
    else this.#levels.set(component, level);
    this.#loudest = Math.max(
      0,
      this.#counts.findLastIndex((count) => count > 0),
    );
    this.#changes++;
  }

  #count(level: LogLevel | undefined, by: 1 | -1): void {
    if (level !== undefined) this.#counts[logRanks[level]]! += by;
  }

  /** The rank of what is set for a component, or for what it is beneath. */
  rankOf(component: string): number {
    for (let name = component; ; name = name.slice(0, Math.max(0, name.lastIndexOf(':')))) {
      const level = this.#levels.get(name);
      if (level !== undefined) return logRanks[level];
      if (name === '') return 0;
    }
  }
}
