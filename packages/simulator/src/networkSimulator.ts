import type { LloomBehaviour, PricingInfo } from '@lloom/behaviour';
import {
  type CrashConfig,
  type LinkConfig,
  type Property,
  type RestartConfig,
  type TestNetwork,
  type Trace,
  type WaitConfig,
} from '@lloom/simkit';
import { resolveOptions, resolvePricing, resolveSimulation, type ResolvedSimulation } from './config.ts';
import { SimulatorError } from './errors.ts';
import { Activities } from './internal/activities.ts';
import { Faults } from './internal/faults.ts';
import { Figures } from './internal/figures.ts';
import { listenForStatus } from './internal/gossipLoad.ts';
import { GossipTally } from './internal/gossipTally.ts';
import { LateProperty } from './internal/late.ts';
import { Ledger } from './internal/ledger.ts';
import { knownRegions } from './regions.ts';
import { offerOf } from './internal/roles.ts';
import { namesOf, Timeline } from './internal/timeline.ts';
import { allDiscovered, connectionsOf, largestPart } from './internal/view.ts';
import { World } from './internal/world.ts';
import type { Measurement, MeasureFilter, MeasureName } from './measures.ts';
import type { SimulationReport } from './report/types.ts';
import type {
  ChurnConfig,
  ClientOptions,
  ExecutorOptions,
  GossipLoadConfig,
  LoadConfig,
  NodeRole,
  NodeSet,
  RelayOptions,
  SimulatedNode,
  Simulation,
  SimulationConfig,
  SimulationMetrics,
  ValidatorOptions,
} from './types.ts';

const defaultTimeoutMs = 60_000;

/**
 * A marketplace in virtual time: the specification's network simulator. Nodes are planned by the `spawn` calls and start with the
 * next run; from the first run until `stop()` the whole process lives in virtual time, so one simulator runs at a time.
 *
 * @example
 * ```ts
 * const sim = new NetworkSimulator({ numNodes: 10, networkDelayMs: 50, packetLoss: 0.01 });
 * sim.spawnExecutorNodes(5);
 * sim.spawnClientNodes(5);
 * await sim.runFor(30_000);
 * console.log(sim.allNodesConnected()); // true
 * await sim.stop();
 * ```
 */
export class NetworkSimulator implements Simulation {
  readonly #config: ResolvedSimulation;
  readonly #world: World;
  readonly #timeline: Timeline;
  readonly #faults: Faults;
  readonly #activities: Activities;
  readonly #figures: Figures;
  #stopping: Promise<void> | undefined;

