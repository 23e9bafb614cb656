import type { NatMapping } from '../types.ts';
import { mappingOf, type Observation } from './mapping.ts';

/** How long the latest verdict on the own NAT counts. */
const mappingAgeMs = 300_000;

/** Where this node stands, and behind what kind of NAT, as far as attempts have shown. */
export class OwnNat {
  #addresses: string;
  #mapping: { readonly value: NatMapping; readonly atMs: number } | undefined;
  /** What it was when somebody looked last. */
  #mappingThen: NatMapping | undefined;

  constructor(addresses: readonly string[]) {
    this.#addresses = addresses.join(' ');
  }

  /** @param at the clock's elapsed time */
  note(seen: readonly Observation[], at: number): void {
    const value = mappingOf(seen);
    if (value !== 'unknown') this.#mapping = { value, atMs: at };
  }

  mappingAt(at: number): NatMapping {
    return this.#mapping === undefined || at - this.#mapping.atMs > mappingAgeMs
      ? 'unknown'
      : this.#mapping.value;
  }

  /** Whether it stands elsewhere, or behind another kind of NAT, than when it was asked last. What is not known is no change. */
  hasMoved(addresses: readonly string[]): boolean {
    const isElsewhere = addresses.join(' ') !== this.#addresses;
    this.#addresses = addresses.join(' ');
    if (isElsewhere) this.#mapping = undefined;
    const before = isElsewhere ? undefined : this.#mappingThen;
    this.#mappingThen = this.#mapping?.value ?? before;
    return isElsewhere || (before !== undefined && this.#mappingThen !== before);
  }
}
