import type { ServiceDescriptor, ServiceType, SignedMessage } from '@lloom/codec';
import type { Clock } from '@lloom/core';
import { maxLifetimeMs } from './proof.ts';

/** Peers of whom something is kept. */
export const maxPeers = 2_048;
/** All that they have signed together, in bytes; decoded it takes about three times as much. */
const maxBytes = 16 * 1024 * 1024;

/**
 * How a descriptor came: asked from its peer, announced by its peer over a connection of its own, or relayed by somebody
 * else. The first two prove that the peer is alive.
 */
export type Source = 'asked' | 'announced' | 'relayed';

/** A peer and what it has proven of itself. */
export interface KnownPeer {
  readonly peerId: string;
  /** Proven. */
  readonly message: SignedMessage<ServiceDescriptor>;
  /** When this node heard it last, in ms since 1970. */
  readonly heardAt: number;
  /** The same by the clock that never goes back. */
  readonly heardAtMs: number;
  /** Whether its last connection was lost since: it has to be asked before it counts. */
  readonly isDoubtful: boolean;
}

interface Entry extends KnownPeer {
  /** When it was lost or did not answer, in ms since 1970; `undefined` since it was heard itself. */
  readonly lostAt: number | undefined;
  /** Believed until then, by the clock that never goes back. */
  readonly believedUntilMs: number;
  /** From then on nothing older can be valid any more. */
  readonly keptUntilMs: number;
  readonly isRelayed: boolean;
}

/**
 * What peers have proven of themselves: believed for a while, and kept for longer, so that nothing older that is still
 * valid can take its place. The lowest rank goes first when there are too many: those that others spoke of, then those
 * heard longest ago.
 */
export class KnownPeers {
  readonly #byPeer = new Map<string, Entry>();
  readonly #clock: Clock;
  readonly #beliefMs: number;
  #bytes = 0;

  /** @param beliefMs how long a peer is believed after it was heard */
  constructor(clock: Clock, beliefMs: number) {
    this.#clock = clock;
    this.#beliefMs = beliefMs;
  }

  /** How many are kept. */
  get size(): number {
    return this.#byPeer.size;
  }

