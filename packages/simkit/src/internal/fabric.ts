import type { Random } from '@lloom/core';
import type { VirtualClock } from '../clock.ts';
import type { Link } from '../link.ts';
import type { RunningTrace } from '../trace.ts';

/** One machine of the network. */
export interface Host {
  readonly name: string;
  readonly ip: string;
}

/** The way from one host to another, shared by all their connections. */
export class Lane {
  link: Link;
  /** When the line has sent what was handed to it, in ms. */
  freeAtMs = 0;
  /** Why nothing gets through: names of faults, so that each can be lifted by itself. */
  readonly #cuts = new Set<string>();
  readonly #waiting = new Set<() => void>();
  #isHeld = false;

  constructor(link: Link) {
    this.link = link;
  }

  /** Whether anything gets through. */
  get isOpen(): boolean {
    return this.#cuts.size === 0 && !this.#isHeld;
  }

  /** Whether it is held back: then no sender gives up. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Adds a fault. */
  cut(name: string): void {
    this.#cuts.add(name);
    this.#notice();
  }

  /** Lifts a fault. */
  mend(name: string): void {
    if (this.#cuts.delete(name)) this.#notice();
  }

  /** Holds back, or no longer. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#notice();
  }

  /** Calls `fn` whenever any of that changes. Returns how to end it. */
  onChange(fn: () => void): () => void {
    this.#waiting.add(fn);
    return () => this.#waiting.delete(fn);
  }

  #notice(): void {
    for (const fn of [...this.#waiting]) fn();
  }
}

/** What every part of a simulated network shares: time, chance, the record, hosts and the lanes between them. */
export class Fabric {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly trace: RunningTrace;
  readonly hosts = new Map<string, Host>();
  readonly #byIp = new Map<string, Host>();
  readonly #link: Link;
  readonly #lanes = new Map<string, Map<string, Lane>>();
  readonly #boots = new Map<Host, number>();

  constructor(parts: { clock: VirtualClock; random: Random; trace: RunningTrace; link: Link }) {
    this.clock = parts.clock;
    this.random = parts.random;
    this.trace = parts.trace;
    this.#link = parts.link;
  }

  /** The way from `from` to `to`. */
  lane(from: Host, to: Host): Lane {
    let lanes = this.#lanes.get(from.name);
    if (lanes === undefined) this.#lanes.set(from.name, (lanes = new Map()));
    let lane = lanes.get(to.name);
    if (lane === undefined) lanes.set(to.name, (lane = new Lane(this.#link)));
    return lane;
  }

  /** Every lane that exists. One that nobody has used yet has no fault either. */
  *lanes(): Iterable<Lane> {
    for (const lanes of this.#lanes.values()) yield* lanes.values();
  }

  /** Takes a host in. */
  add(host: Host): void {
    this.hosts.set(host.name, host);
    this.#byIp.set(host.ip, host);
  }

  /** The host that has an ip address. */
  hostAt(ip: string): Host | undefined {
    return this.#byIp.get(ip);
  }

  /** How often the process of a host has died. */
  bootOf(host: Host): number {
    return this.#boots.get(host) ?? 0;
  }

  /** The process of a host dies. */
  noteDeath(host: Host): void {
    this.#boots.set(host, this.bootOf(host) + 1);
  }
}
