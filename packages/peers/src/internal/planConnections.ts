import type { CloseCause } from '../events.ts';
import type { Protection } from '../types.ts';
import { countRoles, planOpening, reservedPlaces, type RoleCount } from './planOpening.ts';
import type {
  ConnectionPlan,
  Excess,
  Overdue,
  PlannedClosing,
  PlannedConnection,
  PlannedRenewal,
  PlanView,
} from './poolView.ts';
import { assess, compareIds, isExpired, isKept, reasonsOf, ttlOf, type Assessed } from './worth.ts';

/** How soon and how late to look again, in ms. */
const soonestLookMs = 1_000;
const latestLookMs = 60_000;

/** A peer that lets nobody in, or no second one, closes what has just been opened a round trip later: so long is that waited for. */
const provenMs = 2_000;

/** How many renewals may be under way. */
const maxRenewals = 4;

/** Beyond the pool's own maximum a connection stays for so long after its last use, in ms, times the patience with its peer. */
const graceMs = 15_000;

/**
 * What is to be done with the connections of a node, and why. Pure: the same view gives the same plan, in whatever order its
 * peers come, and a plan that was carried out leaves nothing to do.
 *
 * Whoever is maintained, in use or needed for a role's target is not closed, rather is a limit exceeded. Of the others the
 * second connection to a peer goes before the only one to another, then those whom no service needs, the least reputation, no
 * role, the least value to other services, relayed, unused for the longest time, inbound, the newest. Whom a service needs is not
 * closed for being idle.
 *
 * Limits act at once. The pool's own maximum leaves time to do what a connection was opened for: those that are one too many go
 * when they were unused for a while, and nobody better goes instead. An old connection and its successor are one to it.
 */
export function planConnections(view: PlanView): ConnectionPlan {
  const planning = new Planning(view);
  planning.closeDuplicates();
  planning.keepLimitOfPeers();
  planning.closeUnused();
  planning.keepLimits();
  return planning.result();
}

interface Held {
  readonly one: Assessed;
  readonly connection: PlannedConnection;
}

class Planning {
  readonly #view: PlanView;
  readonly #assessed: readonly Assessed[];
  readonly #roles: readonly RoleCount[];
  readonly #close: PlannedClosing[] = [];
  readonly #closed = new Set<PlannedConnection>();
  readonly #renew: PlannedRenewal[] = [];
  readonly #overdue: Overdue[] = [];
  readonly #open = { total: 0, inbound: 0, outbound: 0, peers: 0 };
  readonly #before: { readonly total: number; readonly outbound: number };
  /** Those beside the one that each peer is left with. */
  readonly #duplicates: Held[] = [];
  /** Peers with two connections of which the kept one may still be refused. */
  readonly #proving = new Set<Assessed>();
  #nextLookMs = latestLookMs;

  constructor(view: PlanView) {
    this.#view = view;
    this.#assessed = assess(view);
    this.#roles = countRoles(view);
    for (const one of this.#assessed) {
      this.#open.peers++;
      for (const connection of one.peer.connections) {
        this.#open.total++;
        this.#open[connection.direction]++;
      }
      if (one.peer.connections.length > 1) this.#addDuplicates(one);
    }
    this.#before = { total: this.#open.total, outbound: this.#open.outbound };
  }

