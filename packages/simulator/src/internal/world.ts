import type { LloomBehaviour } from '@lloom/behaviour';
import { createTestNetwork, SimkitError, type SimHost, type TestNetwork } from '@lloom/simkit';
import type { ResolvedSimulation } from '../config.ts';
import type { Execution } from './executor.ts';
import { bandwidthsOf, linkOf } from './links.ts';
import { LateTrace } from './late.ts';
import { Population } from './population.ts';
import { startNode } from './roles.ts';
import type { SimNode } from './simNode.ts';
import { bootstrapOf, waitingFor } from './topology.ts';

/** What the network of a simulation calls. */
export interface WorldPorts {
  readonly onExecution: (execution: Execution) => void;
  /** A node has started: what else it does is done here. */
  readonly onStarted: (node: SimNode, behaviour: LloomBehaviour) => Promise<void>;
}

type Network = TestNetwork<LloomBehaviour>;

/** The network of a simulation, which begins with its first run, and the nodes on it. */
export class World {
  readonly population: Population;
  readonly trace = new LateTrace();
  readonly #config: ResolvedSimulation;
  readonly #ports: WorldPorts;
  /** In the order of their first start. */
  readonly #started: SimNode[] = [];
  #waiting: ((network: Network) => void)[] = [];
  #beginning: Promise<Network> | undefined;
  #network: Network | undefined;
  /** What could not be done when it began. */
  #failure: { readonly error: unknown } | undefined;
  #moving = 0;
  #isStopped = false;

  constructor(config: ResolvedSimulation, ports: WorldPorts) {
    this.#config = config;
    this.#ports = ports;
    this.population = new Population(config);
  }

  get elapsedMs(): number {
    return this.#network?.clock.elapsed() ?? 0;
  }

  /** `undefined` until the first run. */
  get network(): Network | undefined {
    return this.#network;
  }

  /** Whether time runs. */
  get isMoving(): boolean {
    return this.#moving > 0;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /**
   * The network that there is.
   * @throws {SimkitError} `STOPPED` when it is over
   */
  checkRunning(act: string): void {
    if (this.#isStopped) throw new SimkitError('STOPPED', { act });
  }

  /** Has something done with the network: now, or when it begins. */
  whenBegun(act: (network: Network) => void): void {
    if (this.#network === undefined) this.#waiting.push(act);
    else act(this.#network);
  }

  /** Has time run for what is done, with all planned nodes started before. */
  async moving<T>(act: (network: Network) => Promise<T>): Promise<T> {
    this.#moving += 1;
    try {
      const network = await this.#begin();
      this.#throwFailure();
      await this.startPlanned(network);
      return await act(network);
    } finally {
      this.#moving -= 1;
    }
  }

  /** Starts the nodes that are planned, one after the other. */
  async startPlanned(network: Network): Promise<void> {
    const planned = this.population.takePlanned();
    for (const [place, node] of planned.entries()) {
      try {
        await network.spawn(node.name);
      } catch (error) {
        node.giveUp(error);
        this.population.putBack(planned.slice(place + 1));
        throw error;
      }
    }
  }

  /** Ends it; `before` is called as long as everything is there. */
  async stop(before: () => void): Promise<void> {
    this.#isStopped = true;
    try {
      const network = await this.#beginning?.catch(() => undefined);
      if (network !== undefined) before();
      await network?.stop();
    } finally {
      for (const node of this.population.nodes) node.end();
    }
  }

  async #begin(): Promise<Network> {
    this.#beginning ??= this.#create();
    try {
      return await this.#beginning;
    } catch (error) {
      this.#beginning = undefined;
      throw error;
    }
  }

  async #create(): Promise<Network> {
    const { seed, fidelity, keptTraceLines, onTrace } = this.#config;
    const network = await createTestNetwork<LloomBehaviour>({
      nodes: [],
      ...{ seed, keptTraceLines, link: linkOf(this.#config, this.population) },
      bandwidth: bandwidthsOf(this.population),
      ...(onTrace && { onTrace }),
      fidelity: fidelity === 'model' ? 'fast' : fidelity,
      createNode: async (host) => this.#start(host),
    });
    this.#network = network;
    this.trace.begin(network.trace);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const act of waiting) {
      try {
        act(network);
      } catch (error) {
        // The network is there all the same: whoever began it is told, and it can be stopped.
        this.#failure ??= { error };
      }
    }
    return network;
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  async #start(host: SimHost): Promise<LloomBehaviour> {
    const node = this.population.node(host.name);
    if (node.address === undefined) {
      node.address = `${host.address}/p2p/${node.peerId}`;
      this.population.noteStart(node);
      this.#started.push(node);
    }
    const config = this.#config;
    const { onExecution, onStarted } = this.#ports;
    const bootstrapPeers = bootstrapOf(node, this.#started, config);
    const parts = { host, config, bootstrapPeers, onExecution };
    const act = async (): Promise<LloomBehaviour> => {
      const behaviour = await startNode(node, parts);
      await onStarted(node, behaviour);
      return behaviour;
    };
    const behaviour = await node.start(act, () => this.elapsedMs);
    for (const waiting of waitingFor(node, this.#started, config)) {
      waiting.behaviour.addBootstrapPeer(node.address);
      // It keeps trying by itself.
      void waiting.behaviour.bootstrap().catch(() => undefined);
    }
    return behaviour;
  }
}
