import { RecentMap } from '@lloom/core';
import { fromPromise, type ActorRefFrom } from 'xstate';
import { createServiceActor } from './actors.ts';
import type { DirectNetwork, PeerLinks, PunchCall, PunchPlan } from './internal/directNetwork.ts';
import { mappingOf, type Observation } from './internal/mapping.ts';
import type { Shared } from './internal/shared.ts';
import { upgradeMachine, type Agreed, type Punched } from './machines/upgrade.machine.ts';
import type { NatExplanation, NatMapping, StaysRelayedReason, UpgradeState } from './types.ts';

/** What the way from relayed to direct takes. */
export interface UpgradingPorts extends Shared {
  readonly network: DirectNetwork;
  readonly isEnabled: boolean;
}

/** Peers that are looked after; those beyond stay relayed. */
const maxPeers = 1_000;
/** Attempts that this node begins, at once. */
const maxAttempts = 8;
/** Those that peers begin come on top, up to so many of both. */
const maxWorking = 16;
/** Whoever asks for more punches than one attempt has, within this time, is refused: each sends packets to where the peer says. */
const callWindowMs = 30_000;
const maxCallsPerWindow = 3;
/** A peer that comes back gets its next attempt no sooner after its last: each sends packets to where the peer says. */
const leastPauseMs = 30_000;
/** The addresses of a peer come within a round trip; one that says none is asked all the same. */
const leadPatienceMs = 1_000;
/** So long the other side has to act before this one does. */
const followPatienceMs = 5_000;
/** What was tried so shortly ago is not tried anew because somebody waits. */
const freshMs = 5_000;
/** How long the latest verdict on the own NAT counts. */
const mappingAgeMs = 300_000;

const working: ReadonlySet<UpgradeState> = new Set(['dialing', 'agreeing', 'punching']);

interface Entry {
  readonly peerId: string;
  readonly actor: ActorRefFrom<typeof upgradeMachine>;
  readonly openedAtMs: number;
  /** Before, it does not begin. */
  readonly notBeforeMs: number;
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
  readonly #working = new Set<string>();
  /** When it was tried with a peer last, and when its latest calls came, by the clock that never goes back. */
  readonly #triedAtMs = new RecentMap<number>(maxPeers);
  readonly #calledAtMs = new RecentMap<readonly number[]>(maxPeers);
  #unserved: Promise<void> = Promise.resolve();
  #mapping: { readonly value: NatMapping; readonly atMs: number } | undefined;
  #run: AbortController | undefined;

  constructor(ports: UpgradingPorts) {
    this.#ports = ports;
  }