  /** Those that are old and replaced, and those that nobody uses: no peer is lost by that. */
  closeDuplicates(): void {
    if (this.#view.pool === undefined) return;
    for (const held of this.#duplicates) {
      const { one, connection } = held;
      if (connection.isInUse) {
        if (isExpired(connection, this.#view)) this.#note(one, connection, 'inUse');
        continue;
      }
      const cause = this.#expiredCause(connection) ?? this.#idleCause(one, connection);
      const provenInMs = one.keeper.openedAt + provenMs - this.#view.now;
      if (cause !== undefined && provenInMs > 0) {
        this.#proving.add(one);
        this.#note(one, connection, 'renewing');
        this.#lookIn(provenInMs);
      } else if (cause !== undefined) this.#end(held, cause);
      else this.#lookAtEnd(one, connection);
    }
  }

  /** What was in use when there came to be too many to its peer. */
  keepLimitOfPeers(): void {
    const { maxConnectionsPerPeer: most } = this.#view.limits;
    for (const one of this.#assessed) {
      if (one.peer.connections.length <= most) continue;
      const own = this.#duplicates.filter((held) => held.one === one && !this.#closed.has(held.connection));
      // An old one does not count while it is replaced.
      const isReplaced =
        this.#view.renewing.has(one.peer.peerId) || own.some((held) => this.#isReplaced(held));
      let surplus = own.length + 1 - most - Number(isReplaced);
      for (const held of own) {
        if (surplus <= 0) break;
        if (held.connection.isInUse) continue;
        surplus--;
        const why = `there are too many to this peer, maxConnectionsPerPeer is ${most}`;
        this.#end(held, { code: 'LIMIT', message: `${why}; ${this.#worthOf(held)}` });
      }
      if (surplus > 0) this.#lookIn(soonestLookMs);
    }
  }

  /** The only ones to peers that nothing speaks for, as long as the minimum stays; what is old and needed is renewed. */
  closeUnused(): void {
    const { pool } = this.#view;
    if (pool === undefined) return;
    for (const one of this.#assessed) {
      const { keeper } = one;
      const expired = this.#expiredCause(keeper);
      if (isKept(one) || one.isNeeded) {
        if (expired === undefined) this.#lookAtAge(keeper);
        continue;
      }
      const cause = this.#idleCause(one, keeper) ?? expired;
      if (cause === undefined) this.#lookAtEnd(one, keeper);
      else if (this.#open.peers > pool.minConnections) this.#end({ one, connection: keeper }, cause);
    }
  }

  /** Closes what is beyond a limit, the least valuable first. */
  keepLimits(): void {
    const { limits, pool } = this.#view;
    const { maxConnections, maxInboundConnections, maxOutboundConnections } = limits;
    const outbound = maxOutboundConnections - reservedPlaces(this.#roles, maxOutboundConnections);
    const reserved = reservedPlaces(this.#roles, maxConnections);
    this.#trim('maxInboundConnections', maxInboundConnections, maxInboundConnections);
    this.#trim('maxOutboundConnections', outbound, maxOutboundConnections);
    this.#trim('maxConnections', maxConnections - reserved, maxConnections);
    if (pool !== undefined) this.#trim('pool.maxConnections', pool.maxConnections, pool.maxConnections);
  }

  result(): ConnectionPlan {
    const protections = this.#protections();
    this.#renewOld(protections);
    const { total, outbound } = this.#before;
    const standing = {
      connections: total,
      pooled: total - this.#replaced,
      outbound,
      peers: this.#open.peers,
      renewals: this.#renew.length,
      roles: this.#roles,
    };
    const excess = this.#excess();
    if (excess.some(({ keptBy }) => keptBy.inUse > 0)) this.#lookIn(soonestLookMs);
    return {
      close: this.#close,
      renew: this.#renew,
      ...planOpening(this.#view, standing),
      excess,
      overdue: this.#overdue,
      protections,
      nextLookMs: Math.ceil(this.#nextLookMs),
    };
  }

  #addDuplicates(one: Assessed): void {
    const others = one.peer.connections.filter((connection) => connection !== one.keeper);
    others.sort(
      (a, b) =>
        Number(b.relayed) - Number(a.relayed) ||
        a.lastUsedAt - b.lastUsedAt ||
        b.openedAt - a.openedAt ||
        compareIds(a.id, b.id),
    );
    for (const connection of others) this.#duplicates.push({ one, connection });
  }

  #end({ one, connection }: Held, cause: CloseCause): void {
    this.#close.push({ peerId: one.peer.peerId, connectionId: connection.id, cause });
    this.#closed.add(connection);
    this.#open.total--;
    this.#open[connection.direction]--;
    if (connection === one.keeper) this.#open.peers--;
  }

  #trim(limit: Excess['limit'], most: number, allowed: number): void {
    const counted = { maxInboundConnections: 'inbound', maxOutboundConnections: 'outbound' } as const;
    const what =
      limit === 'maxInboundConnections' || limit === 'maxOutboundConnections' ? counted[limit] : 'total';
    const isOwn = limit === 'pool.maxConnections';
    const before = isOwn ? this.#pooled : this.#open[what];
    let surplus = before - most;
    if (surplus <= 0) return;
    const free = allowed - most;
    const why = `there are ${before}, ${limit} is ${allowed}${free === 0 ? '' : `, ${free} of them kept free for roles`}`;
    for (const held of this.#closable()) {
      if (surplus <= 0) return;
      if (what !== 'total' && held.connection.direction !== what) continue;
      surplus--;
      const graceLeftMs = isOwn ? this.#graceEndOf(held) - this.#view.now : 0;
      if (graceLeftMs > 0) this.#lookIn(graceLeftMs);
      else this.#end(held, { code: 'LIMIT', message: `${why}; ${this.#worthOf(held)}` });
    }
  }

  /** When the pool's own maximum may end it. */
  #graceEndOf({ one, connection }: Held): number {
    return connection.lastUsedAt + graceMs * one.peer.patience;
  }

  /** What may go, the least valuable first. */
  *#closable(): Generator<Held> {
    for (const held of this.#duplicates) {
      const { one, connection } = held;
      if (!connection.isInUse && !this.#closed.has(connection) && !this.#proving.has(one)) yield held;
    }
    for (const one of this.#assessed) {
      if (isKept(one) || this.#closed.has(one.keeper) || this.#proving.has(one)) continue;
      yield { one, connection: one.keeper };
    }
  }

  #worthOf({ one, connection }: Held): string {
    const what =
      connection !== one.keeper
        ? 'there is another one to the same peer'
        : one.isNeeded
          ? 'services need it, but the limit counts for more'
          : 'nothing speaks for it';
    const role = one.peer.roles.length > 0 ? one.peer.roles.join(' and ') : 'no role';
    const { value } = one.peer;
    const worth = value === 0 ? '' : ` value ${value} to other services,`;
    const way = connection.relayed ? 'relayed' : 'direct';
    const unusedMs = this.#since(connection.lastUsedAt);
    return `${what}, reputation ${one.points}, ${role},${worth} ${way}, unused for ${unusedMs} ms`;
  }

  /** Another connection is opened for each that is too old, to a peer that stays. */
  #renewOld(protections: ReadonlyMap<string, readonly Protection[]>): void {
    if (this.#view.pool === undefined) return;
    // The best first: there are few places.
    for (const one of this.#assessed.toReversed()) {
      const { keeper, peer } = one;
      if (this.#closed.has(keeper) || !isExpired(keeper, this.#view)) continue;
      const waitsFor = this.#renewalWaitsFor(one);
      if (waitsFor !== undefined) {
        this.#note(one, keeper, waitsFor);
        continue;
      }
      const because = protections.get(peer.peerId) ?? [];
      this.#renew.push({ peerId: peer.peerId, connectionId: keeper.id, because });
    }
  }

  #renewalWaitsFor({ keeper, peer }: Assessed): Overdue['waitsFor'] | undefined {
    const { limits, renewing, dialing, restingUntil, now } = this.#view;
    if (renewing.has(peer.peerId)) return 'renewing';
    const restMs = (restingUntil.get(peer.peerId) ?? 0) - now;
    if (restMs > 0) {
      this.#lookIn(restMs);
      return 'backOff';
    }
    const open = peer.connections.filter((connection) => !this.#closed.has(connection));
    // What is in use is not closed: a peer that always is would be given one more connection in each lifetime.
    if (open.some((other) => other !== keeper && isExpired(other, this.#view))) return 'noRoom';
    const pending = dialing.size + renewing.size + this.#renew.length;
    const hasRoom =
      // The old one does not count while it is replaced.
      open.length <= limits.maxConnectionsPerPeer &&
      this.#before.total + pending < limits.maxConnections &&
      this.#before.outbound + pending < limits.maxOutboundConnections &&
      pending < limits.maxPendingConnections;
    if (!hasRoom) return 'noRoom';
    return renewing.size + this.#renew.length < maxRenewals ? undefined : 'queued';
  }

  /** As many as the pool's maximum counts. */
  get #pooled(): number {
    return this.#open.total - this.#replaced;
  }

  /** How many peers have an old connection beside the one that has replaced it. */
  get #replaced(): number {
    const replaced = new Set<Assessed>();
    for (const { one, connection } of this.#duplicates) {
      if (this.#isReplaced({ one, connection }) && !this.#closed.has(connection)) replaced.add(one);
    }
    return replaced.size;
  }

  /** Whether it is an old one beside the one that has replaced it. */
  #isReplaced({ one, connection }: Held): boolean {
    return isExpired(connection, this.#view) && !isExpired(one.keeper, this.#view);
  }

  #note({ peer: { peerId } }: Assessed, { id }: PlannedConnection, waitsFor: Overdue['waitsFor']): void {
    this.#overdue.push({ peerId, connectionId: id, waitsFor });
    if (waitsFor === 'inUse') this.#lookIn(soonestLookMs);
  }

  #expiredCause(connection: PlannedConnection): CloseCause | undefined {
    if (!isExpired(connection, this.#view)) return undefined;
    const age = this.#since(connection.openedAt);
    const message = `it was open for ${age} ms, connectionTtlMs is ${ttlOf(this.#view)}`;
    return { code: 'EXPIRED', message };
  }

  #idleCause({ peer }: Assessed, { lastUsedAt }: PlannedConnection): CloseCause | undefined {
    const { pool, now } = this.#view;
    if (pool === undefined || now - lastUsedAt < pool.idleTimeoutMs * peer.patience) return undefined;
    const longer = peer.patience === 1 ? '' : `, ${peer.patience} times that because it came back before`;
    const message = `nobody used it for ${this.#since(lastUsedAt)} ms, idleTimeoutMs is ${pool.idleTimeoutMs}`;
    return { code: 'IDLE', message: message + longer };
  }

  #since(moment: number): number {
    return Math.round(this.#view.now - moment);
  }

  /** At its end by disuse or age, whichever comes first. */
  #lookAtEnd({ peer }: Assessed, connection: PlannedConnection): void {
    const { pool, now } = this.#view;
    if (pool !== undefined) this.#lookIn(connection.lastUsedAt + pool.idleTimeoutMs * peer.patience - now);
    this.#lookAtAge(connection);
  }

  #lookAtAge({ openedAt }: PlannedConnection): void {
    this.#lookIn(openedAt + ttlOf(this.#view) - this.#view.now);
  }

  #lookIn(ms: number): void {
    this.#nextLookMs = Math.max(soonestLookMs, Math.min(this.#nextLookMs, ms));
  }

  #protections(): Map<string, readonly Protection[]> {
    const { pool } = this.#view;
    const isLeast = pool !== undefined && this.#open.peers <= pool.minConnections;
    const protections = new Map<string, readonly Protection[]>();
    for (const one of this.#assessed) {
      if (this.#closed.has(one.keeper)) continue;
      const reasons = reasonsOf(one);
      if (pool !== undefined && one.isNeeded) reasons.push('needed');
      if (isLeast) reasons.push('minimum');
      if (reasons.length > 0) protections.set(one.peer.peerId, reasons);
    }
    return protections;
  }

  #excess(): Excess[] {
    const { limits, pool } = this.#view;
    const { total, inbound, outbound } = this.#open;
    const rows = [
      { limit: 'maxInboundConnections', connections: inbound, allowed: limits.maxInboundConnections },
      { limit: 'maxOutboundConnections', connections: outbound, allowed: limits.maxOutboundConnections },
      { limit: 'maxConnections', connections: total, allowed: limits.maxConnections },
      { limit: 'pool.maxConnections', connections: this.#pooled, allowed: pool?.maxConnections ?? Infinity },
    ] as const;
    const exceeded = rows.filter(({ connections, allowed }) => connections > allowed);
    if (exceeded.length === 0) return [];
    const keptBy = this.#keptBy();
    return exceeded.map((row) => ({ ...row, keptBy }));
  }

  #keptBy(): Excess['keptBy'] {
    const keptBy = { maintained: 0, inUse: 0, role: 0, needed: 0, minimum: 0 };
    for (const one of this.#assessed) for (const reason of reasonsOf(one)) keptBy[reason]++;
    return keptBy;
  }
}
