import type { PrivateKey } from '@libp2p/interface';
import { errorText, type Clock } from '@lloom/core';
import { LocalDiscovery, type DiscoveryComponents } from './adapters/discovery.ts';
import { simStack } from './adapters/stack.ts';
import { standInsOf } from './adapters/standIns.ts';
import type { SimConnection } from './adapters/connection.ts';
import type { Visitor } from './adapters/transport.ts';
import { checkDuration, VirtualClock } from './clock.ts';
import {
  isName,
  maxNodes,
  resolveTestNetworkConfig,
  wantedName,
  type ResolvedTestNetworkConfig,
} from './config.ts';
import { SimkitError } from './errors.ts';
import { Doors } from './internal/doors.ts';
import { Disk } from './internal/disk.ts';
import { Fabric, type Host } from './internal/fabric.ts';
import { Faults } from './internal/faults.ts';
import { Roster } from './internal/roster.ts';
import { hostKeyBytes, hostPrivateKey } from './keys.ts';
import type { Line, LinkConfig } from './link.ts';
import { seededRandom } from './random.ts';
import { StandInRegister } from './internal/standInRegister.ts';
import { momentaryRandom } from './internal/momentaryRandom.ts';
import { answerOf, Properties } from './internal/properties.ts';
import { RunningTrace, type Trace } from './trace.ts';
import type {
  AlwaysConfig,
  CrashConfig,
  EventuallyConfig,
  Property,
  RestartConfig,
  SimHost,
  Stoppable,
  TestNetwork,
  TestNetworkConfig,
  Traffic,
  WaitConfig,
} from './types.ts';
import { installVirtualTime } from './virtualTime.ts';

/** A machine, and what runs on it. */
interface Slot<N> {
  readonly host: Host;
  readonly connections: Set<SimConnection>;
  disk: Disk;
  state: 'down' | 'starting' | 'up';
  node: N | undefined;
}

const defaultTimeoutMs = 60_000;
const stopTimeoutMs = 600_000;
const maxReasons = 4;
/** Where the ports begin that a system gives to those who dial. */
const firstFreePort = 49_152;
const freePorts = 16_384;

type CreateNode<N extends Stoppable> = TestNetworkConfig<N>['createNode'];

class Network<N extends Stoppable> implements TestNetwork<N> {
  readonly seed: number;
  readonly #config: ResolvedTestNetworkConfig;
  readonly #createNode: CreateNode<N>;
  readonly #clock = new VirtualClock();
  readonly #trace: RunningTrace;
  readonly #fabric: Fabric;
  readonly #register: StandInRegister;
  readonly #doors = new Doors<Visitor>();
  readonly #faults: Faults;
  readonly #listeners = new Set<LocalDiscovery>();
  readonly #slots = new Map<string, Slot<N>>();
  readonly #roster = new Roster<N>();
  readonly #properties: Properties;
  readonly #uninstall: () => void;
  #hostNames: readonly string[] = [];
  /** The acts that time passes for, when it passes for the network's own. */
  #shared: { pending: number } | undefined;
  #dialled = 0;
  #isStopped = false;
  #stopping: Promise<void> | undefined;

