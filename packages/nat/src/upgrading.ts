import { fromPromise, type ActorRefFrom } from 'xstate';
import { sharing } from '@lloom/core';
import { createServiceActor } from './actors.ts';
import type { DirectNetwork, PeerLinks, PunchCall, PunchPlan } from './internal/directNetwork.ts';
import { OwnNat } from './internal/ownNat.ts';
import type { Shared } from './internal/shared.ts';
import { leastPauseMs, UpgradePauses } from './internal/upgradePauses.ts';
import { UpgradePlaces } from './internal/upgradePlaces.ts';
import type { Agreed, Punched } from './internal/upgradeEvents.ts';
import { upgradeMachine } from './machines/upgrade.machine.ts';
import type { NatExplanation, NatMapping, StaysRelayedReason, UpgradeState } from './types.ts';

/** What the way from relayed to direct takes. */
export interface UpgradingPorts extends Shared {
  readonly network: DirectNetwork;
  readonly isEnabled: boolean;
}

/** Peers that are looked after; those beyond stay relayed. */
const maxPeers = 1_000;
/** The addresses of a peer come within a round trip; one that says none is asked all the same. */
const leadPatienceMs = 1_000;
/** So long the other side has to act before this one does. */
const followPatienceMs = 5_000;
/** Those that are tried again because this node stands elsewhere begin within this time, not all at once. */
const spreadMs = 5_000;
/** A timer may fire so much before its time. */
const timerSlackMs = 10;

const working: ReadonlySet<UpgradeState> = new Set(['dialing', 'agreeing', 'punching']);

interface Entry {
  readonly peerId: string;
  readonly actor: ActorRefFrom<typeof upgradeMachine>;
  readonly openedAtMs: number;
  /** Before, it does not begin. */
  notBeforeMs: number;
  isWorking: boolean;
  /** Has it begin when it may. */
  retry: unknown;
  call: PunchCall | undefined;
  plan: PunchPlan | undefined;
  failure:
    | { readonly reason: StaysRelayedReason; readonly atMs: number; readonly retryAt?: number }
    | undefined;
  readonly waiters: Set<(isDirect: boolean) => void>;
}

/** Replaces connections through relays by direct ones, where NATs allow it. */
export class Upgrading {
  readonly #ports: UpgradingPorts;
  readonly #entries = new Map<string, Entry>();
  /** Who would begin, in the order in which they asked. */
  readonly #queue = new Set<string>();
  readonly #places = new UpgradePlaces();
  readonly #pauses = new UpgradePauses();
  #unserve: (() => Promise<void>) | undefined;
  /** One after the other: peers can ask, and cannot any more. */
  #serving: Promise<void> = Promise.resolve();
  #nat = new OwnNat([]);
  #run: AbortController | undefined;

  constructor(ports: UpgradingPorts) {
    this.#ports = ports;
  }

  async start(): Promise<void> {
    if (this.#run !== undefined) return;
    const run = new AbortController();
    this.#run = run;
    const { isEnabled, network } = this.#ports;
    this.#nat = new OwnNat(network.ownAddresses());
    const unwatch = network.watch((peerId) => this.#look(peerId));
    run.signal.addEventListener('abort', unwatch, { once: true });
    for (const peerId of network.relayedPeers()) this.#look(peerId);
    if (!isEnabled) return;
    await this.#serveNext(async () => {
      if (!run.signal.aborted) this.#unserve = await network.serve((call) => this.#called(call));
    });
  }

