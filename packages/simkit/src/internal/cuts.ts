import type { Host } from './fabric.ts';
import type { Lane } from './lane.ts';

/** Whether nothing gets from one host to another. */
export type Cut = (from: Host, to: Host) => boolean;

/**
 * Where nothing gets through, for all lanes at once: a fault costs nothing for each pair of hosts that it parts, and
 * holds for hosts and lanes that come later.
 */
export class Cuts {
  readonly #cuts = new Map<string, Cut>();
  readonly #off = new Set<Host>();
  readonly #watching = new Set<Lane>();
  #version = 0;

  /** Another number after each change. */
  get version(): number {
    return this.#version;
  }

  /** Whether nothing gets from one host to another. */
  isCut(from: Host, to: Host): boolean {
    if (this.#off.has(from) || this.#off.has(to)) return true;
    for (const cut of this.#cuts.values()) if (cut(from, to)) return true;
    return false;
  }

  /** Adds a fault. */
  add(name: string, cut: Cut): void {
    this.#cuts.set(name, cut);
    this.#notice();
  }

  /** Whether a fault is there. */
  has(name: string): boolean {
    return this.#cuts.has(name);
  }

  /** Lifts a fault. */
  delete(name: string): void {
    if (this.#cuts.delete(name)) this.#notice();
  }

  /** Lifts every fault; hosts that are off stay off. */
  clear(): void {
    if (this.#cuts.size === 0) return;
    this.#cuts.clear();
    this.#notice();
  }

  /** Cuts a host off everything, or no longer. */
  switch(host: Host, isOff: boolean): void {
    if (this.#off.has(host) === isOff) return;
    if (isOff) this.#off.add(host);
    else this.#off.delete(host);
    this.#notice();
  }

  /** Tells a lane of every change: somebody waits there. */
  watch(lane: Lane): void {
    this.#watching.add(lane);
  }

  /** Nobody waits there any more. */
  unwatch(lane: Lane): void {
    this.#watching.delete(lane);
  }

  #notice(): void {
    this.#version += 1;
    for (const lane of [...this.#watching]) lane.notice();
  }
}
