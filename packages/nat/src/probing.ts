import { RecentMap } from '@lloom/core';
import { fromPromise, type ActorRefFrom } from 'xstate';
import { createServiceActor } from './actors.ts';
import { candidatesOf } from './internal/candidates.ts';
import type { ReachabilityNetwork } from './internal/reachabilityNetwork.ts';
import type { Shared } from './internal/shared.ts';
import { Verdicts, type Trial } from './internal/verdicts.ts';
import {
  reachabilityMachine,
  type AskOutcome,
  type ReachabilityEmitted,
} from './machines/reachability.machine.ts';
import type { AutonatConfig, NatExplanation, NatStatus } from './types.ts';

/** What was verified so long ago is not told any more, in ms. */
const verifiedForMs = 600_000;
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
    const actor = createServiceActor(this.#ports, reachabilityMachine.provide({ actors: { ask } }), {
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
      if (current === undefined || !admitted.includes(current)) {
        this.#end();
        this.#begin(config);
        return;
      }
      for (const address of verdicts.verified) if (!admitted.includes(address)) this.#withdraw(address);
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
      const isHelp = running.result !== 'over' && servers.some((server) => !this.#askedAt.has(server));
      if (isNew || isHelp) running.actor.send({ type: 'network.changed' });
    }, settleMs);
  }

  #takeCandidates({ verdicts, config }: Running): boolean {
    return verdicts.setCandidates(candidatesOf(this.#ports.network.view(), config.onlyGlobalIps));
  }

  /** Has one peer try one address. */
  async #ask(signal: AbortSignal): Promise<AskOutcome> {
    const running = this.#running;
    if (running === undefined) return { result: 'idle', readyInMs: 0 };
    const { network, clock } = this.#ports;
    const { verdicts } = running;
    for (const address of verdicts.verifiedBefore(clock.elapsed() - verifiedForMs)) this.#withdraw(address);
    this.#takeCandidates(running);
    const { peerId, readyInMs } = this.#nextServer(running);
    const addresses = verdicts.next();
    running.result = 'idle';
    if (addresses.length === 0 || readyInMs === undefined) return { result: 'idle', readyInMs: 0 };
    running.result = 'more';
    if (peerId === undefined) return { result: 'more', readyInMs };
    // Noted at both ends: a question that fails at once is not repeated at once.
    this.#askedAt.set(peerId, clock.elapsed());
    const answer = await network.ask({ peerId, addresses, signal });
    if (signal.aborted) return { result: 'idle', readyInMs: 0 };
    this.#askedAt.set(peerId, clock.elapsed());
    running.result = this.#take(running, { peerId, addresses }, answer);
    return { result: running.result, readyInMs: this.#nextServer(running).readyInMs ?? 0 };
  }

  #take(
    running: Running,
    { peerId, addresses }: { readonly peerId: string; readonly addresses: readonly string[] },
    answer: Awaited<ReturnType<ReachabilityNetwork['ask']>>,
  ): AskOutcome['result'] {
    const { clock } = this.#ports;
    const { verdicts } = running;
    const address = answer.kind === 'silent' ? undefined : addresses[answer.index];
    if (answer.kind === 'silent' || address === undefined) return 'silent';
    const trial: Trial = { by: peerId, now: clock.now(), elapsed: clock.elapsed() };
    // It could not dial those, or would not.
    verdicts.pass(addresses.slice(0, answer.index));
    if (answer.kind === 'reachable') this.#reached(running, address, trial);
    else verdicts.fail(address, trial);
    if (!verdicts.isRoundOver) return 'more';
    this.#endRound(running);
    return 'over';
  }

  /** The first address that is reached in a round decides it. */
  #reached({ actor, verdicts }: Running, address: string, trial: Trial): void {
    const isFirst = verdicts.reached.length === 0;
    verdicts.reach(address, trial);
    this.#ports.network.confirm(address);
    const current = this.#status.kind === 'public' ? this.#status.address : address;
    const told = verdicts.isGood(current) ? current : address;
    if (isFirst) actor.send({ type: 'verdict.public', address: told });
  }

  #endRound({ actor, verdicts }: Running): void {
    const { failed, reached } = verdicts;
    const [first] = reached;
    if (first === undefined) {
      // Whoever passes over an address says nothing of it.
      if (failed.length > 0) actor.send({ type: 'verdict.private' });
      return;
    }
    for (const address of failed) if (verdicts.verified.includes(address)) this.#withdraw(address);
    const current = this.#status.kind === 'public' ? this.#status.address : first;
    if (!verdicts.isGood(current)) actor.send({ type: 'address.changed', address: first });
  }

  /** Who is to be asked next: whoever was asked longest ago. Without a peer, how long until there is one. */
  #nextServer({ config }: Running): { readonly peerId?: string; readonly readyInMs?: number } {
    const { clock, network } = this.#ports;
    const nowMs = clock.elapsed();
    const { servers } = network.view();
    const waits = servers.map((peerId) => ({
      peerId,
      readyInMs: (this.#askedAt.get(peerId) ?? Number.NEGATIVE_INFINITY) + config.throttleIntervalMs - nowMs,
    }));
    const [next] = waits.toSorted((a, b) => a.readyInMs - b.readyInMs);
    if (next === undefined) return {};
    return next.readyInMs > 0 ? { readyInMs: next.readyInMs } : { peerId: next.peerId, readyInMs: 0 };
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
