import { orAbort, sharing } from '@lloom/core';
import { fromPromise, type ActorRefFrom } from 'xstate';
import { createServiceActor } from './actors.ts';
import type { ResolvedNatConfig } from './config.ts';
import { Announcement } from './internal/announcement.ts';
import { givenUp } from './internal/families.ts';
import { partOf, RelayCandidates } from './internal/relayCandidates.ts';
import type { RelayNetwork } from './internal/relayNetwork.ts';
import { addressesOfEach, relaysOf } from './internal/relayTargets.ts';
import type { Shared } from './internal/shared.ts';
import { relaySearchMachine } from './machines/relaySearch.machine.ts';
import { reservationMachine } from './machines/reservation.machine.ts';
import type { RelayCandidate, RelaySource } from './ports.ts';
import type { NatExplanation, RelayClientConfig, ReservationState } from './types.ts';

/** What keeping places needs beside what is shared. */
export interface ReservingPorts extends Shared {
  readonly network: RelayNetwork;
  readonly source: RelaySource | undefined;
  readonly config: Pick<ResolvedNatConfig, 'enableRelay' | 'relayClient'>;
}

/** What is to be kept. Without relays they are looked for. */
interface Goal {
  readonly relays: readonly RelayCandidate[];
  readonly maxReservations: number;
}

/** A relay that a place is kept at, or asked for. */
interface Entry {
  relay: RelayCandidate;
  isConfigured: boolean;
  readonly actor: ActorRefFrom<typeof reservationMachine>;
  readonly announcement: Announcement;
  isReserved: boolean;
  expiresAt: number | undefined;
  retryAt: number | undefined;
}

/** Relays that were found and are asked at the same time. */
const maxTriedAtOnce = 4;
/** How much of what a source names is read at a time. */
const maxRead = 64;

/** Keeps places at relays: a machine for each relay, and one that looks for relays. */
export class Reserving {
  readonly #ports: ReservingPorts;
  readonly #entries = new Map<string, Entry>();
  readonly #candidates = new RelayCandidates();
  readonly #standing: Goal;
  /** What the user asked for; `undefined` when it was nothing, or taken back. */
  #asked: Goal | undefined;
  #isForbidden = false;
  #isPrivate = false;
  #isStarted = false;
  #search: ActorRefFrom<typeof relaySearchMachine> | undefined;
  #unlisten: (() => void) | undefined;

  /** @throws {AddressError} for a relay of the configuration that cannot be used */
  constructor(ports: ReservingPorts) {
    this.#ports = ports;
    this.#standing = this.#goalOf(ports.config.relayClient);
  }

  /** Where others can dial this node through relays now. */
  get addresses(): string[] {
    return [...this.#entries.values()].flatMap(({ announcement }) => [...announcement.current]);
  }

  /** How many relays keep a place for this node. */
  get places(): number {
    return [...this.#entries.values()].filter(({ isReserved }) => isReserved).length;
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#unlisten = this.#ports.network.listen({
      connected: (peerId) => this.#entries.get(peerId)?.actor.send({ type: 'relay.ready' }),
      met: (relay, isAgain) => this.#met(relay, isAgain),
      gone: (peerId, reason) => this.#entries.get(peerId)?.actor.send({ type: 'relay.gone', reason }),
    });
    this.#apply();
  }

  /** Gives every place up, until the next start. */
  stop(): void {
    this.#isStarted = false;
    this.#unlisten?.();
    this.#unlisten = undefined;
    this.#apply();
  }

  /**
   * Keeps places from now on, or from the next start on.
   * @throws {AddressError} for a relay's address that cannot be used; nothing was changed then
   */
  enable(config: Required<RelayClientConfig>): void {
    this.#asked = this.#goalOf(config);
    this.#isForbidden = false;
    this.#apply();
  }

  /** Gives every place up, and does not begin by itself. */
  disable(): void {
    this.#asked = undefined;
    this.#isForbidden = true;
    this.#apply();
  }

  /** A private node begins by itself, and ends that when it turns public. */
  setPrivate(isPrivate: boolean): void {
    this.#isPrivate = isPrivate;
    this.#apply();
  }

  /** Whether a connection to the peer is needed for a place. */
  isNeeded(peerId: string): boolean {
    return this.#entries.has(peerId);
  }

