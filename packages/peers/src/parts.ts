import { type EventHub, toPeerId, errorText, safeMeter, toMultiaddr } from '@lloom/core';

import { Banning } from './banning.ts';
import type { ResolvedPeersConfig } from './config.ts';
import { PeersError } from './errors.ts';
import type { Ban, PeersEvents } from './events.ts';
import { BanBrake } from './internal/banBrake.ts';
import { BoundedMap } from './internal/boundedMap.ts';
import { ConnectionCounts } from './internal/connectionCounts.ts';
import { Gatekeeper } from './internal/gatekeeper.ts';
import { PeersMeter, showGauges } from './internal/peersMeter.ts';
import { allRoles } from './internal/roles.ts';
import type { UnreadStore } from './internal/unreadStore.ts';
import { Liveness } from './liveness.ts';
import { Pooling, type PoolingPorts } from './pooling.ts';
import type {
  Log,
  PeerNetwork,
  PeerRecord,
  ResolvedPorts,
  RoleSource,
  StoredPeers,
  StoredValues,
} from './ports.ts';
import { Standing } from './standing.ts';
import { Tracking } from './tracking.ts';
import type { PeerFact } from './types.ts';

const maxReasonLength = 256;
/** How many known peers a pool chooses from. */
const maxCandidates = 1_000;

/** What the parts are made of. */
export interface PartsPorts extends ResolvedPorts {
  readonly config: ResolvedPeersConfig;
  readonly network: PeerNetwork;
  readonly store: UnreadStore;
  readonly hub: EventHub<PeersEvents>;
  /** Whether the node runs. */
  isRunning(): boolean;
  /** Resolves when what was kept is read. */
  loaded(): Promise<void>;
}

/** What a ban is to be. */
interface BanWish {
  readonly durationMs: number;
  readonly reason: string | undefined;
  readonly by: Ban['by'];
}

/** The parts of the service, joined: what happens in one that others have to know. */
export class Parts {
  readonly records: BoundedMap<PeerRecord>;
  readonly gate: Gatekeeper;
  readonly tracking: Tracking;
  readonly banning: Banning;
  readonly standing: Standing;
  readonly pooling: Pooling;
  readonly liveness: Liveness;
  readonly roles: RoleSource;
  readonly #ports: PartsPorts;
  readonly #brake = new BanBrake();
  /** Peers of which something has ended, as long as that is not written down; by kind. */
  readonly #unwritten = { maintained: new Set<string>(), addresses: new Set<string>() };

  constructor(ports: PartsPorts) {
    this.#ports = ports;
    const { clock, config, hub, inspect, network, random, routingTable, store, usage } = ports;
    const log: Log = (...given) => network.log(...given);
    const safely = ports.meter && safeMeter(ports.meter, (error) => log('the meter failed', error));
    const meter = new PeersMeter(safely);
    const banOf = (peerId: string): Ban | undefined => this.banning.of(peerId);
    const counts = new ConnectionCounts();
    this.records = new BoundedMap(config.maxKnownPeers, (peerId) => this.tracking.isTracked(peerId));
    this.gate = new Gatekeeper(config, {
      ...{ clock, counts, banOf, selfPeerId: network.peerId },
      held: (peerId) => this.tracking.held(peerId),
      trackedPeers: () => this.tracking.trackedPeers,
      isTracked: (peerId) => this.tracking.isTracked(peerId),
      dialing: () => this.tracking.dialing,
      isDialing: (peerId) => this.tracking.isDialing(peerId),
      isReplacing: (peerId) => this.tracking.isReplacing(peerId),
      maintained: () => this.tracking.maintained,
      loaded: () => ports.loaded(),
      remember: (peerId, addresses) => network.remember(peerId, addresses),
    });
    this.tracking = new Tracking({
      ...{ clock, config, counts, inspect, meter, network, random, banOf, gate: this.gate },
      emit: (type, detail) => hub.emit(type, detail),
      onUnreachable: (peerId) => this.report(peerId, 'UNREACHABLE'),
      onChange: () => this.pooling.wake(),
    });
    this.banning = new Banning({
      ...{ clock, config, log, meter, routingTable, store },
      close: (ban) => (ports.isRunning() ? this.tracking.ban(ban) : Promise.resolve()),
      onBanned: (ban) => this.#tellBanned(ban),
      onEnded: (ban, by, wasTold) => {
        const { peerId } = ban;
        this.tracking.unban(peerId);
        // Its connections are still being closed.
        if (!wasTold) this.#tellBanned(ban);
        network.note('a ban has ended', { peerId, by });
        hub.emit('peer:unbanned', { peerId, by });
      },
    });
    this.standing = new Standing({
      ...{ clock, config, log, meter, store },
      isJudged: (peerId) => banOf(peerId)?.by !== 'user',
      onDisconnect: (peerId, why) => this.#demote(peerId, why),
      onBan: (peerId, why) => this.#banForReputation(peerId, why),
    });
    this.roles = allRoles({
      given: ports.roles,
      record: (peerId) => this.records.get(peerId),
      records: () => this.records.values(),
      log,
    });
    this.pooling = new Pooling({
      ...{ clock, inspect, log, random, usage, roles: this.roles, selfPeerId: network.peerId },
      limits: () => this.gate.limits,
      connected: () => this.tracking.connected(),
      known: () => this.#candidates(),
      reputationOf: (peerId) => this.reputationOf(peerId),
      tagValueOf: (peerId) => this.records.get(peerId)?.value ?? 0,
      close: (peerId, connectionId, cause) => this.tracking.close(peerId, connectionId, cause),
      dial: (...given) => this.#dialForPool(...given),
    });
    this.liveness = new Liveness({
      ...{ clock, config, log },
      connections: () => this.tracking.connected().flatMap(({ connections }) => connections),
      onDead: ({ id, peerId }, cause) => {
        this.tracking.close(peerId, id, cause);
        this.tracking.noteUnreachable(peerId);
      },
    });
    if (safely !== undefined)
      showGauges(safely, {
        connections: counts,
        connected: () => this.tracking.connectedIds(),
        rolesOf: (peerId) => this.roles.rolesOf(peerId),
        banned: () => this.banning.size,
      });
  }

