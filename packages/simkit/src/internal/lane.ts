import type { Link } from '../link.ts';
import type { Cuts } from './cuts.ts';
import type { Host } from './fabric.ts';

/** Between which hosts a {@link Lane} lies, and what may cut it. */
export interface LaneParts {
  readonly from: Host;
  readonly to: Host;
  readonly link: Link;
  readonly cuts: Cuts;
}

/** The way from one host to another, shared by all their connections. There are very many, so that it is small. */
export class Lane {
  readonly from: Host;
  readonly to: Host;
  link: Link;
  /** When the line has sent what was handed to it, in ms. */
  freeAtMs = 0;
  /** Whether the last segment was lost at its first try. */
  isLosing = false;
  readonly #cuts: Cuts;
  /** For which state of the cuts `#isCut` is the answer. */
  #version = -1;
  #isCut = false;
  #isHeld = false;
  #waiting: Set<() => void> | undefined;

  constructor({ from, to, link, cuts }: LaneParts) {
    this.from = from;
    this.to = to;
    this.link = link;
    this.#cuts = cuts;
  }

  /** Whether anything gets through. */
  get isOpen(): boolean {
    if (this.#isHeld) return false;
    const { version } = this.#cuts;
    if (this.#version !== version) {
      this.#version = version;
      this.#isCut = this.#cuts.isCut(this.from, this.to);
    }
    return !this.#isCut;
  }

  /** Whether it is held back: then no sender gives up. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Holds back, or no longer. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.notice();
  }

  /** Calls `fn` whenever any of that may have changed. Returns how to end it. */
  onChange(fn: () => void): () => void {
    this.#waiting ??= new Set();
    this.#waiting.add(fn);
    this.#cuts.watch(this);
    return () => {
      this.#waiting?.delete(fn);
      if (this.#waiting?.size !== 0) return;
      this.#waiting = undefined;
      this.#cuts.unwatch(this);
    };
  }

  /** Tells all who wait that something may have changed. */
  notice(): void {
    for (const fn of [...(this.#waiting ?? [])]) fn();
  }
}
