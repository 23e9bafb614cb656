import { RecentMap, sharing } from '@lloom/core';
import { fromPromise, type ActorRefFrom } from 'xstate';
import { createServiceActor } from './actors.ts';
import { candidatesOf } from './internal/candidates.ts';
import type { Moment } from './internal/ballot.ts';
import type {
  AddressServer,
  ReachabilityAnswer,
  ReachabilityNetwork,
} from './internal/reachabilityNetwork.ts';
import type { Shared } from './internal/shared.ts';
import { Verdicts, type Turn } from './internal/verdicts.ts';
import {
  reachabilityMachine,
  type AskOutcome,
  type ReachabilityEmitted,
} from './machines/reachability.machine.ts';
import type { AutonatConfig, NatExplanation, NatStatus } from './types.ts';

/** Peers of which is known when they were asked last. */
const maxAsked = 1_024;
/** What changes within so long is looked at once, in ms. */
const settleMs = 200;

/** What finding out takes beside what is shared. */
export interface ProbingPorts extends Shared {
  readonly network: ReachabilityNetwork;
  /** Told of every change of the status. */
  changed(status: NatStatus): void;
}

/** The service from one time that it is enabled, or started, until it is disabled or stopped. */
interface Running {
  readonly actor: ActorRefFrom<typeof reachabilityMachine>;
  readonly verdicts: Verdicts;
  config: Required<AutonatConfig>;
  /** What came of the last question. */
  result: AskOutcome['result'];
  /** Puts the question under way to others too, as far as they are wanted. */
  askMore?: () => void;
  timer?: unknown;
}

/** Finds out whether this node can be reached, and lets others find out. */
export class Probing {
  readonly #ports: ProbingPorts;
  /** When, by the clock's elapsed time. Outlives what runs, so that nobody is asked too often. */
  readonly #askedAt = new RecentMap<number>(maxAsked);
  #config: Required<AutonatConfig> | undefined;
  #isStarted = false;
  #isWatching = false;
  #running: Running | undefined;
  #status: NatStatus = { kind: 'unknown' };
  /** Changes are made one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(ports: ProbingPorts) {
    this.#ports = ports;
  }

  get status(): NatStatus {
    return this.#status;
  }

  /** Asks and answers from now on, or from the start on; called again, it changes how. */
  enable(config: Required<AutonatConfig>): Promise<void> {
    this.#config = config;
    return this.#settle();
  }

  /** Asks nobody, and answers nobody. */
  disable(): Promise<void> {
    this.#config = undefined;
    return this.#settle();
  }

  start(): Promise<void> {
    this.#isStarted = true;
    return this.#settle();
  }

  stop(): Promise<void> {
    this.#isStarted = false;
    return this.#settle();
  }

  explain(): Pick<
    NatExplanation,
    'status' | 'confidence' | 'candidates' | 'servers' | 'isAutonatEnabled' | 'isAutonatServer'
  > {
    const { actor, verdicts } = this.#running ?? {};
    return {
      status: this.#status,
      confidence: actor?.getSnapshot().context.confidence ?? 0,
      candidates: verdicts?.explain() ?? [],
      servers: this.#isWatching ? this.#ports.network.view().servers.length : 0,
      isAutonatEnabled: this.#config !== undefined,
      isAutonatServer: this.#config?.enableServer ?? false,
    };
  }

