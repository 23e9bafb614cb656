import type { Clock } from '@lloom/core';
import type { RpcConfig } from './config.ts';
import { lifecycles, type Lifecycle, type LifecyclePorts, type Lifecycles } from './lifecycle.ts';
import {
  breakerMachine,
  type BreakerEvent,
  type BreakerInput,
  type BreakerState,
} from './machines/breaker.machine.ts';

/** When a peer is left alone, and for how long. */
export type BreakerLimits = Required<Pick<RpcConfig, 'avoidAfterFailures' | 'avoidMs' | 'maxAvoidMs'>>;

/** What breakers need from outside. */
export interface BreakerPorts extends LifecyclePorts {
  /** Told whenever a peer's breaker changes; `forgotten` is not told. Must not throw. @default nobody is told */
  readonly onChange?: ((peerId: string, state: BreakerState) => void) | undefined;
}

/** A peer that failed, or had no room. */
interface Known {
  /** In a row. */
  failures: number;
  /** How long it was left alone the last time, in ms; 0: never. */
  avoidMs: number;
  /** When it may be asked again. */
  avoidUntilMs: number;
  busyUntilMs: number;
  /** From the first time on that it was left alone. */
  life: Lifecycle<BreakerEvent, BreakerState> | undefined;
}

const maxKnown = 1_024;
const longestBusyMs = 3_600_000;
/** When to ask after a probe that is under way. */
const probeRetryMs = 1_000;

/**
 * Whom this node leaves alone because it fails: a circuit breaker for each peer. Only peers that failed or were busy are
 * known, 1,024 at most: the one that is known longest without a new failure is forgotten first. Works by what this node has
 * seen itself, so nobody can talk it out of asking somebody else.
 */
export class Breakers {
  readonly #limits: BreakerLimits;
  readonly #clock: Clock;
  readonly #onChange: BreakerPorts['onChange'];
  readonly #lives: Lifecycles<BreakerInput, BreakerEvent, BreakerState>;
  /** The one that failed longest ago first. */
  readonly #known = new Map<string, Known>();

  constructor(limits: BreakerLimits, { clock, inspect, onChange }: BreakerPorts) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#lives = lifecycles(breakerMachine, { clock, inspect });
  }

  /**
   * How long the peer is still left alone, in whole ms. 0: it may be asked now; the first one that is told so after a time of
   * being left alone is the probe, and must say how it ended.
   */
  check(peerId: string): number {
    const known = this.#known.get(peerId);
    switch (known?.life?.state) {
      case 'open':
        return Math.max(1, Math.ceil((known as Known).avoidUntilMs - this.#clock.elapsed()));
      case 'probing':
        return probeRetryMs;
      case 'halfOpen':
        known?.life?.send({ type: 'probe.began' });
        return 0;
      default:
        return 0;
    }
  }

  /** Whether it is a bad choice now: left alone, tried by somebody else, or without room. Changes nothing. */
  isAvoided(peerId: string): boolean {
    const known = this.#known.get(peerId);
    if (known === undefined) return false;
    const state = known.life?.state;
    return state === 'open' || state === 'probing' || known.busyUntilMs > this.#clock.elapsed();
  }

  /** It has said that it has no room for so long, in ms, an hour at most: no failure, but others are the better choice. */
  busy(peerId: string, forMs: number): void {
    if (!(forMs > 0)) return;
    const known = this.#known.get(peerId) ?? this.#note(peerId);
    known.busyUntilMs = this.#clock.elapsed() + Math.min(forMs, longestBusyMs);
  }

  /** A request has succeeded: what is known against the peer counts no more. What it has said of its room still does. */
  succeeded(peerId: string): void {
    const known = this.#known.get(peerId);
    if (known === undefined) return;
    const { life, busyUntilMs } = known;
    if (busyUntilMs <= this.#clock.elapsed()) this.#known.delete(peerId);
    else Object.assign(known, nothing, { busyUntilMs });
    life?.send({ type: 'peer.recovered' });
    life?.send({ type: 'peer.forget' });
  }

  /** A request has failed, and the peer is to blame. */
  failed(peerId: string): void {
    const { avoidAfterFailures } = this.#limits;
    if (avoidAfterFailures === 0) return;
    const known = this.#known.get(peerId) ?? this.#note(peerId);
    // Asked before it was left alone: that says nothing new.
    if (known.life?.state === 'open') return;
    this.#known.delete(peerId);
    this.#known.set(peerId, known);
    known.failures++;
    if (known.failures >= avoidAfterFailures) this.#trip(peerId, known);
  }

  /** The probe has ended and says nothing, as when it was cancelled: another one may try. */
  undecided(peerId: string): void {
    this.#known.get(peerId)?.life?.send({ type: 'probe.ended' });
  }

  /** Forgets everybody: no timers are left. */
  stop(): void {
    for (const peerId of [...this.#known.keys()]) this.#forget(peerId);
  }

  #note(peerId: string): Known {
    if (this.#known.size >= maxKnown) {
      const [longestAgo] = this.#known.keys();
      this.#forget(longestAgo as string);
    }
    const known = { ...nothing };
    this.#known.set(peerId, known);
    return known;
  }

  #trip(peerId: string, known: Known): void {
    const { avoidMs, maxAvoidMs } = this.#limits;
    known.avoidMs = Math.min(known.avoidMs === 0 ? avoidMs : 2 * known.avoidMs, maxAvoidMs);
    known.avoidUntilMs = this.#clock.elapsed() + known.avoidMs;
    known.life ??= this.#lives.start(
      { peerId },
      {
        id: `breaker:${peerId}`,
        onEnter: (state) => this.#onChange?.(peerId, state),
        onEnd: () => undefined,
      },
    );
    known.life.send({ type: 'peer.tripped', avoidMs: known.avoidMs });
  }

  #forget(peerId: string): void {
    const life = this.#known.get(peerId)?.life;
    this.#known.delete(peerId);
    life?.send({ type: 'peer.forget' });
  }
}

/** A peer of which nothing is known. */
const nothing: Known = Object.freeze({
  failures: 0,
  avoidMs: 0,
  avoidUntilMs: 0,
  busyUntilMs: 0,
  life: undefined,
});
