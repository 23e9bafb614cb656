import { createActor, fromPromise, type ActorRefFrom } from 'xstate';
import { orAbort, sharing, withinTime, withSignal } from '@lloom/core';

import { DialRecords } from './internal/dialRecords.ts';
import { explainPlan } from './internal/poolExplanation.ts';
import { planConnections } from './internal/planConnections.ts';
import type { ConnectionPlan, KnownPeer, PlannedPeer, PlanView } from './internal/poolView.ts';
import type { PooledPeer, PoolingPorts } from './internal/poolingPorts.ts';
import { Returns } from './internal/returns.ts';
import { lowestReputation } from './internal/worth.ts';
import { poolMachine, type FillResult, type TrimResult } from './machines/pool.machine.ts';
import type { NetworkConnection, RoleCandidate } from './ports.ts';
import type { ConnectionPoolConfig, PeerExplanation, PeerRole } from './types.ts';

export type { PoolingPorts };

/** How many dials for missing peers run side by side. */
const maxDials = 8;
/** Of one dial, in case nobody else ends it. */
const dialLimitMs = 30_000;
/** Of one search. */
const searchLimitMs = 10_000;
/** How many peers that a search finds are looked at. */
const maxCandidates = 64;
/** After that no more dials begin in one filling. */
const fillMs = 20_000;
/** How long an explanation may be behind when nothing has happened. */
const explanationAgeMs = 1_000;

/** What never changes of a connection. */
type Origin = Pick<PlannedPeer['connections'][number], 'direction' | 'relayed' | 'openedAt'>;

/** What the pool wants of a peer that it dials. */
interface PoolDial {
  readonly peerId: string;
  readonly addresses: readonly string[];
  readonly roles: readonly PeerRole[];
  readonly isRenewal: boolean;
  readonly signal: AbortSignal;
}

/** A search that is being read. */
interface Search {
  readonly candidates: AsyncIterator<RoleCandidate>;
  readonly until: AbortSignal;
  /** How many candidates more are looked at. */
  left: number;
}

/** Keeps limits and, when there is one, a pool: makes the view for the planner, and carries its plans out. */
export class Pooling {
  readonly #ports: PoolingPorts;
  readonly #records = new DialRecords();
  readonly #returns = new Returns();
  readonly #origins = new WeakMap<NetworkConnection, Origin>();
  readonly #dialing = new Map<string, readonly PeerRole[]>();
  readonly #renewing = new Set<string>();
  readonly #salt: number;
  #pool: Required<ConnectionPoolConfig> | undefined;
  #actor: ActorRefFrom<typeof poolMachine> | undefined;
  /** Ends renewals. */
  #running = new AbortController();
  #isDrained = false;
  /** Whether the machine knows already that something has happened. */
  #isWoken = false;
  #latest: { readonly plan: ConnectionPlan; readonly at: number } | undefined;

  constructor(ports: PoolingPorts) {
    this.#ports = ports;
    this.#salt = this.#seed();
  }

