import { CodecError, decodeRegistryQuery, encodeRegistryResult } from '@lloom/codec';
import { sharing } from '@lloom/core';
import type { RegistryQuery, RegistryResult } from '@lloom/codec';
import { fromPromise, type ActorRefFrom } from 'xstate';
import { createServiceActor } from './actors.ts';
import type { Finder } from './internal/finder.ts';
import { PeerQuota } from './internal/peerQuota.ts';
import { answerQuery } from './internal/registryAnswers.ts';
import { RegistryView } from './internal/registryView.ts';
import { maxProviders } from './internal/search.ts';
import type { Shared } from './internal/shared.ts';
import { SweepCounts } from './internal/sweepCounts.ts';
import { registryMachine, type SweepResult } from './machines/registry.machine.ts';

/** Questions of one peer that are answered at once, and how many more each second. */
const ofOnePeer = { burst: 20, perSecond: 2 };
/** The same of all peers together. */
const ofAll = { burst: 200, perSecond: 100 };
/** Of so many executors each answer tells what is known at that moment. */
const maxFresh = 256;
/** Of more, and in numbers, what was known so long ago at most, in ms: their order costs more than an answer. */
const maxAgeMs = 1_000;
/** Whoever was not heard for this share of the interval is asked: at the next sweep it would be too late. */
const freshRatio = 0.8;

/** What a registry needs beside what is shared. */
export interface RegistryPorts extends Shared {
  readonly finder: Pick<Finder, 'known' | 'sweep'>;
}

/**
 * The registry of a validator, from one start of the service to its stop: knows all executors that it can find, and
 * answers whoever asks. Closed until this node offers the validator service.
 */
export class Registry {
  readonly #ports: RegistryPorts;
  readonly #actor: ActorRefFrom<typeof registryMachine>;
  readonly #counts = new SweepCounts();
  readonly #ofOnePeer: PeerQuota;
  readonly #ofAll: PeerQuota;
  #isOpen = false;
  #isStarted = false;
  #openedAtMs = 0;
  #answered = 0;
  #latest: { readonly view: RegistryView; readonly atMs: number } | undefined;

  constructor(ports: RegistryPorts) {
    this.#ports = ports;
    this.#ofOnePeer = new PeerQuota(ports.clock, ofOnePeer);
    this.#ofAll = new PeerQuota(ports.clock, ofAll);
    const machine = sharing(registryMachine).provide({
      actors: { sweep: fromPromise(({ signal }) => this.#sweep(signal)) },
    });
    const { announcementIntervalMs } = ports.config;
    this.#actor = createServiceActor(ports, machine, { id: 'registry', input: { announcementIntervalMs } });
  }

  /** The state of the machine. */
  get state(): string {
    return this.#actor.getSnapshot().value;
  }

  /** Looks for executors from now on, while it is open. */
  start(): void {
    this.#isStarted = true;
    this.#actor.start();
    if (this.#isOpen) this.#actor.send({ type: 'registry.open' });
  }

  /** Whether this node offers the validator service. What was counted is forgotten when it begins to. */
  setOpen(isOpen: boolean): void {
    if (isOpen === this.#isOpen) return;
    this.#isOpen = isOpen;
    if (isOpen) {
      this.#openedAtMs = this.#ports.clock.elapsed();
      this.#answered = 0;
      this.#counts.clear();
    }
    if (this.#isStarted) this.#actor.send({ type: isOpen ? 'registry.open' : 'registry.close' });
  }

  /** This node has joined, and peers were found. */
  onFound(): void {
    if (this.#isStarted) this.#actor.send({ type: 'peers.found' });
  }

  /**
   * The frame that answers a question of a peer.
   * @throws {CodecError} `MALFORMED`, `TOO_LARGE` when it is no question
   */
  async answer(peerId: string, frame: Uint8Array): Promise<Uint8Array> {
    const isTooOften = !this.#ofOnePeer.take(peerId) || !this.#ofAll.take('everybody');
    if (isTooOften) return encodeRegistryResult(refusal('RATE_LIMITED', 'asked too often; wait a second'));
    return encodeRegistryResult(this.#answer(frame));
  }

  stop(): void {
    this.#isStarted = false;
    this.#actor.stop();
  }

  #answer(frame: Uint8Array): RegistryResult {
    if (!this.#isOpen) return refusal('NO_REGISTRY', 'this peer does not offer the validator service');
    let query: RegistryQuery;
    try {
      query = decodeRegistryQuery(frame);
    } catch (error) {
      if (CodecError.is(error, 'INVALID_FIELD') || CodecError.is(error, 'UNKNOWN_VARIANT'))
        return refusal('INVALID_QUERY', error.message);
      throw error;
    }
    return answerQuery(query, this.#view(query), {
      successRate: (id) => this.#counts.rateOf(id),
      totalRequests: this.#answered++,
      uptimeMs: Math.floor(this.#ports.clock.elapsed() - this.#openedAtMs),
    });
  }

  #view({ type }: RegistryQuery): RegistryView {
    const { clock, finder, network } = this.#ports;
    const nowMs = clock.elapsed();
    const latest = this.#latest;
    if (latest !== undefined && nowMs - latest.atMs < maxAgeMs) {
      if (type === 'getStatistics' || latest.view.executors.length > maxFresh) return latest.view;
    }
    const view = new RegistryView(finder.known.live(), network.connectedPeers());
    this.#latest = { view, atMs: nowMs };
    return view;
  }

  async #sweep(signal: AbortSignal): Promise<SweepResult> {
    const { clock, config, finder, network } = this.#ports;
    const { announcementIntervalMs: timeoutMs } = config;
    const beganAtMs = clock.elapsed();
    const heard = new Set<string>();
    try {
      const find = { maxAgeMs: Math.round(timeoutMs * freshRatio), timeoutMs, signal };
      for await (const { peerId } of finder.sweep({ kind: 'executor' }, find)) heard.add(peerId);
    } catch (error) {
      if (!signal.aborted) network.logError('could not look for executors for the registry', error);
      throw error;
    }
    const isComplete = clock.elapsed() - beganAtMs < timeoutMs && heard.size < maxProviders;
    this.#counts.note(heard, isComplete);
    return { found: heard.size };
  }
}

function refusal(code: string, message: string): RegistryResult {
  return { type: 'error', code, message };
}