  constructor(config: ResolvedTestNetworkConfig, createNode: CreateNode<N>) {
    this.seed = config.seed;
    this.#config = config;
    this.#createNode = createNode;
    this.#trace = new RunningTrace(() => this.#clock.elapsed(), config.keptTraceLines, config.onTrace);
    const { linkOf, seed } = config;
    const random = seededRandom(`${seed}/links`);
    this.#fabric = new Fabric({ clock: this.#clock, random, trace: this.#trace, linkOf });
    this.#faults = new Faults(this.#fabric);
    this.#register = new StandInRegister(this.#fabric);
    this.#properties = new Properties({ clock: this.#clock, trace: this.#trace, seed });
    this.#clock.watcher = this.#properties;
    const chance = momentaryRandom(`${seed}/process`, () => this.#clock.fired);
    this.#uninstall = installVirtualTime({ clock: this.#clock, random: chance });
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  get trace(): Trace {
    return this.#trace;
  }

  get clock(): Clock {
    return this.#clock;
  }

  get hosts(): readonly string[] {
    if (this.#hostNames.length !== this.#slots.size) this.#hostNames = [...this.#slots.keys()];
    return this.#hostNames;
  }

  get traffic(): Traffic {
    return { ...this.#fabric.traffic };
  }

  get nodes(): ReadonlyMap<string, N> {
    return this.#roster.nodes;
  }

  async start(): Promise<this> {
    try {
      // What the process began before ends first: no node meets it half done.
      await this.#clock.runFor(0);
      const slots = this.#config.names.map((name) => this.#add(name));
      for (const slot of slots) await this.#boot(slot);
      return this;
    } catch (error) {
      await this.stop().catch(() => undefined);
      throw error;
    }
  }

  node(name: string): N {
    const { node, state } = this.#slot(name);
    if (node === undefined) throw new SimkitError('WRONG_STATE', { name, act: 'use', state });
    return node;
  }

  async runFor(ms: number): Promise<void> {
    this.#checkRunning('run for a time');
    await this.#clock.runFor(ms);
  }

  async runUntil(isDone: () => boolean, config: WaitConfig = {}): Promise<void> {
    const act = 'run until something holds';
    this.#checkRunning(act);
    if (typeof isDone !== 'function') refuse(act, typeof isDone, 'a condition');
    const { timeoutMs = defaultTimeoutMs, what = String(isDone) } = config ?? {};
    if (await this.#clock.runUntil(() => answerOf(isDone, act), timeoutMs)) return;
    throw new SimkitError('TIMEOUT', { what: String(what), waitedMs: timeoutMs, seed: this.seed });
  }

  async run<T>(act: Promise<T> | (() => Promise<T> | T), config: WaitConfig = {}): Promise<T> {
    this.#checkRunning('run an act');
    let isSettled = false;
    // The act begins when time already runs, so that one which moves time itself is told.
    const promise = typeof act === 'function' ? Promise.resolve().then(act) : Promise.resolve(act);
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await this.runUntil(() => isSettled, { what: 'an act to end', ...config });
    return promise;
  }

  async spawn(name: string): Promise<N> {
    this.#checkRunning('spawn a node');
    const act = 'spawn a node';
    if (!isName(name)) refuse(act, name, wantedName);
    if (this.#slots.has(name)) refuse(act, name, 'a name that no host has');
    if (this.#slots.size >= maxNodes) refuse(act, name, `at most ${maxNodes} hosts`);
    return this.#boot(this.#add(name));
  }

  trafficOf(name: string): Traffic {
    return { ...this.#fabric.trafficOf(this.#slot(name).host) };
  }

  always(what: string, isTrue: () => boolean, config: AlwaysConfig = {}): Property {
    this.#checkRunning('say what holds always');
    return this.#properties.always(what, isTrue, config);
  }

  eventually(what: string, isTrue: () => boolean, config: EventuallyConfig): Property {
    this.#checkRunning('say what holds eventually');
    return this.#properties.eventually(what, isTrue, config);
  }

  at(elapsedMs: number, fn: () => unknown): void {
    this.#checkRunning('plan an act');
    checkDuration('plan an act', elapsedMs);
    if (typeof fn !== 'function') refuse('plan an act', typeof fn, 'a function');
    this.#clock.at(elapsedMs, () => {
      // Nodes may need time to stop; what was planned for it is not begun.
      if (this.#stopping !== undefined) return;
      const result = fn();
      if (!(result instanceof Promise)) return;
      result.catch((error: unknown) => {
        // A start that the stop of the network has ended is no failure of that stop.
        if (this.#stopping === undefined || !SimkitError.is(error, 'STOPPED')) this.#clock.fail(error);
      });
    });
  }

  partition(...groups: readonly (readonly string[])[]): () => void {
    if (groups.length < 2) refuse('cut nodes off', `${groups.length} groups`, 'two groups or more');
    return this.#faults.partition(groups.map((group) => this.#hosts(group)));
  }

  partitionOneWay(from: readonly string[], to: readonly string[]): () => void {
    return this.#faults.oneWay(this.#hosts(from), this.#hosts(to));
  }

  heal(): void {
    this.#checkRunning('heal');
    this.#faults.heal();
  }

  hold(a: string, b: string): void {
    this.#faults.hold(this.#slot(a).host, this.#slot(b).host, true);
  }

  release(a: string, b: string): void {
    this.#faults.hold(this.#slot(a).host, this.#slot(b).host, false);
  }

  setLink(a: string, b: string, link: LinkConfig): void {
    this.#faults.setLink(this.#slot(a).host, this.#slot(b).host, link);
  }

  crash(name: string, config: CrashConfig = {}): void {
    const { isSilent = false } = config ?? {};
    if (typeof isSilent !== 'boolean') refuse(`crash ${name}`, isSilent, 'isSilent to be true or false');
    const slot = this.#slot(name);
    const { node, host, state } = slot;
    if (node === undefined) throw new SimkitError('WRONG_STATE', { name, act: 'crash', state });
    this.#trace.note(`crash ${name}${isSilent ? ' silently' : ''}`);
    slot.node = undefined;
    slot.state = 'down';
    this.#roster.delete(name);
    this.#die(slot, isSilent);
    if (isSilent) this.#faults.unplug(host);
    // Nobody hears of this stop; it only ends the timers of a node that is dead.
    void (async () => node.stop())().catch(() => undefined);
  }

  async restart(name: string, config: RestartConfig = {}): Promise<N> {
    const { datastore = 'kept' } = config ?? {};
    if (datastore !== 'kept' && datastore !== 'empty')
      refuse(`restart ${name}`, datastore, 'datastore to be "kept" or "empty"');
    const slot = this.#slot(name);
    const { state } = slot;
    if (state !== 'down') throw new SimkitError('WRONG_STATE', { name, act: 'restart', state });
    this.#trace.note(`restart ${name}`);
    this.#faults.plug(slot.host);
    return this.#boot(slot, datastore === 'kept' ? () => slot.disk.copy() : async () => new Disk());
  }

  async stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    // A test that timed out leaves a run behind.
    await this.#clock.halt();
    this.#properties.end();
    const nodes = [...this.nodes.values()];
    const stops = (): Promise<PromiseSettledResult<unknown>[]> =>
      Promise.allSettled(nodes.map(async (node) => node.stop()));
    try {
      const ends = await this.run(stops, { what: 'all nodes to stop', timeoutMs: stopTimeoutMs });
      const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
      if (errors.length === 0) return;
      const reasons = errors.slice(0, maxReasons).map((error) => errorText(error));
      throw new SimkitError('STOP_FAILED', { reasons }, { cause: errors[0] });
    } finally {
      this.#isStopped = true;
      this.#uninstall();
    }
  }

  #add(name: string): Slot<N> {
    const index = this.#slots.size;
    const number = index + 1;
    const { uploadBytesPerSecond, downloadBytesPerSecond } = this.#config.bandwidthOf({ name, index });
    const host: Host = {
      name,
      index,
      ip: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`,
      upload: lineOf(uploadBytesPerSecond),
      download: lineOf(downloadBytesPerSecond),
    };
    this.#fabric.add(host);
    const slot: Slot<N> = { host, connections: new Set(), disk: new Disk(), state: 'down', node: undefined };
    this.#slots.set(name, slot);
    return slot;
  }

  async #boot(slot: Slot<N>, disk?: () => Promise<Disk>): Promise<N> {
    const others = this.#roster.nodes;
    const { name, index } = slot.host;
    let isGivenUp = false;
    const create = async (host: SimHost): Promise<N> => {
      const node = await this.#createNode(host, others);
      if (typeof (node as Partial<Stoppable> | undefined)?.stop !== 'function') {
        refuse(`start ${name}`, typeof node, 'a node with a stop()');
      }
      if (isGivenUp || this.#stopping !== undefined) {
        // Nobody waits for it any more, and nobody else will stop it.
        await node.stop();
        throw new SimkitError('STOPPED', { act: `start ${name}` });
      }
      slot.node = node;
      slot.state = 'up';
      this.#roster.add({ name, index, node });
      this.#trace.note(`${name} up`);
      return node;
    };
    slot.state = 'starting';
    try {
      if (disk !== undefined) slot.disk = await this.#pass(disk);
      return await this.#pass(() => create(this.#describe(slot)), `node ${name} to start`);
    } catch (error) {
      isGivenUp = true;
      // One that is up has started; something else ended the run.
      if (slot.node === undefined) {
        slot.state = 'down';
        this.#die(slot, false);
      }
      throw error;
    }
  }

  /**
   * Lets time pass until `act` is done; with the run that is under way, when there is one. Acts that begin while time
   * passes for another one are waited for with it.
   */
  async #pass<T>(act: () => Promise<T>, what = 'an act to end'): Promise<T> {
    const shared = this.#shared;
    if (shared === undefined && this.#clock.isRunning) return act();
    const acts = shared ?? { pending: 0 };
    acts.pending += 1;
    // The act begins when time already runs, so that one which moves time itself is told.
    const promise = Promise.resolve()
      .then(act)
      .finally(() => {
        acts.pending -= 1;
      });
    if (shared !== undefined) return promise;
    promise.catch(() => undefined);
    this.#shared = acts;
    try {
      await this.runUntil(() => acts.pending === 0, { what });
      return await promise;
    } finally {
      this.#shared = undefined;
    }
  }

  /** Nothing of the process that ran on a host is seen any more, whatever its code still does. */
  #die({ host, connections, disk }: Slot<N>, isSilent: boolean): void {
    disk.freeze();
    this.#fabric.noteDeath(host);
    this.#doors.shutAll(host);
    for (const listener of this.#listeners) listener.endOn(host);
    for (const connection of connections) connection.vanish(isSilent);
    connections.clear();
  }

  #describe({ host, connections, disk }: Slot<N>): SimHost {
    const { seed, fidelity } = this.#config;
    const fabric = this.#fabric;
    const keyBytes = hostKeyBytes(seed, host.name);
    const nextPort = (): number => firstFreePort + (this.#dialled++ % freePorts);
    let privateKey: PrivateKey | undefined;
    const discovery = { fabric, host, listeners: this.#listeners };
    return {
      name: host.name,
      index: host.index,
      ip: host.ip,
      address: `/ip4/${host.ip}/tcp/4001`,
      keyBytes,
      get privateKey() {
        return (privateKey ??= hostPrivateKey(keyBytes));
      },
      clock: this.#clock,
      random: seededRandom(`${seed}/host/${host.name}`),
      datastore: disk,
      stack: simStack({ fabric, doors: this.#doors, host, connections, nextPort }, fidelity),
      localDiscovery: (components: DiscoveryComponents) => new LocalDiscovery(discovery, components),
      standIns: standInsOf(this.#register, host),
    };
  }

  #slot(name: string): Slot<N> {
    this.#checkRunning('change anything');
    const slot = this.#slots.get(name);
    if (slot === undefined) throw new SimkitError('UNKNOWN_NODE', { name, known: [...this.#slots.keys()] });
    return slot;
  }

  #hosts(names: readonly string[]): Host[] {
    if (!Array.isArray(names)) refuse('cut nodes off', names, 'lists of names');
    return names.map((name) => this.#slot(name).host);
  }

  #checkRunning(act: string): void {
    if (this.#isStopped) throw new SimkitError('STOPPED', { act });
  }
}

/**
 * Starts nodes in virtual time. Until `stop`, the whole process lives in that time: timers, `Date`, `AbortSignal` and
 * randomness belong to the network, and real sockets are refused. One network at a time a process.
 *
 * @throws {ConfigError} listing every problem
 * @throws {SimkitError} `PRODUCTION`, `ALREADY_RUNNING`; `GLOBAL_REPLACED` when other fake timers are in place
 * @throws what `createNode` threw
 * @example
 * ```ts
 * const network = await createTestNetwork({
 *   nodes: 2,
 *   link: { delayMs: 50 },
 *   createNode: ({ privateKey, address, stack }) =>
 *     createLibp2p({ privateKey, addresses: { listen: [address] }, ...stack, services: { ping: ping() } }),
 * });
 * const [a, b] = [...network.nodes.values()];
 * const roundTripMs = await network.run(a.services.ping.ping(b.getMultiaddrs()));
 * await network.stop();
 * ```
 */
export async function createTestNetwork<N extends Stoppable>(
  config: TestNetworkConfig<N>,
): Promise<TestNetwork<N>> {
  return beginTestNetwork(config).started;
}

/** A network that is being started: whoever does not want to wait for that can stop it. */
export interface BeginningNetwork<N extends Stoppable> {
  readonly network: TestNetwork<N>;
  /** The same network, when all of its nodes run. */
  readonly started: Promise<TestNetwork<N>>;
}

/** Begins what {@link createTestNetwork} does. */
export function beginTestNetwork<N extends Stoppable>(config: TestNetworkConfig<N>): BeginningNetwork<N> {
  const network = new Network(resolveTestNetworkConfig(config, process.env['SIM_SEED']), config.createNode);
  return { network, started: network.start() };
}

/** @throws {SimkitError} `INVALID_ARGUMENT` */
function refuse(act: string, got: unknown, wanted: string): never {
  throw new SimkitError('INVALID_ARGUMENT', { act, got: errorText(got), wanted });
}

const lineOf = (bytesPerSecond: number): Line | undefined =>
  bytesPerSecond === Infinity ? undefined : { bytesPerSecond, freeAtMs: 0 };