  /** Believed now: heard lately, not expired, offering something. The one heard longest ago comes first. */
  live(): KnownPeer[] {
    this.#forgetOld();
    const nowMs = this.#clock.elapsed();
    return [...this.#byPeer.values()].filter((entry) => isLive(entry, nowMs));
  }

  /** The same of one peer. */
  get(peerId: string): KnownPeer | undefined {
    const entry = this.#byPeer.get(peerId);
    return entry !== undefined && isLive(entry, this.#clock.elapsed()) ? entry : undefined;
  }

  /** How many are believed to offer each kind of service. */
  providers(): Readonly<Record<ServiceType['kind'], number>> {
    const nowMs = this.#clock.elapsed();
    const counts = { executor: 0, validator: 0 };
    for (const entry of this.#byPeer.values())
      if (isLive(entry, nowMs)) for (const { kind } of entry.message.payload.services) counts[kind]++;
    return counts;
  }

  /** What a peer offers, as far as it is believed. */
  services(peerId: string): readonly ServiceType[] {
    return this.get(peerId)?.message.payload.services ?? [];
  }

  /** Those that are kept and not believed any more: worth a question. */
  dormant(): KnownPeer[] {
    this.#forgetOld();
    const nowMs = this.#clock.elapsed();
    return [...this.#byPeer.values()].filter(
      (entry) => entry.message.payload.services.length > 0 && !isLive(entry, nowMs),
    );
  }

  /**
   * Why a proven descriptor does not count: a newer one is known, or it is known and proves no life. `undefined` when it
   * does.
   */
  refuses(message: SignedMessage<ServiceDescriptor>, source: Source): 'STALE' | 'REPLAYED' | undefined {
    const { peerId, sequence } = message.payload;
    const entry = this.#byPeer.get(peerId);
    if (entry === undefined) return undefined;
    const known = entry.message;
    if (sequence < known.payload.sequence) return 'STALE';
    if (sequence > known.payload.sequence || source !== 'relayed') return undefined;
    return message.timestampMs > known.timestampMs ? undefined : 'REPLAYED';
  }

  /** Remembers what a peer has proven and that {@link refuses} lets through; gives what it had proven before. */
  note(
    message: SignedMessage<ServiceDescriptor>,
    source: Source,
  ): SignedMessage<ServiceDescriptor> | undefined {
    const { peerId, sequence } = message.payload;
    const previous = this.#byPeer.get(peerId);
    const isOlder =
      previous?.message.payload.sequence === sequence && previous.message.timestampMs > message.timestampMs;
    this.#put(isOlder ? previous.message : message, source);
    return previous?.message;
  }

  /** The last connection to a peer is lost. */
  doubt(peerId: string): void {
    const entry = this.#byPeer.get(peerId);
    if (entry !== undefined)
      this.#byPeer.set(peerId, { ...entry, isDoubtful: true, lostAt: this.#clock.now() });
  }

  /** This node was away: all that it knows has to be asked for again. */
  doubtAll(): void {
    for (const { peerId } of [...this.#byPeer.values()]) this.doubt(peerId);
  }

  /** A peer did not answer: it is believed no more, and kept. */
  disbelieve(peerId: string): void {
    const entry = this.#byPeer.get(peerId);
    if (entry === undefined) return;
    this.#byPeer.set(peerId, { ...entry, isDoubtful: true, believedUntilMs: 0, lostAt: this.#clock.now() });
  }

  /** Takes up what was proven before a restart: kept, and not believed before the peer is heard. */
  restore(message: SignedMessage<ServiceDescriptor>): void {
    if (this.#byPeer.has(message.payload.peerId)) return;
    this.#put(message, 'relayed');
    this.disbelieve(message.payload.peerId);
  }

  #put(message: SignedMessage<ServiceDescriptor>, source: Source): void {
    const { peerId } = message.payload;
    const [now, nowMs] = [this.#clock.now(), this.#clock.elapsed()];
    // Who relays shows that the peer lived when it signed, and nothing later.
    const ageMs = source === 'relayed' ? Math.max(0, now - message.timestampMs) : 0;
    const previous = this.#byPeer.get(peerId);
    const lostAt = source === 'relayed' ? previous?.lostAt : undefined;
    const isLost = lostAt !== undefined && message.timestampMs <= lostAt;
    const believedUntilMs = nowMs + Math.min(this.#beliefMs - ageMs, message.expiresMs - now);
    this.#drop(peerId);
    this.#byPeer.set(peerId, {
      peerId,
      message,
      heardAt: now - ageMs,
      heardAtMs: nowMs - ageMs,
      isRelayed: source === 'relayed',
      isDoubtful: isLost,
      lostAt: isLost ? lostAt : undefined,
      // What was said before it was lost says nothing new.
      believedUntilMs: isLost ? Math.min(previous?.believedUntilMs ?? 0, believedUntilMs) : believedUntilMs,
      keptUntilMs: nowMs + maxLifetimeMs,
    });
    this.#bytes += message.payloadBytes.length;
    if (this.#byPeer.size > maxPeers) this.#evictOldest(peerId);
    while (this.#bytes > maxBytes) this.#evictLargest();
  }

  #evictOldest(except: string): void {
    let first: string | undefined;
    for (const { peerId, isRelayed } of this.#byPeer.values()) {
      if (peerId === except) continue;
      if (isRelayed) return this.#drop(peerId);
      first ??= peerId;
    }
    this.#drop(first ?? except);
  }

  /** Who takes the most room gives it: a few that say much must not push out many that say little. */
  #evictLargest(): void {
    let largest: Entry | undefined;
    for (const entry of this.#byPeer.values()) {
      const { length } = entry.message.payloadBytes;
      if (largest === undefined || length > largest.message.payloadBytes.length) largest = entry;
    }
    if (largest !== undefined) this.#drop(largest.peerId);
  }

  #drop(peerId: string): void {
    this.#bytes -= this.#byPeer.get(peerId)?.message.payloadBytes.length ?? 0;
    this.#byPeer.delete(peerId);
  }

  /** The one heard longest ago is the first to go: all are kept equally long. */
  #forgetOld(): void {
    const nowMs = this.#clock.elapsed();
    for (const { peerId, keptUntilMs } of this.#byPeer.values()) {
      if (keptUntilMs > nowMs) return;
      this.#drop(peerId);
    }
  }
}

function isLive({ believedUntilMs, message }: Entry, nowMs: number): boolean {
  return believedUntilMs > nowMs && message.payload.services.length > 0;
}