  explain(): Pick<NatExplanation, 'isRelayClient' | 'relays'> {
    const relays = Array.from(this.#entries, ([relay, { actor, announcement, expiresAt, retryAt }]) => {
      const { value, context } = actor.getSnapshot();
      const state = (typeof value === 'string' ? value : 'reserved') as ReservationState;
      const { failures, lastFailure } = context;
      return {
        relay,
        state,
        addresses: announcement.current,
        failures,
        ...(expiresAt !== undefined && { expiresAt }),
        ...(lastFailure !== null && { lastFailure }),
        ...(retryAt !== undefined && state === 'waiting' && { retryAt }),
      };
    });
    return { isRelayClient: this.#goal !== undefined, relays };
  }

  get #goal(): Goal | undefined {
    if (!this.#ports.config.enableRelay) return undefined;
    const isWanted = this.#isPrivate && !this.#isForbidden;
    return this.#asked ?? (isWanted ? this.#standing : undefined);
  }

  #goalOf({ relays, maxReservations }: Required<RelayClientConfig>): Goal {
    return { relays: relaysOf(relays, this.#ports.network.self), maxReservations };
  }

  /** Brings what is kept in line with what is wanted. */
  #apply(): void {
    const goal = this.#isStarted ? this.#goal : undefined;
    const isSearching = goal !== undefined && goal.relays.length === 0;
    const named = new Map(goal?.relays.map((relay) => [relay.peerId, relay]));
    for (const [peerId, entry] of this.#entries) {
      const relay = named.get(peerId);
      if (relay !== undefined || isSearching) name(entry, relay);
      else this.#end(peerId, givenUp);
    }
    for (const [peerId, relay] of named) if (!this.#entries.has(peerId)) this.#begin(relay, true);
    if (isSearching) this.#endSurplus(goal.maxReservations);
    else this.#candidates.clear();
    this.#runSearch(isSearching);
    this.#fill();
  }

  #endSurplus(most: number): void {
    const worstFirst = [...this.#entries].toSorted(
      ([, one], [, other]) => Number(one.isReserved) - Number(other.isReserved),
    );
    for (const [peerId] of worstFirst.slice(0, Math.max(0, worstFirst.length - most)))
      this.#end(peerId, givenUp);
  }

