import { createHash } from 'node:crypto';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { errorText, type Clock } from '@lloom/core';
import { LocalDiscovery, type DiscoveryComponents } from './adapters/discovery.ts';
import { simStack } from './adapters/stack.ts';
import type { SimConnection } from './adapters/connection.ts';
import type { Visitor } from './adapters/transport.ts';
import { checkDuration, VirtualClock } from './clock.ts';
import { resolveTestNetworkConfig, type ResolvedTestNetworkConfig } from './config.ts';
import { SimkitError } from './errors.ts';
import { Doors } from './internal/doors.ts';
import { Disk } from './internal/disk.ts';
import { Fabric, type Host } from './internal/fabric.ts';
import { Faults } from './internal/faults.ts';
import type { LinkConfig } from './link.ts';
import { seededRandom } from './random.ts';
import { momentaryRandom } from './internal/momentaryRandom.ts';
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
  readonly index: number;
  readonly connections: Set<SimConnection>;
  disk: Disk;
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
  readonly #doors = new Doors<Visitor>();
  readonly #faults: Faults;
  readonly #listeners = new Set<LocalDiscovery>();
  readonly #slots = new Map<string, Slot<N>>();
  readonly #uninstall: () => void;
  #dialled = 0;
  #isStopped = false;
  #stopping: Promise<void> | undefined;

  constructor(config: ResolvedTestNetworkConfig, createNode: CreateNode<N>) {
    this.seed = config.seed;
    this.#config = config;
    this.#createNode = createNode;
    this.#trace = new RunningTrace(() => this.#clock.elapsed(), config.keptTraceLines);
    const { link, seed } = config;
    const random = seededRandom(`${seed}/links`);
    this.#fabric = new Fabric({ clock: this.#clock, random, trace: this.#trace, link });
    this.#faults = new Faults(this.#fabric);
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
    return [...this.#slots.keys()];
  }

  get traffic(): Traffic {
    return { dials: 0, segments: 0, lostSegments: 0, bytes: 0 };
  }

  get nodes(): ReadonlyMap<string, N> {
    const up = [...this.#slots].filter(([, { node }]) => node !== undefined);
    return new Map(up.map(([name, { node }]) => [name, node!]));
  }

  async start(): Promise<this> {
    try {
      for (const name of this.#config.names) this.#add(name);
      for (const slot of this.#slots.values()) await this.#boot(slot);
      return this;
    } catch (error) {
      await this.stop().catch(() => undefined);
      throw error;
    }
  }

  node(name: string): N {
    const { node } = this.#slot(name);
    if (node === undefined) throw new SimkitError('WRONG_STATE', { name, act: 'use', state: 'down' });
    return node;
  }

  async runFor(ms: number): Promise<void> {
    this.#checkRunning('run for a time');
    await this.#clock.runFor(ms);
  }

  async runUntil(isDone: () => boolean, config: WaitConfig = {}): Promise<void> {
    this.#checkRunning('run until something holds');
    const { timeoutMs = defaultTimeoutMs, what = String(isDone) } = config;
    if (await this.#clock.runUntil(() => asked(isDone), timeoutMs)) return;
    throw new SimkitError('TIMEOUT', { what, waitedMs: timeoutMs, seed: this.seed });
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
    return this.#boot(this.#add(name));
  }

  always(_what: string, _isTrue: () => boolean, _config: AlwaysConfig = {}): Property {
    throw new Error('not there yet');
  }

  eventually(_what: string, _isTrue: () => boolean, _config: EventuallyConfig): Property {
    throw new Error('not there yet');
  }

  at(elapsedMs: number, fn: () => unknown): void {
    this.#checkRunning('plan an act');
    checkDuration('plan an act', elapsedMs);
    this.#clock.at(elapsedMs, () => {
      const result = fn();
      if (result instanceof Promise) result.catch((error: unknown) => this.#clock.fail(error));
    });
  }

  partition(...groups: readonly (readonly string[])[]): () => void {
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

  crash(name: string, { isSilent = false }: CrashConfig = {}): void {
    const slot = this.#slot(name);
    const { node, host } = slot;
    if (node === undefined) throw new SimkitError('WRONG_STATE', { name, act: 'crash', state: 'down' });
    this.#trace.note(`crash ${name}${isSilent ? ' silently' : ''}`);
    slot.node = undefined;
    this.#die(slot, isSilent);
    if (isSilent) this.#faults.unplug(host);
    // Nobody hears of this stop; it only ends the timers of a node that is dead.
    void (async () => node.stop())().catch(() => undefined);
  }

  async restart(name: string, { datastore = 'kept' }: RestartConfig = {}): Promise<N> {
    const slot = this.#slot(name);
    if (slot.node !== undefined) throw new SimkitError('WRONG_STATE', { name, act: 'restart', state: 'up' });
    this.#trace.note(`restart ${name}`);
    this.#faults.plug(slot.host);
    slot.disk = datastore === 'kept' ? await this.#pass(() => slot.disk.copy()) : new Disk();
    return this.#boot(slot);
  }

  async stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    // A test that timed out leaves a run behind.
    await this.#clock.halt();
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
    const host = { name, ip: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}` };
    this.#fabric.add(host);
    const slot: Slot<N> = { host, index, connections: new Set(), disk: new Disk(), node: undefined };
    this.#slots.set(name, slot);
    return slot;
  }

  async #boot(slot: Slot<N>): Promise<N> {
    const others = this.nodes;
    const { name } = slot.host;
    const what = `node ${name} to start`;
    try {
      const host = await this.#describe(slot);
      const node = await this.#pass(async () => this.#createNode(host, others), what);
      if (typeof (node as Partial<Stoppable> | undefined)?.stop !== 'function') {
        const wanted = 'a node with a stop()';
        throw new SimkitError('INVALID_ARGUMENT', { act: `start ${name}`, got: typeof node, wanted });
      }
      slot.node = node;
      this.#trace.note(`${name} up`);
      return node;
    } catch (error) {
      this.#die(slot, false);
      throw error;
    }
  }

  /** Lets time pass until `act` is done; with the run that is under way, when there is one. */
  async #pass<T>(act: () => Promise<T>, what = 'an act to end'): Promise<T> {
    return this.#clock.isRunning ? act() : this.run(act, { what });
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

  async #describe({ host, index, connections, disk }: Slot<N>): Promise<SimHost> {
    const { seed, fidelity } = this.#config;
    const fabric = this.#fabric;
    const keyBytes = new Uint8Array(createHash('sha256').update(`${seed}/${host.name}`).digest());
    const nextPort = (): number => firstFreePort + (this.#dialled++ % freePorts);
    const discovery = { fabric, host, listeners: this.#listeners };
    return {
      ...host,
      index,
      address: `/ip4/${host.ip}/tcp/4001`,
      keyBytes,
      privateKey: await generateKeyPairFromSeed('Ed25519', keyBytes),
      clock: this.#clock,
      random: seededRandom(`${seed}/host/${host.name}`),
      datastore: disk,
      stack: simStack({ fabric, doors: this.#doors, host, connections, nextPort }, fidelity),
      localDiscovery: (components: DiscoveryComponents) => new LocalDiscovery(discovery, components),
      standIns: { identify: undefined, dht: undefined },
    };
  }

  #slot(name: string): Slot<N> {
    this.#checkRunning('change anything');
    const slot = this.#slots.get(name);
    if (slot === undefined) throw new SimkitError('UNKNOWN_NODE', { name, known: [...this.#slots.keys()] });
    return slot;
  }

  #hosts(names: readonly string[]): Host[] {
    if (!Array.isArray(names)) {
      const wanted = 'lists of names';
      throw new SimkitError('INVALID_ARGUMENT', { act: 'cut nodes off', got: String(names), wanted });
    }
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

function asked(isDone: () => boolean): boolean {
  const answer: unknown = isDone();
  if (!(answer instanceof Promise)) return Boolean(answer);
  const wanted = 'a condition that answers at once';
  throw new SimkitError('INVALID_ARGUMENT', { act: 'run until something holds', got: 'a promise', wanted });
}
