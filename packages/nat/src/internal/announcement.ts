import type { Clock } from '@lloom/core';

/** How often what is announced for one relay may become something else, in ms. */
const changeMs = 60_000;

/** What announcing takes. */
interface AnnouncementPorts {
  readonly clock: Clock;
  /** Hears what is announced from now on, in place of what was. */
  readonly onChange: (addresses: readonly string[]) => void;
}

/**
 * The addresses that are announced for one relay. The first ones are at once, and what is taken back too. Others follow after a
 * minute only: a relay cannot have this node tell everybody something new all the time.
 */
export class Announcement {
  readonly #ports: AnnouncementPorts;
  #current: readonly string[] = [];
  /** What was announced last, and since when, by the clock's elapsed time. */
  #last: readonly string[] = [];
  #changedAt = Number.NEGATIVE_INFINITY;
  #timer: unknown;

  constructor(ports: AnnouncementPorts) {
    this.#ports = ports;
  }

  /** What is announced now. */
  get current(): readonly string[] {
    return this.#current;
  }

  /** Has them announced, as soon as that may be. */
  offer(addresses: readonly string[]): void {
    const { clock } = this.#ports;
    this.#forget();
    if (isSame(addresses, this.#current)) return;
    const isNew = !isSame(addresses, this.#last);
    const waitMs = this.#changedAt + changeMs - clock.elapsed();
    if (isNew && waitMs > 0) {
      this.#timer = clock.setTimeout(() => this.offer(addresses), waitMs);
      return;
    }
    if (isNew) this.#changedAt = clock.elapsed();
    this.#last = addresses;
    this.#become(addresses);
  }

  /** Takes back what is announced, and what is to be. */
  retract(): void {
    this.#forget();
    if (this.#current.length > 0) this.#become([]);
  }

  #become(addresses: readonly string[]): void {
    this.#current = addresses;
    this.#ports.onChange(addresses);
  }

  #forget(): void {
    if (this.#timer !== undefined) this.#ports.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

const isSame = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((one, at) => one === others[at]);