  /** @throws {ConfigError} listing every problem */
  constructor(config: SimulationConfig) {
    this.#config = resolveSimulation(config, process.env['SIM_SEED']);
    const { seed } = this.#config;
    const elapsed = (): number => this.elapsedMs;
    const [ledger, gossip] = [new Ledger(elapsed), new GossipTally(elapsed)];
    const timeline = new Timeline(elapsed);
    const world = new World(this.#config, {
      onExecution: (execution) => ledger.execute(execution),
      onStarted: async (node, behaviour) => {
        if (this.#activities.hasGossip) await listenForStatus(node, behaviour, gossip);
      },
    });
    const faults = new Faults(world, timeline);
    const parts = { world, ledger, gossip, timeline };
    const at = (elapsedMs: number, act: () => unknown): void => this.at(elapsedMs, act);
    this.#activities = new Activities({ ...parts, seed, faults, at });
    this.#figures = new Figures({ ...parts, config: this.#config });
    [this.#world, this.#timeline, this.#faults] = [world, timeline, faults];
  }

  /** What all chance follows from. */
  get seed(): number {
    return this.#config.seed;
  }

  /** Whether it was stopped, in an orderly way or not. */
  get isStopped(): boolean {
    return this.#world.isStopped;
  }

  /** What happened so far; nothing until the first run. */
  get trace(): Trace {
    return this.#world.trace;
  }

  /** All nodes, in the order in which they were spawned. */
  get nodes(): readonly SimulatedNode[] {
    return [...this.#world.population.nodes];
  }

  /** Virtual time since the first run began, in ms, with fractions. */
  get elapsedMs(): number {
    return this.#world.elapsedMs;
  }

  /**
   * The node of that name.
   * @throws {SimulatorError} `UNKNOWN_NODE`
   */
  node(name: string): SimulatedNode {
    return this.#world.population.node(name);
  }

  /**
   * Plans executors; they start with the next run. While time runs, as in `at`, they start at once.
   * @throws {ConfigError} listing every problem of the options
   * @throws {SimulatorError} `TOO_MANY_NODES`, `INVALID_ARGUMENT`; none is spawned then
   */
  spawnExecutorNodes(count: number, options?: ExecutorOptions): readonly SimulatedNode[] {
    return this.#spawn('executor', count, options);
  }

  /** Plans clients, as {@link spawnExecutorNodes} does executors. */
  spawnClientNodes(count: number, options?: ClientOptions): readonly SimulatedNode[] {
    return this.#spawn('client', count, options);
  }

  /** Plans validators, as {@link spawnExecutorNodes} does executors. */
  spawnValidatorNodes(count: number, options?: ValidatorOptions): readonly SimulatedNode[] {
    return this.#spawn('validator', count, options);
  }

  /** Plans relays, as {@link spawnExecutorNodes} does executors. */
  spawnRelayNodes(count: number, options?: RelayOptions): readonly SimulatedNode[] {
    return this.#spawn('relay', count, options);
  }

  /**
   * Starts the nodes that are planned, which takes a little virtual time, and lets `ms` of it pass then.
   * @throws what a node failed to start with, and what was thrown while time ran; {@link SimkitError} when time cannot move
   */
  async runFor(ms: number): Promise<void> {
    checkMs('run for a time', ms);
    await this.#pass((network) => {
      const untilMs = network.clock.elapsed() + ms;
      return { isDone: () => network.clock.elapsed() >= untilMs, what: 'time to pass', timeoutMs: ms };
    });
  }

  /**
   * Lets virtual time pass until `isDone` says yes. It is asked after every instant.
   * @throws as {@link runFor}; {@link SimkitError} `TIMEOUT`
   */
  async runUntil(isDone: () => boolean, config: WaitConfig = {}): Promise<void> {
    if (typeof isDone !== 'function') {
      const [act, got] = ['run until something holds', typeof isDone];
      throw new SimulatorError('INVALID_ARGUMENT', { act, got, wanted: 'a condition' });
    }
    await this.#pass(() => ({ what: String(isDone), timeoutMs: defaultTimeoutMs, ...config, isDone }));
  }