  #runSearch(isSearching: boolean): void {
    if (isSearching === (this.#search !== undefined)) return;
    this.#search?.stop();
    this.#search = undefined;
    if (!isSearching) return;
    const machine = sharing(relaySearchMachine).provide({
      actors: { search: fromPromise(({ signal }) => this.#find(signal)) },
    });
    this.#search = createServiceActor(this.#ports, machine, { id: 'relaySearch' });
    this.#search.start();
  }

  /** Asks as many of the relays that were found as places are missing, and looks for more where that will not do. */
  #fill(): void {
    if (this.#search === undefined) return;
    const most = this.#goal?.maxReservations ?? 0;
    while (this.#entries.size < most && this.#tried < maxTriedAtOnce) {
      const parts = [...this.#entries.values()].map(({ relay }) => partOf(relay.addresses) ?? '');
      const relay = this.#candidates.take(new Set(parts), this.#ports.clock.elapsed());
      if (relay === undefined) break;
      this.#begin(relay, false);
    }
    this.#search.send({ type: this.places < most ? 'relays.few' : 'relays.enough' });
  }

  get #tried(): number {
    return [...this.#entries.values()].filter(({ isReserved }) => !isReserved).length;
  }

  #met(relay: RelayCandidate, isAgain: boolean): void {
    const entry = this.#entries.get(relay.peerId);
    // What is said first on a connection is no news beside the connection itself.
    if (entry !== undefined && isAgain) entry.actor.send({ type: 'relay.ready' });
    if (entry !== undefined) return;
    if (this.#search?.getSnapshot().value !== 'enough') this.#offer(relay, true);
  }

  #offer(relay: RelayCandidate, isNear: boolean): void {
    const { peerId } = relay;
    if (this.#search === undefined || this.#entries.has(peerId) || peerId === this.#ports.network.self)
      return;
    this.#candidates.add(relay, isNear);
    this.#fill();
  }

  async #find(signal: AbortSignal): Promise<void> {
    const { network, source } = this.#ports;
    try {
      for (const relay of await orAbort(network.known(), signal)) this.#offer(relay, false);
      if (source === undefined || !this.#isShort) return;
      const found = source.find({ signal })[Symbol.asyncIterator]();
      try {
        for (let read = 0; read < maxRead && this.#isShort; read++) {
          const next = await orAbort(Promise.resolve(found.next()), signal);
          if (next.done === true) break;
          this.#offer(next.value, false);
        }
      } finally {
        // It may be in the middle of something that does not end.
        void Promise.resolve(found.return?.()).catch(() => undefined);
      }
    } catch (error) {
      if (!signal.aborted) this.#ports.log('could not look for relays', error);
    }
  }

  /** Whether those that are asked and those that could be asked next are fewer than wanted. */
  get #isShort(): boolean {
    const fresh = this.#candidates.fresh(this.#ports.clock.elapsed());
    const most = this.#goal?.maxReservations ?? 0;
    return this.#entries.size - this.#tried + fresh < most;
  }

  #begin(relay: RelayCandidate, isConfigured: boolean): void {
    const { network } = this.#ports;
    const { peerId } = relay;
    const machine = sharing(reservationMachine).provide({
      actors: {
        connect: fromPromise(({ signal }) =>
          network.connect(entry.relay, { signal, toldBy: entry.isConfigured ? 'user' : 'peers' }),
        ),
        reserve: fromPromise(({ signal }) => {
          const goal = this.#goal;
          const maxAddresses = addressesOfEach(goal?.relays.length || (goal?.maxReservations ?? 1));
          return network.reserve(entry.relay, { signal, maxAddresses });
        }),
      },
    });
    const actor = createServiceActor(this.#ports, machine, {
      id: `reservation:${peerId}`,
      input: { isConfigured },
    });
    const entry: Entry = {
      relay,
      isConfigured,
      actor,
      announcement: new Announcement({
        clock: this.#ports.clock,
        onChange: (addresses) => this.#announce(peerId, addresses),
      }),
      isReserved: false,
      expiresAt: undefined,
      retryAt: undefined,
    };
    this.#entries.set(peerId, entry);
    this.#hear(peerId, entry);
    actor.start();
  }

  #hear(peerId: string, entry: Entry): void {
    const { clock } = this.#ports;
    const { actor } = entry;
    actor.on('reservation.made', ({ leftMs, addresses }) => {
      const expiresAt = clock.now() + leftMs;
      Object.assign(entry, { isReserved: true, expiresAt, retryAt: undefined });
      entry.announcement.offer(addresses);
      this.#fill();
    });
    actor.on('reservation.waiting', ({ delayMs, reason }) => {
      entry.retryAt = clock.now() + delayMs;
      this.#lose(peerId, entry, reason);
      this.#fill();
    });
    actor.subscribe({
      complete: () => {
        if (this.#entries.get(peerId) !== entry) return;
        const { lastFailure } = actor.getSnapshot().context;
        this.#candidates.noteFailure(peerId, clock.elapsed());
        entry.retryAt = undefined;
        this.#end(peerId, lastFailure ?? givenUp);
        this.#fill();
      },
    });
  }

  #announce(relay: string, addresses: readonly string[]): void {
    const { hub, network } = this.#ports;
    network.announce(relay, addresses);
    const { expiresAt } = this.#entries.get(relay) ?? {};
    if (addresses.length > 0 && expiresAt !== undefined)
      hub.emit('relay:reserved', { relay, addresses, expiresAt });
  }

  #lose(relay: string, entry: Entry, reason: string): void {
    const { announcement, retryAt } = entry;
    const wasAnnounced = announcement.current.length > 0;
    Object.assign(entry, { isReserved: false, expiresAt: undefined });
    announcement.retract();
    if (wasAnnounced)
      this.#ports.hub.emit('relay:lost', { relay, reason, ...(retryAt !== undefined && { retryAt }) });
  }

  #end(peerId: string, reason: string): void {
    const entry = this.#entries.get(peerId);
    if (entry === undefined) return;
    this.#entries.delete(peerId);
    entry.actor.stop();
    this.#lose(peerId, entry, reason);
  }
}

/** A relay of the user's, or `undefined` for one that was found. */
function name(entry: Entry, relay: RelayCandidate | undefined): void {
  entry.relay = relay ?? entry.relay;
  entry.isConfigured = relay !== undefined;
  entry.actor.send({ type: 'relay.named', isConfigured: entry.isConfigured });
}