  async start(): Promise<void> {
    if (this.#run !== undefined) return;
    const run = new AbortController();
    this.#run = run;
    const { isEnabled, network } = this.#ports;
    const unwatch = network.watch((peerId) => this.#look(peerId));
    run.signal.addEventListener('abort', unwatch, { once: true });
    for (const peerId of network.relayedPeers()) this.#look(peerId);
    if (!isEnabled) return;
    const unserve = await network.serve((call) => this.#called(call));
    const end = (): void =>
      void unserve().catch((error: unknown) => this.#ports.log('DCUtR could not end', error));
    if (run.signal.aborted) end();
    else run.signal.addEventListener('abort', end, { once: true });
  }

  async stop(): Promise<void> {
    this.#run?.abort();
    this.#run = undefined;
    for (const entry of this.#entries.values()) this.#forget(entry);
    this.#mapping = undefined;
    await this.#unserved;
  }

  /**
   * Tries now, or shares the attempt that runs. Resolves with whether there is a direct connection; `false` as well when the
   * signal fires first, or when an attempt has just failed.
   */
  async upgrade(peerId: string, signal: AbortSignal): Promise<boolean> {
    const { clock, isEnabled, network } = this.#ports;
    if (network.linksTo(peerId).direct !== undefined) return true;
    const entry = this.#entries.get(peerId);
    if (entry === undefined || !isEnabled || signal.aborted) return false;
    if (clock.elapsed() < entry.notBeforeMs) return false;
    const failedAtMs = entry.failure?.atMs ?? -Infinity;
    if (stateOf(entry) === 'relayed' && clock.elapsed() - failedAtMs < freshMs) return false;
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

  /** It is known otherwise than before how this node can be reached: those that stayed relayed are tried again. */
  reachabilityChanged(): void {
    this.#mapping = undefined;
    const { clock, network } = this.#ports;
    if (this.#run !== undefined) for (const peerId of network.relayedPeers()) this.#look(peerId);
    for (const { actor, failure } of this.#entries.values()) {
      if (clock.elapsed() - (failure?.atMs ?? -Infinity) >= freshMs) actor.send({ type: 'upgrade.retry' });
    }
  }

  /** Whether an attempt runs: it needs the connection through the relay. */
  isNeeded(peerId: string): boolean {
    return this.#working.has(peerId);
  }

  /** What this node's NAT does, by the latest attempt. */
  get mapping(): NatMapping {
    const { clock } = this.#ports;
    if (this.#mapping === undefined || clock.elapsed() - this.#mapping.atMs > mappingAgeMs) return 'unknown';
    return this.#mapping.value;
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
    const machine = upgradeMachine.provide({
      actors: {
        dial: fromPromise(({ signal }) => this.#ports.network.dial(peerId, signal)),
        agree: fromPromise(({ signal }) => this.#agree(entry, signal)),
        punch: fromPromise(({ signal }) => this.#punch(entry, signal)),
      },
    });
    const now = clock.elapsed();
    const notBeforeMs = (this.#triedAtMs.get(peerId) ?? -Infinity) + leastPauseMs;
    const patienceMs = Math.max(relayed.isInbound ? leadPatienceMs : followPatienceMs, notBeforeMs - now);
    const input = { peerId, isEnabled, isLead: relayed.isInbound, patienceMs };
    const actor = createServiceActor(this.#ports, machine, { id: `upgrade:${peerId}`, input });
    const entry: Entry = {
      ...{ peerId, actor, openedAtMs: now, notBeforeMs, waiters: new Set() },
      ...{ call: undefined, plan: undefined, failure: undefined },
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
      if (clock.elapsed() < entry.notBeforeMs) return;
      this.#queue.add(peerId);
      this.#admitNext();
    });
    actor.on('upgrade.done', ({ how }) => {
      const remoteAddress = this.#ports.network.linksTo(peerId).direct?.address ?? '';
      const tookMs = Math.round(clock.elapsed() - entry.openedAtMs);
      entry.failure = undefined;
      this.#triedAtMs.delete(peerId);
      settle(entry, true);
      hub.emit('connection:upgraded', { peerId, how, remoteAddress, tookMs });
    });
    actor.on('upgrade.failed', ({ reason, restMs }) => {
      const retry = restMs === null ? {} : { retryAt: Math.round(clock.now() + restMs) };
      entry.failure = { reason, atMs: clock.elapsed(), ...retry };
      settle(entry, false);
      hub.emit('connection:stays-relayed', { peerId, reason, ...retry });
    });
  }

  #moved(entry: Entry): void {
    const { peerId } = entry;
    const state = stateOf(entry);
    if (state !== 'waiting') this.#queue.delete(peerId);
    if (working.has(state)) {
      this.#working.add(peerId);
      return;
    }
    this.#release(entry);
    if (this.#working.delete(peerId)) this.#admitNext();
  }

  #admitNext(): void {
    for (const peerId of this.#queue) {
      if (this.#working.size >= maxAttempts) return;
      this.#queue.delete(peerId);
      this.#triedAtMs.set(peerId, this.#ports.clock.elapsed());
      this.#entries.get(peerId)?.actor.send({ type: 'upgrade.begin' });
    }
  }

  /** The peer asks. Whoever has asked too often, or has no connection through a relay, is refused. */
  #called(call: PunchCall): void {
    this.#look(call.peerId);
    const entry = this.#entries.get(call.peerId);
    if (entry === undefined) return call.refuse('there is no connection to be replaced');
    const now = this.#ports.clock.elapsed();
    const recent = (this.#calledAtMs.get(call.peerId) ?? []).filter((atMs) => now - atMs < callWindowMs);
    if (recent.length >= maxCallsPerWindow) return call.refuse('asked too often');
    if (!this.#mayAnswer(entry)) return call.refuse('this node is about to ask itself, or busy');
    this.#calledAtMs.set(call.peerId, [...recent, now]);
    entry.call?.refuse('asked anew');
    entry.call = call;
    entry.actor.send({ type: 'peer.leads' });
  }

  #mayAnswer(entry: Entry): boolean {
    if (!entry.actor.getSnapshot().can({ type: 'peer.leads' })) return false;
    if (!this.#working.has(entry.peerId)) return this.#working.size < maxWorking;
    // Both have asked at once: the smaller id gives way. A call that is answered already may be made anew.
    const isLeading = entry.call === undefined && stateOf(entry) !== 'dialing';
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
    this.#noteMapping(plan.seen);
    if (plan.reason === undefined) return { reason: null };
    return { reason: this.#isSymmetric ? 'own NAT is symmetric' : plan.reason };
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
    return {
      reason: this.mapping === 'endpoint-dependent' ? 'own NAT is symmetric' : 'nothing came through',
    };
  }

  get #isSymmetric(): boolean {
    return this.mapping === 'endpoint-dependent';
  }

  #noteMapping(seen: readonly Observation[]): void {
    const value = mappingOf(seen);
    if (value !== 'unknown') this.#mapping = { value, atMs: this.#ports.clock.elapsed() };
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
    this.#working.delete(peerId);
    actor.send({ type: 'peer.gone' });
    actor.stop();
    this.#release(entry);
    settle(entry, this.#ports.network.linksTo(peerId).direct !== undefined);
    if (this.#run !== undefined) this.#admitNext();
  }
}

const stateOf = ({ actor }: Pick<Entry, 'actor'>): UpgradeState => {
  const { value } = actor.getSnapshot();
  return value === 'ended' ? 'waiting' : value;
};

function settle(entry: Entry, isDirect: boolean): void {
  for (const resolve of entry.waiters) resolve(isDirect);
}