  /**
   * Lets virtual time pass until a promise settles, and returns what it held: the way to await what nodes do.
   * @throws what the promise was rejected with; as {@link runUntil}
   */
  async run<T>(act: Promise<T> | (() => Promise<T> | T), config: WaitConfig = {}): Promise<T> {
    let promise: Promise<T> | undefined;
    // Nobody else listens to it while nodes start.
    if (act instanceof Promise) act.catch(() => undefined);
    await this.#pass(() => {
      let isSettled = false;
      // The act begins when time already runs, so that one which moves time itself is told.
      promise = typeof act === 'function' ? Promise.resolve().then(act) : Promise.resolve(act);
      const settled = (): void => {
        isSettled = true;
      };
      promise.then(settled, settled);
      return { what: 'an act to end', timeoutMs: defaultTimeoutMs, ...config, isDone: () => isSettled };
    });
    return promise!;
  }

  /**
   * Calls something when {@link elapsedMs} is so many ms, or at once when that has passed. What it throws, or what a promise that it
   * returns is rejected with, ends the run of that time.
   * @throws {SimulatorError} `INVALID_ARGUMENT`
   */
  at(elapsedMs: number, act: () => unknown): void {
    checkMs('plan an act', elapsedMs);
    if (typeof act !== 'function') {
      const got = typeof act;
      throw new SimulatorError('INVALID_ARGUMENT', { act: 'plan an act', got, wanted: 'a function' });
    }
    this.#world.checkRunning('plan an act');
    this.#world.whenBegun((network) => network.at(elapsedMs, act));
  }

  /**
   * From `fromMs` on something must hold: after every instant, or every so many ms. The first no ends the run of that time.
   * @throws {SimkitError} `INVALID_ARGUMENT`: here, or by the first run
   */
  always(what: string, isTrue: () => boolean, config: { fromMs?: number; everyMs?: number } = {}): Property {
    return this.#property(what, (network) => network.always(what, isTrue, config));
  }

  /**
   * Something must come true within a time from now on. When it did not, the run of that moment ends.
   * @throws {SimkitError} `INVALID_ARGUMENT`: here, or by the first run
   */
  eventually(what: string, isTrue: () => boolean, config: { withinMs: number; everyMs?: number }): Property {
    return this.#property(what, (network) => network.eventually(what, isTrue, config));
  }

  /**
   * Nothing is sent from one set of nodes to another; what is on its way arrives. Nodes in no set reach everybody. Returns what
   * lifts it.
   * @throws {SimulatorError} `UNKNOWN_NODE`; `WRONG_STATE` for nodes that were never started
   */
  partition(...groups: readonly NodeSet[]): () => void {
    return this.#faults.partition(...groups);
  }

  /** Nothing gets from one set of nodes to another; the other way is open. Returns what lifts it. */
  partitionOneWay(from: NodeSet, to: NodeSet): () => void {
    return this.#faults.partitionOneWay(from, to);
  }

  /** Lifts every partition. */
  heal(): void {
    this.#faults.heal();
  }

  /** Holds back what two nodes send each other: no connection breaks. What is on its way arrives. */
  hold(a: string, b: string): void {
    this.#faults.hold(a, b);
  }

  /** Lets pass what was held back. */
  release(a: string, b: string): void {
    this.#faults.release(a, b);
  }

  /** Changes all links between two sets of nodes, both ways; fields that are left out stay. */
  setLink(a: NodeSet, b: NodeSet, link: LinkConfig): void {
    this.#faults.setLink(a, b, link);
  }

  /**
   * Ends nodes without a goodbye.
   * @throws {SimulatorError} `UNKNOWN_NODE`; `WRONG_STATE` when one is not up: none has crashed then
   */
  crash(nodes: NodeSet, config?: CrashConfig): void {
    this.#faults.crash(nodes, config);
  }

  /**
   * Starts crashed nodes again, and those that could not start: same machine, same key. Time passes for it; while it runs already,
   * it passes with that.
   * @throws {SimulatorError} `UNKNOWN_NODE`; `WRONG_STATE` when one is neither down nor failed
   */
  async restart(nodes: NodeSet, config?: RestartConfig): Promise<void> {
    await this.#faults.restart(nodes, config);
  }

  /**
   * Has nodes come and go. Returns what ends it: those that are down come back.
   * @throws {ConfigError}
   * @throws {SimulatorError} `UNKNOWN_NODE`
   */
  churn(config?: ChurnConfig): () => void {
    return this.#activities.churn(config);
  }

  /**
   * Has clients ask. Returns what ends it: no more is asked, and what is under way goes on.
   * @throws {ConfigError}
   * @throws {SimulatorError} `UNKNOWN_NODE`; `INVALID_ARGUMENT` for a name that a load has, or had
   */
  load(config?: LoadConfig): () => void {
    return this.#activities.load(config);
  }

  /**
   * Has status messages published; all nodes listen to them from the first call on. Returns what ends it.
   * @throws {ConfigError}
   * @throws {SimulatorError} `UNKNOWN_NODE`
   */
  gossipLoad(config?: GossipLoadConfig): () => void {
    return this.#activities.gossipLoad(config);
  }

  /**
   * Has executors ask another price from now on, and say so. Those that are down ask it when they are back.
   * @throws {ConfigError}
   * @throws {SimulatorError} `UNKNOWN_NODE`; `INVALID_ARGUMENT` for nodes that are no executors
   */
  async setPricing(executors: NodeSet, pricing: PricingInfo): Promise<void> {
    const act = 'set the price of';
    const price = resolvePricing(pricing);
    const nodes = this.#world.population.select(executors, act);
    const other = nodes.find(({ role }) => role !== 'executor');
    if (other !== undefined) {
      const got = `${other.name}, a ${other.role}`;
      throw new SimulatorError('INVALID_ARGUMENT', { act, got, wanted: 'executors' });
    }
    for (const node of nodes) node.setPricing(price, this.elapsedMs);
    const text = `${namesOf(nodes)} ask ${price.inboundPrice} and ${price.outboundPrice} wei`;
    this.#timeline.note({ kind: 'pricing', text, nodes });
    const say = async (): Promise<void> => {
      const up = nodes.filter(({ isUp }) => isUp);
      await Promise.all(up.map(async (node) => node.behaviour.updateServiceInfo(offerOf(node))));
    };
    if (this.#world.isMoving) await say();
    else if (nodes.some(({ isUp }) => isUp)) await this.run(say);
  }

  /**
   * Whether the nodes that are up reach one another over connections, which count when both ends hold them. One node alone does; no
   * node that is up does not.
   */
  isConnected(): boolean {
    const connections = connectionsOf(this.#world.population.up());
    return connections.up.length > 0 && largestPart(connections) === connections.up.length;
  }

  /** Whether every node that is up knows every other one; not when none is up. */
  allDiscovered(): boolean {
    return allDiscovered(this.#world.population.up());
  }

  /** Whether the nodes reach one another, and all know all: the specification's `all_nodes_connected`. */
  allNodesConnected(): boolean {
    return this.isConnected() && this.allDiscovered();
  }

  /**
   * A figure of the simulation as it is now.
   * @throws {SimulatorError} `INVALID_ARGUMENT`, `UNKNOWN_NODE`
   */
  measure(name: MeasureName, filter?: MeasureFilter): Measurement {
    return this.#figures.measure(name, filter);
  }

  /** The network in figures. Changes nothing; after the end, how it was then. */
  metrics(): SimulationMetrics {
    return this.#figures.metrics();
  }

  /** Everything that was seen, for `reportHtml` and `reportText`. Changes nothing. */
  report(): SimulationReport {
    return this.#figures.report();
  }

  /**
   * Stops all nodes and gives the process its real time back. What was measured can still be asked for. May be called again.
   * @throws {SimkitError} as `stop()` of a network
   */
  async stop(): Promise<void> {
    this.#activities.stop();
    this.#stopping ??= this.#world.stop(() => this.#figures.freeze());
    await this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #spawn(role: NodeRole, count: number, options: object | undefined): readonly SimulatedNode[] {
    this.#world.checkRunning('spawn nodes');
    const resolved = resolveOptions(role, options, knownRegions(this.#config.regions));
    const nodes = this.#world.population.plan(role, count, resolved);
    const isFirst = this.#world.network === undefined;
    if (!isFirst) this.#timeline.note({ kind: 'spawn', text: `${namesOf(nodes)} come`, nodes });
    const { network } = this.#world;
    if (network !== undefined && this.#world.isMoving) {
      network.at(network.clock.elapsed(), async () => this.#world.startPlanned(network));
    }
    return nodes;
  }

  async #pass(begin: (network: TestNetwork<LloomBehaviour>) => Passing): Promise<void> {
    this.#world.checkRunning('run');
    await this.#world.moving(async (network) => {
      const { isDone, what, timeoutMs } = begin(network);
      // Looks are taken between two instants: they are no part of what happens.
      const pass = (): boolean => {
        this.#figures.pass();
        return isDone();
      };
      await network.runUntil(pass, { what, timeoutMs });
    });
  }

  #property(what: string, create: (network: TestNetwork<LloomBehaviour>) => Property): Property {
    this.#world.checkRunning('want a property');
    const property = new LateProperty(what);
    this.#world.whenBegun((network) => property.begin(() => create(network)));
    return property;
  }
}

/** What a run waits for. */
interface Passing extends Required<WaitConfig> {
  readonly isDone: () => boolean;
}

function checkMs(act: string, ms: unknown): void {
  if (typeof ms === 'number' && ms >= 0 && ms < Infinity) return;
  throw new SimulatorError('INVALID_ARGUMENT', { act, got: String(ms), wanted: 'a number of ms from 0 on' });
}