  /** Remembers what the peer store holds of a peer now. */
  note(record: PeerRecord): void {
    const { peerId, value = this.records.get(peerId)?.value } = record;
    this.records.set(peerId, { ...record, ...(value !== undefined && { value }) });
  }

  /** Counts a fact; this node does not judge itself. */
  report(peerId: string, fact: PeerFact): void {
    if (peerId !== this.#ports.network.peerId) this.standing.report(peerId, fact);
  }

  /** From -100 to 100. */
  reputationOf(peerId: string): number {
    return this.banning.of(peerId) === undefined ? this.standing.reputationOf(peerId) : -100;
  }

  /** Until when a peer is kept away by a disconnect; nothing when it is not. */
  awayOf(peerId: string): { readonly awayUntil?: number } {
    const restMs = this.gate.coolingMs(peerId);
    return restMs > 0 ? { awayUntil: this.#ports.clock.now() + restMs } : {};
  }

  /** A ban from now on. */
  banOf(peerId: string, { durationMs, reason, by }: BanWish): Ban {
    const since = this.#ports.clock.now();
    const cut = reason?.slice(0, maxReasonLength);
    return { peerId, since, until: since + durationMs, ...(cut !== undefined && { reason: cut }), by };
  }

  /** Remembers addresses, in full, for good. */
  remember(peerId: string, addresses: readonly string[]): Promise<void> {
    const { network, store } = this.#ports;
    const forgotten = this.gate.add(peerId, addresses);
    if (forgotten !== undefined) this.attempt(unwritten, store.delete('addresses', forgotten));
    const writing = store.put('addresses', peerId, this.gate.addedTo(peerId));
    return this.written(peerId, 'addresses', Promise.all([network.remember(peerId, addresses), writing]));
  }

  /** Forgets addresses that were added, all of a peer when none is named. */
  async forget(peerId: string, addresses: readonly string[] | undefined): Promise<void> {
    const { network, store } = this.#ports;
    const gone = this.gate.remove(peerId, addresses);
    if (gone.length === 0 && !this.#unwritten.addresses.has(peerId)) return;
    const left = this.gate.addedTo(peerId);
    const writing =
      left.length === 0 ? store.delete('addresses', peerId) : store.put('addresses', peerId, left);
    await this.#erased(peerId, 'addresses', Promise.all([network.forget(peerId, gone), writing]));
  }

  /**
   * Ends a ban, and forgets a reputation that led to it: whatever is kept of one when that is not read yet. Resolves when both are
   * written down.
   */
  async unban(peerId: string): Promise<void> {
    const { config, store } = this.#ports;
    const { ban, written } = this.banning.lift(peerId);
    const isLow = this.standing.reputationOf(peerId) < config.disconnectBelow;
    const isToForget = !store.isRead || (ban !== undefined && (isLow || ban.by === 'reputation'));
    const forgetting = isToForget ? this.standing.forget(peerId) : Promise.resolve();
    await Promise.all([written, this.written(peerId, 'reputation', forgetting)]);
  }

  /** Ends the wish for a connection, also one that is not read yet; resolves when that is written down. */
  async release(peerId: string): Promise<void> {
    const mayBeKept = this.#unwritten.maintained.has(peerId) || !this.#ports.store.isRead;
    if (!this.tracking.release(peerId) && !mayBeKept) return;
    await this.#erased(peerId, 'maintained', this.#ports.store.delete('maintained', peerId));
  }

  /** Waits until an end is written down; until it is, the same call tries again. */
  async #erased(peerId: string, what: 'maintained' | 'addresses', writing: Promise<unknown>): Promise<void> {
    this.#unwritten[what].add(peerId);
    await this.written(peerId, what, writing);
    this.#unwritten[what].delete(peerId);
  }

  /**
   * Waits until something is written down.
   * @throws {PeersError} `STORE_FAILED`
   */
  async written(peerId: string, what: keyof StoredValues, writing: Promise<unknown>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      throw new PeersError('STORE_FAILED', { peerId, what, reason: errorText(error) }, { cause: error });
    }
  }

  /** Does not wait for something, and notes its failure. */
  attempt(message: string, promise: Promise<unknown>): void {
    promise.catch((error: unknown) => this.#ports.network.log(message, error));
  }

  /** Takes what was kept. Never rejects: without it the service goes on, and may try again. */
  async load(): Promise<void> {
    const { network, store } = this.#ports;
    try {
      const kept = store.read(await store.load());
      this.banning.load(kept.ban);
      this.#takeAddresses(kept.addresses);
      for (const [peerId, since] of kept.maintained) {
        const { maintained } = this.tracking;
        // However many: `maxMaintainedPeers` limits new ones.
        if (peerId !== network.peerId && !maintained.has(peerId)) this.tracking.maintain(peerId, since);
      }
      this.standing.load(kept.reputation);
    } catch (error) {
      network.log('what was kept of peers cannot be read', error);
    }
  }

  #takeAddresses(kept: StoredPeers['addresses']): void {
    for (const [peerId, addresses] of kept) {
      const later = this.gate.addedTo(peerId);
      // The policy may be another one than when they were kept.
      const usable = addresses.filter((text) => {
        try {
          return this.gate.refusesGiven(toMultiaddr(text), 'user') === undefined;
        } catch {
          return false;
        }
      });
      if (usable.length === 0) continue;
      const forgotten = this.gate.add(peerId, [...usable, ...later]);
      if (forgotten !== undefined) this.attempt(unwritten, this.#ports.store.delete('addresses', forgotten));
    }
  }

  #tellBanned(ban: Ban): void {
    const { hub, network } = this.#ports;
    const { peerId, by, since, until } = ban;
    network.note('a peer is banned', { peerId, by, ms: until - since });
    hub.emit('peer:banned', ban);
  }

  #banForReputation(peerId: string, reason: string): void {
    const { config } = this.#ports;
    if (this.banning.of(peerId) !== undefined || !isPeerId(peerId)) return;
    this.#noteConnected();
    if (!this.banning.hasRoomFor(peerId) || !this.#mayBan()) {
      this.#demote(peerId, reason);
      return;
    }
    const ban = this.banOf(peerId, { durationMs: config.reputationBanMs, reason, by: 'reputation' });
    this.attempt('a peer that lost its reputation cannot be banned', this.banning.ban(ban));
  }

