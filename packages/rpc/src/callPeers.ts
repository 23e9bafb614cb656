import { orAbort, type Clock, type Random, type Reports } from '@lloom/core';
import { RpcError } from './errors.ts';
import { Breakers } from './callBreakers.ts';
import type { RpcConfig } from './config.ts';
import { Doubts } from './internal/doubts.ts';
import { factOf } from './internal/facts.ts';
import { kindOf, retryAfterMsOf } from './internal/failureKinds.ts';
import { OutboundGate } from './internal/outboundGate.ts';
import { Paces } from './internal/pace.ts';
import { RetryBudget } from './internal/retryBudget.ts';
import type { LifecyclePorts } from './lifecycle.ts';
import type { AlternativeQuery, AlternativeSource, PeerFact } from './ports.ts';

/** What peers are judged by. */
export interface CallPeersPorts extends LifecyclePorts {
  readonly random: Random;
  readonly alternatives: AlternativeSource | undefined;
  readonly reports: Pick<Reports<PeerFact>, 'tell'>;
}

/** How often a source is asked again when it names a peer that is avoided. */
const maxTries = 16;

/** How long another provider is looked for when none is known, in ms. */
const searchMs = 5_000;

/**
 * Whom this node may ask, as far as it has seen itself: who fails, is silent or slow, who has no room, how much is under way with
 * whom.
 */
export class CallPeers {
  readonly budget: RetryBudget;
  readonly random: Random;
  /** How fast they have answered. */
  readonly paces = new Paces();
  /** Who is not asked first. */
  readonly doubts: Doubts;
  readonly #gate: OutboundGate;
  readonly #breakers: Breakers;
  readonly #alternatives: AlternativeSource | undefined;
  readonly #clock: Clock;
  readonly #reports: CallPeersPorts['reports'];

  constructor(config: Readonly<Required<RpcConfig>>, ports: CallPeersPorts) {
    const { clock, random, alternatives, reports } = ports;
    this.random = random;
    this.#reports = reports;
    this.#clock = clock;
    this.budget = new RetryBudget(config.retryRatio, config.retryBurst);
    const limits = { maxPerPeer: config.maxPendingRequestsPerPeer, rateLimits: config.outboundRateLimits };
    this.#gate = new OutboundGate(limits, clock);
    this.#breakers = new Breakers(config, ports);
    const latencyOf = (peerId: string): number | undefined => this.paces.of(peerId)?.latencyMs;
    this.doubts = new Doubts({ clock, forMs: config.avoidMs, latencyOf });
    this.#alternatives = alternatives;
  }

  /** Whether the peer may be asked at once; a place with it is taken then. */
  tryEnter(peerId: string, method: string): boolean {
    // Who is left alone costs nothing of what it may be asked.
    if (this.#breakers.check(peerId) > 0) return false;
    if (this.#gate.tryEnter(peerId, method)) return true;
    this.#breakers.undecided(peerId);
    return false;
  }

  /**
   * Takes a place with the peer as soon as there is one.
   * @throws {RpcError} `PEER_AVOIDED`; the signal's reason
   */
  async enter(peerId: string, method: string, signal: AbortSignal): Promise<void> {
    await this.#gate.enter(peerId, method, signal);
    const retryAfterMs = Math.ceil(this.#breakers.check(peerId));
    if (retryAfterMs === 0) return;
    this.#gate.leave(peerId);
    throw new RpcError('PEER_AVOIDED', { peerId, retryAfterMs });
  }

  /** A request that had a place was not made after all. */
  notMade(peerId: string): void {
    this.#gate.leave(peerId);
    this.#breakers.undecided(peerId);
  }

  /** A request that had a place has ended. */
  ended(peerId: string, method: string, error?: RpcError): void {
    this.#judge(peerId, method, error);
    // Behind that: whoever waits for the place must find what the peer has said.
    this.#gate.leave(peerId);
    const fact = factOf(method, error);
    if (fact !== undefined) this.#reports.tell(peerId, fact);
  }

  #judge(peerId: string, method: string, error: RpcError | undefined): void {
    const peer = error === undefined ? 'works' : kindOf(error).peer;
    if (method === 'llmRequest') this.#weigh(peerId, error);
    if (peer === 'works') return this.#breakers.succeeded(peerId);
    if (peer === 'fails') return this.#breakers.failed(peerId);
    this.#breakers.undecided(peerId);
    if (error === undefined || peer === 'unknown') return;
    const forMs = retryAfterMsOf(error);
    this.#breakers.busy(peerId, forMs);
    if (RpcError.is(error, 'RATE_LIMITED')) this.#gate.hold(peerId, method, forMs);
  }

  /** Who announces a model and refuses it costs a retry each time. */
  #weigh(peerId: string, error: RpcError | undefined): void {
    if (error === undefined) this.doubts.answered(peerId);
    else if (error.code === 'MODEL_UNAVAILABLE' || error.code === 'NO_HANDLER') this.doubts.refused(peerId);
  }

  /** Whether others are the better choice now: it fails, has no room, is silent, or refuses what it offers. */
  isAvoided(peerId: string): boolean {
    return this.#breakers.isAvoided(peerId) || this.doubts.has(peerId);
  }

  /** How many requests of this node the peer has, or is about to be sent. */
  underWay(peerId: string): number {
    return this.#gate.underWay(peerId);
  }

  /** Whether a request to the peer would not have to wait for others of this node. */
  hasRoom(peerId: string, method: string): boolean {
    return this.#gate.hasRoom(peerId, method);
  }

  /** How long the peer wants no more of these, as it has said, in ms. */
  heldMs(peerId: string, method: string): number {
    return this.#gate.heldMs(peerId, method);
  }

  /** Another provider that is known, does not fail, and need not be waited for. One in doubt only when there is no other. */
  find(query: AlternativeQuery): string | undefined {
    const exclude = [...query.exclude];
    let doubted: string | undefined;
    for (let tries = 0; tries < maxTries; tries++) {
      const found = this.#named({ ...query, exclude });
      if (found === undefined) break;
      if (!this.#breakers.isAvoided(found) && this.hasRoom(found, 'llmRequest')) {
        if (!this.doubts.has(found)) return found;
        doubted ??= found;
      }
      exclude.push(found);
    }
    return doubted;
  }

  /** Whom the source names. What it should not have said, or throws, is nobody. */
  #named(query: AlternativeQuery): string | undefined {
    try {
      const found: unknown = this.#alternatives?.find(query);
      const isWanted = typeof found === 'string' && found !== query.peerId && !query.exclude.includes(found);
      return isWanted ? found : undefined;
    } catch {
      return undefined;
    }
  }

  /** Looks for another provider for a while. `undefined` when none is found. */
  async search(query: AlternativeQuery, signal: AbortSignal): Promise<string | undefined> {
    const controller = new AbortController();
    const stop = (): void => controller.abort(new Error('the search is over'));
    const timer = this.#clock.setTimeout(stop, searchMs);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const searching = this.#alternatives?.search(query, { signal: controller.signal });
      // A source that does not listen keeps nobody waiting.
      const found = await (searching && orAbort(searching, controller.signal));
      return found !== undefined && this.#breakers.isAvoided(found) ? undefined : found;
    } catch {
      return undefined;
    } finally {
      this.#clock.clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  /** Whether anybody names other providers. */
  get hasAlternatives(): boolean {
    return this.#alternatives !== undefined;
  }

  /** No timers are left behind. */
  stop(): void {
    this.#gate.stop();
    this.#breakers.stop();
  }
}