  async stop(): Promise<void> {
    this.#run?.abort();
    this.#run = undefined;
    for (const entry of this.#entries.values()) this.#forget(entry);
    this.#nat = new OwnNat([]);
    await this.#serveNext(async () => {
      const unserve = this.#unserve;
      this.#unserve = undefined;
      await unserve?.();
    });
  }

  async #serveNext(change: () => Promise<void>): Promise<void> {
    this.#serving = this.#serving
      .then(change)
      .catch((error: unknown) => this.#ports.log('DCUtR could not begin or end', error));
    await this.#serving;
  }

  /**
   * Tries now, or shares the attempt that runs. Resolves with whether there is a direct connection; `false` as well when the
   * signal fires first, and at once during the rest after an attempt that came to nothing.
   */
  async upgrade(peerId: string, signal: AbortSignal): Promise<boolean> {
    const { isEnabled, network } = this.#ports;
    if (network.linksTo(peerId).direct !== undefined) return true;
    const entry = this.#entries.get(peerId);
    if (entry === undefined || !isEnabled || signal.aborted) return false;
    if (stateOf(entry) === 'relayed' || this.#isTooSoon(entry)) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const giveUp = (): void => resolve(false);
    entry.waiters.add(resolve);
    signal.addEventListener('abort', giveUp, { once: true });
    entry.actor.send({ type: 'upgrade.retry' });
    try {
      return await promise;
    } finally {
      entry.waiters.delete(resolve);
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** Whether an attempt runs or may begin, and nothing speaks against it: none has failed, and the own NAT is not symmetric. */
  isPromising(peerId: string): boolean {
    const entry = this.#entries.get(peerId);
    if (entry === undefined || !this.#ports.isEnabled || isSymmetric(this.mapping)) return false;
    return entry.failure === undefined && !this.#isTooSoon(entry);
  }

  /**
   * It is known otherwise than before how this node can be reached: those that stayed relayed are tried again soon when it stands
   * elsewhere, or behind another NAT, than when it was told so last.
   */
  reachabilityChanged(): void {
    if (this.#run === undefined) return;
    const { network } = this.#ports;
    for (const peerId of network.relayedPeers()) this.#look(peerId);
    if (!this.#nat.hasMoved(network.ownAddresses())) return;
    for (const entry of this.#entries.values()) this.#trySooner(entry);
  }

  /** No sooner than a peer may come back, and a rest never becomes longer by it. */
  #trySooner(entry: Entry): void {
    const { clock, random } = this.#ports;
    const { failure } = entry;
    if (failure?.retryAt === undefined || stateOf(entry) !== 'relayed') return;
    const nowMs = clock.elapsed();
    const inMs = Math.max(0, failure.atMs + leastPauseMs - nowMs) + random.float() * spreadMs;
    if (nowMs + inMs >= entry.notBeforeMs) return;
    entry.notBeforeMs = nowMs + inMs;
    entry.failure = { ...failure, retryAt: Math.round(clock.now() + inMs) };
    this.#retryIn(entry, inMs);
  }

  #retryIn(entry: Entry, ms: number): void {
    const { clock } = this.#ports;
    clock.clearTimeout(entry.retry);
    entry.retry = clock.setTimeout(() => entry.actor.send({ type: 'upgrade.retry' }), ms);
  }

  /** Whether an attempt runs: it needs the connection through the relay. */
  isNeeded(peerId: string): boolean {
    return this.#places.has(peerId);
  }

  /** What this node's NAT does, by the latest attempt. */
  get mapping(): NatMapping {
    return this.#nat.mappingAt(this.#ports.clock.elapsed());
  }

  explain(): Pick<NatExplanation, 'mapping' | 'upgrades'> {
    const upgrades = Array.from(this.#entries.values(), (entry) => {
      const { peerId, failure } = entry;
      const state = stateOf(entry);
      if (state !== 'relayed' || failure === undefined) return { peerId, state };
      const { reason, retryAt } = failure;
      return { peerId, state, reason, ...(retryAt !== undefined && { retryAt }) };
    });
    return { mapping: this.mapping, upgrades };
  }

  /** Compares what is known of a peer with its connections. */
  #look(peerId: string): void {
    if (this.#run === undefined) return;
    const links = this.#ports.network.linksTo(peerId);
    const entry = this.#entries.get(peerId) ?? this.#admit(peerId, links);
    if (entry === undefined) return;
    const { direct, relayed } = links;
    if (direct !== undefined) entry.actor.send({ type: 'peer.direct', isInbound: direct.isInbound });
    if (relayed === undefined) return this.#forget(entry);
    if (direct === undefined) entry.actor.send({ type: 'peer.relayed' });
    if (relayed.isIdentified) entry.actor.send({ type: 'peer.identified', isLead: relayed.isInbound });
  }

  #admit(peerId: string, { direct, relayed }: PeerLinks): Entry | undefined {
    if (relayed === undefined || direct !== undefined || this.#entries.size >= maxPeers) return undefined;
    const { clock, isEnabled } = this.#ports;
    const machine = sharing(upgradeMachine).provide({
      actors: {
        dial: fromPromise(({ signal }) => this.#ports.network.dial(peerId, signal)),
        agree: fromPromise(({ signal }) => this.#agree(entry, signal)),
        punch: fromPromise(({ signal }) => this.#punch(entry, signal)),
      },
    });
    const now = clock.elapsed();
    const { attempt, notBeforeMs } = this.#pauses.before(peerId);
    const patienceMs = Math.max(relayed.isInbound ? leadPatienceMs : followPatienceMs, notBeforeMs - now);
    const input = { peerId, isEnabled, isLead: relayed.isInbound, patienceMs, attempt };
    const actor = createServiceActor(this.#ports, machine, { id: `upgrade:${peerId}`, input });
    const entry: Entry = {
      ...{ peerId, actor, openedAtMs: now, notBeforeMs, waiters: new Set(), isWorking: false },
      ...{ call: undefined, plan: undefined, failure: undefined, retry: undefined },
    };
    this.#entries.set(peerId, entry);
    this.#follow(entry);
    actor.start();
    return entry;
  }

  #follow(entry: Entry): void {
    const { actor, peerId } = entry;
    const { clock, hub } = this.#ports;
    actor.subscribe({ next: () => this.#moved(entry), error: () => this.#forget(entry) });
    actor.on('upgrade.wanted', () => {
      if (this.#isTooSoon(entry)) return this.#retryIn(entry, entry.notBeforeMs - clock.elapsed());
      this.#queue.add(peerId);
      this.#admitNext();
    });
    actor.on('upgrade.done', ({ how }) => {
      const remoteAddress = this.#ports.network.linksTo(peerId).direct?.address ?? '';
      const tookMs = Math.round(clock.elapsed() - entry.openedAtMs);
      entry.failure = undefined;
      entry.notBeforeMs = -Infinity;
      this.#pauses.succeeded(peerId);
      settle(entry, true);
      hub.emit('connection:upgraded', { peerId, how, remoteAddress, tookMs });
    });
    actor.on('upgrade.failed', ({ reason, restMs }) => {
      const retry = restMs === null ? {} : { retryAt: Math.round(clock.now() + restMs) };
      entry.notBeforeMs = clock.elapsed() + (restMs ?? 0);
      this.#pauses.failed(peerId, entry.notBeforeMs);
      entry.failure = { reason, atMs: clock.elapsed(), ...retry };
      settle(entry, false);
      hub.emit('connection:stays-relayed', { peerId, reason, ...retry });
    });
  }

  #moved(entry: Entry): void {
    const { peerId } = entry;
    const state = stateOf(entry);
    if (state !== 'waiting') this.#queue.delete(peerId);
    const wasWorking = entry.isWorking;
    entry.isWorking = working.has(state);
    if (entry.isWorking) return this.#ports.clock.clearTimeout(entry.retry);
    this.#release(entry);
    // One that waits may have a place already, and be about to begin.
    if (state === 'waiting' && !wasWorking) return;
    if (this.#places.leave(peerId)) this.#admitNext();
  }

  #admitNext(): void {
    for (const peerId of this.#queue) {
      if (!this.#places.canLead) return;
      this.#queue.delete(peerId);
      this.#places.lead(peerId);
      this.#pauses.tried(peerId, this.#ports.clock.elapsed());
      this.#entries.get(peerId)?.actor.send({ type: 'upgrade.begin' });
    }
  }

  /** The peer asks. Whoever has asked too often, or has no connection through a relay, is refused. */
  #called(call: PunchCall): void {
    this.#look(call.peerId);
    const entry = this.#entries.get(call.peerId);
    if (entry === undefined) return call.refuse('there is no connection to be replaced');
    const now = this.#ports.clock.elapsed();
    if (!this.#pauses.mayCall(call.peerId, now)) return call.refuse('asked too often');
    if (!this.#mayAnswer(entry, call)) return call.refuse('this node is about to ask itself, or busy');
    this.#places.follow(call.peerId, call.relay);
    this.#pauses.called(call.peerId, now);
    entry.call?.refuse('asked anew');
    entry.call = call;
    entry.actor.send({ type: 'peer.leads' });
    this.#admitNext();
  }

  #mayAnswer(entry: Entry, { relay }: PunchCall): boolean {
    if (!entry.actor.getSnapshot().can({ type: 'peer.leads' })) return false;
    if (!this.#places.canFollow(entry.peerId, relay)) return false;
    // Both have asked at once: the smaller id gives way. A call that is answered already may be made anew.
    const state = stateOf(entry);
    const isLeading = entry.call === undefined && (state === 'agreeing' || state === 'punching');
    return !isLeading || this.#ports.network.selfPeerId < entry.peerId;
  }

  async #agree(entry: Entry, signal: AbortSignal): Promise<Agreed> {
    const { call, peerId } = entry;
    entry.plan?.end();
    entry.plan = undefined;
    const plan = await this.#ports.network.agree({ peerId, mapping: this.mapping, call }, signal);
    if (signal.aborted) {
      plan.end();
      throw signal.reason as Error;
    }
    entry.plan = plan;
    this.#nat.note(plan.seen, this.#ports.clock.elapsed());
    if (plan.reason === undefined) return { reason: null };
    return { reason: isSymmetric(this.mapping) ? 'own NAT is symmetric' : plan.reason };
  }

  async #punch(entry: Entry, signal: AbortSignal): Promise<Punched> {
    const { peerId, plan } = entry;
    try {
      await plan?.punch(signal);
    } catch (error) {
      if (!signal.aborted) this.#ports.log(`a punch to ${peerId} opened nothing`, error);
    }
    plan?.end();
    entry.call = undefined;
    return { reason: isSymmetric(this.mapping) ? 'own NAT is symmetric' : 'nothing came through' };
  }

  #isTooSoon({ notBeforeMs }: Entry): boolean {
    return this.#ports.clock.elapsed() < notBeforeMs - timerSlackMs;
  }

  /** Lets go what an attempt held. */
  #release(entry: Entry): void {
    entry.call?.refuse('it is over');
    entry.call = undefined;
    entry.plan?.end();
    entry.plan = undefined;
  }

  #forget(entry: Entry): void {
    const { actor, peerId } = entry;
    if (this.#entries.get(peerId) !== entry) return;
    this.#entries.delete(peerId);
    this.#queue.delete(peerId);
    this.#places.leave(peerId);
    this.#ports.clock.clearTimeout(entry.retry);
    actor.send({ type: 'peer.gone' });
    actor.stop();
    this.#release(entry);
    settle(entry, this.#ports.network.linksTo(peerId).direct !== undefined);
    if (this.#run !== undefined) this.#admitNext();
  }
}

const isSymmetric = (mapping: NatMapping): boolean => mapping === 'endpoint-dependent';

const stateOf = ({ actor }: Pick<Entry, 'actor'>): UpgradeState => {
  const { value } = actor.getSnapshot();
  return value === 'ended' || value === 'expecting' ? 'waiting' : value;
};

function settle(entry: Entry, isDirect: boolean): void {
  for (const resolve of entry.waiters) resolve(isDirect);
}