  /** Sends a peer away for a while. */
  #demote(peerId: string, why: string): void {
    this.#noteConnected();
    this.attempt('a peer cannot be disconnected', this.tracking.demote(peerId, why));
  }

  /** Before anybody is sent away. */
  #noteConnected(): void {
    this.#brake.note(this.tracking.connected().length, this.#ports.clock.elapsed());
  }

  #mayBan(): boolean {
    const { clock, network } = this.#ports;
    const at = clock.elapsed();
    const answer = this.#brake.ask(at);
    if (answer === 'spareAloud') network.warn('LLOOM_PEERS_MANY_BANS', manyBansText(this.#brake.limitAt(at)));
    return answer === 'ban';
  }

  #candidates(): string[] {
    const found: string[] = [];
    const isAway = (peerId: string): boolean =>
      !this.tracking.isTracked(peerId) &&
      !this.gate.isCooling(peerId) &&
      this.banning.of(peerId) === undefined &&
      peerId !== this.#ports.network.peerId;
    for (const peerId of this.gate.addedPeers) if (isAway(peerId)) found.push(peerId);
    for (const { peerId, addresses } of this.records.values()) {
      if (addresses.length > 0 && isAway(peerId)) found.push(peerId);
    }
    // Those that were heard of last stand at the end.
    return [...new Set(found.slice(-maxCandidates))];
  }

  readonly #dialForPool: PoolingPorts['dial'] = async (peerId, addresses, { signal, isRenewal }) => {
    const usable = this.gate.usable(
      peerId,
      addresses.map((address) => toMultiaddr(address)),
      'peers',
    );
    this.gate.checkBan(peerId);
    if (isRenewal && (await this.tracking.renew(peerId, usable, signal))) return;
    this.gate.checkDial(peerId, 'peers');
    await this.tracking.dial(peerId, usable, signal);
  };
}

const manyBansText = (count: number): string =>
  `${count} peers were banned for their reputation within ten minutes. Others are only disconnected until these are over: when so ` +
  'many seem to break rules, the fault may be of this node, such as its clock, its version or its configuration.';

const unwritten = 'what is kept of peers cannot be written down';

function isPeerId(text: string): boolean {
  try {
    return toPeerId(text).toString() === text;
  } catch {
    return false;
  }
}