  start(): void {
    if (this.#actor !== undefined) return;
    this.#isDrained = false;
    this.#isWoken = false;
    this.#running = new AbortController();
    const { clock, inspect } = this.#ports;
    const machine = sharing(poolMachine).provide({
      actors: {
        trim: fromPromise(() => Promise.resolve(this.#trim())),
        fill: fromPromise(({ signal }) => this.#fill(signal)),
      },
    });
    this.#actor = createActor(machine, { id: 'pool', clock, input: { seed: this.#seed() }, ...inspect });
    this.#actor.subscribe({
      error: (error) => this.#ports.log('a machine failed', error, { machine: 'pool' }),
    });
    this.#actor.start();
  }

  stop(): void {
    this.#actor?.stop();
    this.#actor = undefined;
    this.#running.abort(new Error('this node stops'));
    this.#latest = undefined;
  }

  /** Dials nothing any more. Limits are kept, and connections that nobody uses are closed, until `stop`. */
  drain(): void {
    this.#isDrained = true;
    this.#actor?.send({ type: 'pool.drain' });
    this.#running.abort(new Error('this node is about to stop'));
  }

  get pool(): Required<ConnectionPoolConfig> | undefined {
    return this.#pool;
  }

  /** Takes effect at once. */
  set pool(pool: Required<ConnectionPoolConfig> | undefined) {
    this.#pool = pool;
    this.#latest = undefined;
    this.#actor?.send({ type: 'pool.changed' });
  }

  /** Connections or limits have changed: the plan is made a little later. Costs next to nothing. */
  wake(): void {
    this.#latest = undefined;
    if (this.#isWoken) return;
    this.#isWoken = true;
    this.#actor?.send({ type: 'pool.wake' });
  }

  /** Why connections to a peer are kept, and what the latest plan says of it. */
  explain(peerId: string, isConnected: boolean): Pick<PeerExplanation, 'protectedBy' | 'pool'> {
    const plan = this.#current();
    const protectedBy = isConnected ? [...(plan.protections.get(peerId) ?? [])] : [];
    if (this.#pool === undefined) return { protectedBy };
    const now = this.#ports.clock.elapsed();
    const peer = {
      ...{ peerId, isConnected, isDialing: this.#dialing.has(peerId) },
      restMs: (this.#records.get(peerId) ?? 0) - now,
      reputation: this.#ports.reputationOf(peerId),
      roles: this.#rolesOf(peerId, now),
    };
    return { protectedBy, pool: explainPlan(plan, peer) };
  }

  #current(): ConnectionPlan {
    const now = this.#ports.clock.elapsed();
    if (this.#latest === undefined || now - this.#latest.at > explanationAgeMs) {
      this.#latest = { plan: planConnections(this.#view()), at: now };
    }
    return this.#latest.plan;
  }

  #trim(): TrimResult {
    this.#isWoken = false;
    const plan = planConnections(this.#view());
    for (const { peerId, connectionId, cause } of plan.close) {
      this.#ports.close(peerId, connectionId, cause);
    }
    this.#returns.closed(plan.close, {
      now: this.#ports.clock.elapsed(),
      connected: () => this.#ports.connected(),
    });
    if (!this.#isDrained) for (const { peerId } of plan.renew) void this.#renew(peerId);
    return { nextLookMs: plan.nextLookMs, isShort: plan.missing.length > 0 };
  }

  async #renew(peerId: string): Promise<void> {
    this.#renewing.add(peerId);
    const { signal } = this.#running;
    await this.#dial({ peerId, addresses: [], roles: [], isRenewal: true, signal });
    this.#renewing.delete(peerId);
    if (!signal.aborted) this.wake();
  }

  /** Dials those that are known, then those that searches find. */
  async #fill(signal: AbortSignal): Promise<FillResult> {
    const endsAt = this.#ports.clock.elapsed() + fillMs;
    let opened = 0;
    for (;;) {
      const plan = planConnections(this.#view(this.#known()));
      if (signal.aborted || this.#ports.clock.elapsed() >= endsAt) return { opened };
      if (plan.open.length === 0) {
        const found = await Promise.all(plan.search.map((wish) => this.#search(wish, signal)));
        return { opened: found.reduce((sum, count) => sum + count, opened) };
      }
      const dials = plan.open
        .slice(0, maxDials)
        .map(({ peerId, roles }) => ({ peerId, addresses: [], roles }));
      opened += await this.#dialAll(dials, signal);
    }
  }

  /** How many peers of a role it has connected. */
  async #search({ role, count }: ConnectionPlan['search'][number], signal: AbortSignal): Promise<number> {
    const { clock, roles } = this.#ports;
    return withSignal({ clock, ms: searchLimitMs, signal }, async (until) => {
      const candidates = roles.find(role, { signal: until })[Symbol.asyncIterator]();
      const search: Search = { candidates, until, left: maxCandidates };
      let opened = 0;
      let found = await this.#gather(search, Math.min(count, maxDials));
      while (found.length > 0 && !signal.aborted) {
        const dials = found.map(({ peerId, addresses }) => ({ peerId, addresses, roles: [role] }));
        opened += await this.#dialAll(dials, signal);
        found = await this.#gather(search, Math.min(count - opened, maxDials));
      }
      Promise.resolve(candidates.return?.()).catch(() => undefined);
      return opened;
    });
  }

  /** The next so many that a search finds and that may be dialled. */
  async #gather(search: Search, count: number): Promise<RoleCandidate[]> {
    const found: RoleCandidate[] = [];
    try {
      for (; search.left > 0 && found.length < count; search.left--) {
        const next = await orAbort(search.candidates.next(), search.until);
        if (next.done === true) break;
        if (this.#isWanted(next.value.peerId, found)) found.push(next.value);
      }
    } catch (error) {
      if (!search.until.aborted) this.#ports.log('a search for peers of a role failed', error);
    }
    return found;
  }

  /** How many of them are connected now. */
  async #dialAll(
    dials: readonly Omit<PoolDial, 'isRenewal' | 'signal'>[],
    signal: AbortSignal,
  ): Promise<number> {
    const ended = await Promise.all(dials.map((dial) => this.#dial({ ...dial, isRenewal: false, signal })));
    return ended.filter(Boolean).length;
  }

  /** Whether a peer that a search has found may be dialled. */
  #isWanted(peerId: string, found: readonly RoleCandidate[]): boolean {
    const { clock, selfPeerId } = this.#ports;
    return (
      peerId !== selfPeerId &&
      !this.#dialing.has(peerId) &&
      !found.some((other) => other.peerId === peerId) &&
      (this.#records.get(peerId) ?? 0) <= clock.elapsed() &&
      this.#ports.reputationOf(peerId) >= lowestReputation &&
      !this.#ports.connected().some((peer) => peer.peerId === peerId)
    );
  }

  /** Whether it worked; afterwards the peer rests either way. */
  async #dial({ peerId, addresses, roles, isRenewal, signal }: PoolDial): Promise<boolean> {
    if (this.#dialing.has(peerId)) return false;
    const { clock, random } = this.#ports;
    const began = clock.elapsed();
    if (!isRenewal) this.#dialing.set(peerId, roles);
    try {
      await withinTime({ clock, ms: dialLimitMs, signal }, (own) =>
        this.#ports.dial(peerId, addresses, { signal: own, isRenewal }),
      );
      return true;
    } catch (error) {
      if (!signal.aborted) this.#ports.log('the pool could not dial a peer', error, { peerId });
      return false;
    } finally {
      if (!isRenewal) this.#dialing.delete(peerId);
      // A dial that this node gave up says nothing of the peer.
      if (!signal.aborted) {
        this.#records.ended(peerId, { began, now: clock.elapsed(), roles, chance: random.float() });
      }
    }
  }

  #view(known: readonly KnownPeer[] = []): PlanView {
    return {
      selfPeerId: this.#ports.selfPeerId,
      now: this.#ports.clock.elapsed(),
      salt: this.#salt,
      limits: this.#ports.limits(),
      pool: this.#pool,
      connected: this.#ports.connected().map((peer) => this.#planned(peer)),
      known,
      dialing: this.#dialing,
      renewing: this.#renewing,
      restingUntil: this.#records,
    };
  }

  #planned({ peerId, isMaintained, connections }: PooledPeer): PlannedPeer {
    const { clock, usage } = this.#ports;
    const now = clock.elapsed();
    const use = usage?.usageOf(peerId);
    const planned = connections.map((connection) => {
      const origin = this.#originOf(connection);
      this.#records.seen(peerId, { openedAt: origin.openedAt, now });
      this.#returns.seen(peerId, {
        openedAt: origin.openedAt,
        idleTimeoutMs: this.#pool?.idleTimeoutMs ?? 0,
      });
      return {
        ...origin,
        id: connection.id,
        lastUsedAt: Math.max(connection.lastUsedAt, use?.lastUsedAt ?? -Infinity),
        isInUse: connection.isInUse || (use?.active ?? 0) > 0,
      };
    });
    return {
      peerId,
      isMaintained,
      roles: this.#rolesOf(peerId, now),
      reputation: this.#ports.reputationOf(peerId),
      isNeeded: usage?.isNeeded?.(peerId) === true,
      value: this.#ports.tagValueOf(peerId),
      patience: this.#returns.patienceOf(peerId),
      connections: planned,
    };
  }

  #rolesOf(peerId: string, now: number): readonly PeerRole[] {
    const roles = this.#ports.roles.rolesOf(peerId);
    const promised = this.#records.promisedBy(peerId, now);
    return promised.length === 0 ? roles : [...new Set([...roles, ...promised])];
  }

  /** By time that never goes back: what is old does not become young when the wall clock is set. */
  #originOf(connection: NetworkConnection): Origin {
    const known = this.#origins.get(connection);
    if (known !== undefined) return known;
    const { clock } = this.#ports;
    const { direction, relayed, openedAt } = connection.info;
    const origin = { direction, relayed, openedAt: clock.elapsed() - Math.max(0, clock.now() - openedAt) };
    this.#origins.set(connection, origin);
    return origin;
  }

  #known(): KnownPeer[] {
    return this.#ports.known().map((peerId) => ({
      peerId,
      roles: this.#ports.roles.rolesOf(peerId),
      reputation: this.#ports.reputationOf(peerId),
    }));
  }

  #seed(): number {
    return Math.floor(this.#ports.random.float() * 2 ** 32);
  }
}
