import { createHash } from 'node:crypto';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import type { Clock } from '@lloom/core';
import { LocalDiscovery, type DiscoveryComponents } from './adapters/discovery.ts';
import { simStack } from './adapters/stack.ts';
import type { SimConnection } from './adapters/connection.ts';
import type { Visitor } from './adapters/transport.ts';
import { VirtualClock } from './clock.ts';
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
  CrashConfig,
  RestartConfig,
  SimHost,
  Stoppable,
  TestNetwork,
  TestNetworkConfig,
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

  get trace(): Trace {
    return this.#trace;
  }

  get clock(): Clock {
    return this.#clock;
  }

  get nodes(): ReadonlyMap<string, N> {
    const up = [...this.#slots].filter(([, { node }]) => node !== undefined);
    return new Map(up.map(([name, { node }]) => [name, node!]));
  }

  async start(): Promise<void> {
    try {
      for (const [index, name] of this.#config.names.entries()) {
        const number = index + 1;
        const ip = `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
        const host: Host = { name, ip };
        this.#fabric.add(host);
        const slot = {
          host,
          index,
          connections: new Set<SimConnection>(),
          disk: new Disk(),
          node: undefined,
        };
        this.#slots.set(name, slot);
      }
      for (const slot of this.#slots.values()) await this.#boot(slot);
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
    const { timeoutMs = defaultTimeoutMs, what = isDone.toString() } = config;
    if (await this.#clock.runUntil(isDone, timeoutMs)) return;
    throw new SimkitError('TIMEOUT', { what, waitedMs: timeoutMs, seed: this.seed });
  }

  async run<T>(act: Promise<T> | (() => Promise<T>), config: WaitConfig = {}): Promise<T> {
    this.#checkRunning('run an act');
    let isSettled = false;
    // The act begins when time already runs, so that one which moves time itself is told.
    const promise = typeof act === 'function' ? Promise.resolve().then(act) : act;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await this.runUntil(() => isSettled, { what: 'an act to end', ...config });
    return promise;
  }

  at(elapsedMs: number, fn: () => void): void {
    this.#checkRunning('plan an act');
    this.#clock.at(elapsedMs, fn);
  }

  partition(...groups: readonly (readonly string[])[]): () => void {
    return this.#faults.partition(groups.map((group) => this.#hosts(group)));
  }

  partitionOneWay(from: readonly string[], to: readonly string[]): () => void {
    return this.#faults.oneWay(this.#hosts(from), this.#hosts(to));
  }

  heal(): void {
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
    const { node, host, connections, disk } = slot;
    if (node === undefined) throw new SimkitError('WRONG_STATE', { name, act: 'crash', state: 'down' });
    this.#trace.note(`crash ${name}${isSilent ? ' silently' : ''}`);
    slot.node = undefined;
    disk.freeze();
    this.#fabric.noteDeath(host);
    this.#doors.shutAll(host);
    for (const connection of connections) connection.vanish(isSilent);
    connections.clear();
    if (isSilent) this.#faults.unplug(host);
    // Nobody hears of this stop; it only ends the timers of a node that is dead.
    void (async () => node.stop())().catch(() => undefined);
  }

  async restart(name: string, { datastore = 'kept' }: RestartConfig = {}): Promise<N> {
    const slot = this.#slot(name);
    if (slot.node !== undefined) throw new SimkitError('WRONG_STATE', { name, act: 'restart', state: 'up' });
    this.#trace.note(`restart ${name}`);
    this.#faults.plug(slot.host);
    slot.disk = datastore === 'kept' ? await this.run(slot.disk.copy()) : new Disk();
    return this.#boot(slot);
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    // A test that timed out leaves a run behind.
    await this.#clock.halt();
    const nodes = [...this.nodes.values()];
    try {
      const stops = (): Promise<unknown> => Promise.allSettled(nodes.map(async (node) => node.stop()));
      await this.run(stops, { what: 'all nodes to stop', timeoutMs: 10 * defaultTimeoutMs });
    } finally {
      this.#isStopped = true;
      this.#uninstall();
    }
  }

  async #boot(slot: Slot<N>): Promise<N> {
    const others = this.nodes;
    const { name } = slot.host;
    const host = await this.run(this.#describe(slot));
    const node = await this.run(async () => this.#createNode(host, others), {
      what: `node ${name} to start`,
    });
    slot.node = node;
    this.#trace.note(`${name} up`);
    return node;
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
    };
  }

  #slot(name: string): Slot<N> {
    const slot = this.#slots.get(name);
    if (slot === undefined) throw new SimkitError('UNKNOWN_NODE', { name, known: [...this.#slots.keys()] });
    return slot;
  }

  #hosts(names: readonly string[]): Host[] {
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
 * @throws {SimkitError} `PRODUCTION`, `ALREADY_RUNNING`
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
  const { createNode, ...rest } = config;
  const network = new Network(resolveTestNetworkConfig(rest, process.env['SIM_SEED']), createNode);
  await network.start();
  return network;
}