  /** Brings what runs in line with what is wanted, when all that was wanted before is done. */
  #settle(): Promise<void> {
    const settled = this.#last.then(() => this.#apply());
    this.#last = settled.catch(() => undefined);
    return settled;
  }

  async #apply(): Promise<void> {
    const { network } = this.#ports;
    const config = this.#isStarted ? this.#config : undefined;
    if (config === undefined) this.#end();
    if (this.#isStarted && !this.#isWatching) {
      this.#isWatching = true;
      await network.start(() => this.#onNetwork());
    }
    if (!this.#isStarted) {
      const wasWatching = this.#isWatching;
      this.#isWatching = false;
      if (wasWatching) await network.stop();
      return;
    }
    // Whoever asks would take a dial that is not expected for one that failed.
    await network.setAsking(config !== undefined);
    await network.setServing(config?.enableServer === true ? config : undefined);
    if (config === undefined) return;
    if (this.#running === undefined) this.#begin(config);
    else this.#reconfigure(this.#running, config);
  }

  #begin(config: Required<AutonatConfig>): void {
    const ask = fromPromise<AskOutcome>(({ signal }) => this.#ask(signal));
    const actor = createServiceActor(this.#ports, sharing(reachabilityMachine).provide({ actors: { ask } }), {
      id: 'reachability',
      input: inputOf(config),
    });
    this.#running = { actor, verdicts: new Verdicts(), config, result: 'idle' };
    actor.on('status.changed', (event) => this.#onStatus(event));
    actor.start();
  }

  #reconfigure(running: Running, config: Required<AutonatConfig>): void {
    const { actor, verdicts, config: before } = running;
    running.config = config;
    actor.send({ type: 'probing.configure', config: inputOf(config) });
    if (before.onlyGlobalIps !== config.onlyGlobalIps) {
      // What was found with other addresses says nothing of these; what both admit is verified again at once.
      const current = this.#status.kind === 'public' ? this.#status.address : undefined;
      const admitted = candidatesOf(this.#ports.network.view(), config.onlyGlobalIps);
      const isAdmitted = (address: string): boolean => admitted.some((each) => each.address === address);
      if (current === undefined || !isAdmitted(current)) {
        this.#end();
        this.#begin(config);
        return;
      }
      for (const address of verdicts.verified) if (!isAdmitted(address)) this.#withdraw(address);
    }
    actor.send({ type: 'network.changed' });
  }

  #end(): void {
    const running = this.#running;
    if (running === undefined) return;
    running.actor.stop();
    if (running.timer !== undefined) this.#ports.clock.clearTimeout(running.timer);
    this.#withdrawAll();
    this.#running = undefined;
    if (this.#status.kind !== 'unknown') this.#tell({ kind: 'unknown' });
  }

  /** Connections come in dozens, and each is told of more than once. */
  #onNetwork(): void {
    const running = this.#running;
    if (running === undefined || running.timer !== undefined) return;
    running.timer = this.#ports.clock.setTimeout(() => {
      delete running.timer;
      const { servers } = this.#ports.network.view();
      const isNew = this.#takeCandidates(running);
      const isHelp = servers.some(
        (server) =>
          !this.#askedAt.has(server.peerId) && (running.result !== 'over' || running.verdicts.wants(server)),
      );
      running.askMore?.();
      if (isNew || isHelp) running.actor.send({ type: 'network.changed' });
    }, settleMs);
  }

  #takeCandidates({ verdicts, config }: Running): boolean {
    return verdicts.setCandidates(candidatesOf(this.#ports.network.view(), config.onlyGlobalIps));
  }

  /** Has peers try one address. */
  async #ask(signal: AbortSignal): Promise<AskOutcome> {
    const running = this.#running;
    const { clock, network } = this.#ports;
    const { servers } = network.view();
    if (running === undefined || servers.length === 0) return this.#told(running, 'idle');
    const { verdicts } = running;
    for (const address of verdicts.expire(clock.elapsed())) this.#withdraw(address);
    this.#takeCandidates(running);
    // Those who were to be asked may be gone.
    if (!verdicts.isRoundOver && this.#settleRound(running))
      return this.#told(running, this.#endRound(running));
    const turn = verdicts.next(servers);
    if (turn === undefined) return this.#told(running, 'idle');
    if (this.#choose(running, turn).length === 0) return this.#told(running, 'more', turn.servers);
    await this.#askAll(running, turn, signal);
    if (signal.aborted) return { result: 'idle', readyInMs: 0 };
    if (verdicts.isRoundOver) return this.#told(running, this.#endRound(running));
    const left = verdicts.next(servers);
    const isNew = left?.servers.some(({ peerId }) => !left.ballot.wasAsked(peerId)) ?? true;
    return this.#told(running, isNew ? 'more' : 'silent', left?.servers);
  }

  #told(
    running: Running | undefined,
    result: AskOutcome['result'],
    servers: readonly AddressServer[] = this.#ports.network.view().servers,
  ): AskOutcome {
    if (running !== undefined) running.result = result;
    if (running === undefined || result === 'idle') return { result, readyInMs: 0 };
    const waits = servers.map(({ peerId }) => this.#readyInMs(running, peerId));
    return { result, readyInMs: Math.max(0, waits.length > 0 ? Math.min(...waits) : 0) };
  }

  /** Asks until enough was said of the address. Whoever is slow holds nobody up, and whoever comes meanwhile is asked as well. */
  async #askAll(running: Running, { address, ballot, count }: Turn, signal: AbortSignal): Promise<void> {
    const { clock, network } = this.#ports;
    const { promise: isDone, resolve, reject } = Promise.withResolvers<void>();
    const enough = new AbortController();
    const within = AbortSignal.any([signal, enough.signal]);
    let [asked, open] = [0, 0];
    const askOne = async (server: AddressServer): Promise<void> => {
      const { peerId } = server;
      open++;
      this.#askedAt.set(peerId, clock.elapsed());
      ballot.ask(peerId);
      const { kind } = await network.ask({ peerId, address, signal: within });
      open--;
      if (!within.aborted) this.#hear(running, address, { server, kind });
      if (open === 0 || !running.verdicts.isPending(address)) resolve();
    };
    running.askMore = () => {
      const servers = ballot.left(network.view().servers);
      for (const server of this.#choose(running, { count: count - asked, servers })) {
        asked++;
        askOne(server).catch(reject);
      }
    };
    running.askMore();
    try {
      await isDone;
    } finally {
      delete running.askMore;
      enough.abort(new Error('enough was said'));
    }
  }

  #hear(
    running: Running,
    address: string,
    word: { readonly server: AddressServer; readonly kind: ReachabilityAnswer['kind'] },
  ): void {
    const { actor, verdicts } = running;
    const isDisputed = verdicts.hear(address, word, this.#now());
    if (isDisputed) {
      this.#withdraw(address);
      const other = verdicts.verified.find((each) => verdicts.isGood(each));
      if (this.#status.kind === 'public' && this.#status.address === address)
        actor.send(
          other === undefined ? { type: 'address.disputed' } : { type: 'address.changed', address: other },
        );
    }
    this.#settleRound(running);
  }

  /**
   * Takes what was said as far as it makes verdicts. The first address that is reached in a round decides it.
   * @returns whether the round is over
   */
  #settleRound({ actor, verdicts }: Running): boolean {
    for (const address of verdicts.settle(this.#ports.network.view().servers, this.#now())) {
      this.#ports.network.confirm(address);
      if (verdicts.round.reached[0] !== address) continue;
      const current = this.#status.kind === 'public' ? this.#status.address : address;
      actor.send({ type: 'verdict.public', address: verdicts.isGood(current) ? current : address });
    }
    return verdicts.isRoundOver;
  }

  #endRound({ actor, verdicts }: Running): AskOutcome['result'] {
    const { failed, isDisputed, reached } = verdicts.round;
    const [first] = reached;
    if (first === undefined) {
      // Whoever passes over an address says nothing of it, and whoever gets through to any does not find the node private.
      const isPrivate = failed.length > 0 && !isDisputed;
      if (isPrivate) actor.send({ type: 'verdict.private' });
      return isPrivate ? 'over' : 'silent';
    }
    for (const address of failed) if (verdicts.verified.includes(address)) this.#withdraw(address);
    const current = this.#status.kind === 'public' ? this.#status.address : first;
    if (!verdicts.isGood(current)) actor.send({ type: 'address.changed', address: first });
    return 'over';
  }

  /** Who is asked now: whoever was asked longest ago, and somebody of another network where two are wanted. */
  #choose(running: Running, { count, servers }: Pick<Turn, 'count' | 'servers'>): AddressServer[] {
    const [first, ...rest] = servers
      .filter(({ peerId }) => this.#readyInMs(running, peerId) <= 0)
      .toSorted((a, b) => this.#readyInMs(running, a.peerId) - this.#readyInMs(running, b.peerId));
    if (first === undefined || count < 1) return [];
    const second = rest.find(({ network }) => network !== first.network) ?? rest[0];
    return count > 1 && second !== undefined ? [first, second] : [first];
  }

  /** How long until a peer may be asked; below 0 when it has been so long already. */
  #readyInMs({ config }: Running, peerId: string): number {
    const askedAt = this.#askedAt.get(peerId) ?? Number.NEGATIVE_INFINITY;
    return askedAt + config.throttleIntervalMs - this.#ports.clock.elapsed();
  }

  #now(): Moment {
    const { clock } = this.#ports;
    return { now: clock.now(), elapsed: clock.elapsed() };
  }

  #onStatus({ status, address }: ReachabilityEmitted): void {
    if (status !== 'public') this.#withdrawAll();
    this.#tell(status === 'public' ? { kind: status, address } : { kind: status });
  }

  #withdrawAll(): void {
    for (const address of this.#running?.verdicts.verified ?? []) this.#withdraw(address);
  }

  #withdraw(address: string): void {
    this.#running?.verdicts.withdraw(address);
    this.#ports.network.withdraw(address);
  }

  #tell(status: NatStatus): void {
    const previous = this.#status;
    this.#status = Object.freeze(status);
    this.#ports.changed(status);
    this.#ports.hub.emit('nat:changed', { status, previous });
  }
}

const inputOf = ({ confidenceThreshold, throttleIntervalMs }: Required<AutonatConfig>) => ({
  confidenceThreshold,
  throttleIntervalMs,
});
