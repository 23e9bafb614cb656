import { createActor, type ActorRefFrom } from 'xstate';
import { errorText, toHex } from '@lloom/core';
import { Identity, type Inspector, type LloomBehaviour, type PricingInfo } from '@lloom/behaviour';
import { hostKeyBytes } from '@lloom/simkit';
import type { ResolvedOptions, ResolvedSimulation } from '../config.ts';
import { SimulatorError } from '../errors.ts';
import { simulatedNodeMachine } from '../machines/simulatedNode.machine.ts';
import type { NodeRole, SimulatedNode, SimulatedNodeState } from '../types.ts';

/** What a node is made from. */
export interface SimNodeParts {
  readonly name: string;
  /** Its place among all nodes. */
  readonly index: number;
  readonly role: NodeRole;
  readonly options: ResolvedOptions;
  readonly region: string | undefined;
  readonly seed: number;
  readonly inspect: ResolvedSimulation['inspect'];
}

/** The gossip service of a node, as far as it is read here. */
interface Gossiping {
  readonly services: { readonly gossip: { snapshot(): { readonly duplicates: number } } };
}

const gossipOf = ({ libp2p }: LloomBehaviour) => (libp2p as unknown as Gossiping).services.gossip;

/** A price, and from when on it was offered. */
interface OfferedPrice {
  readonly fromMs: number;
  readonly pricing: PricingInfo;
}

/** Prices that changed longer ago than that many changes are not remembered. */
const maxPrices = 1_000;

/** One node of a simulation, over crashes and restarts. */
export class SimNode implements SimulatedNode {
  readonly name: string;
  readonly index: number;
  readonly role: NodeRole;
  readonly options: ResolvedOptions;
  readonly region: string | undefined;
  /** What sees its machines. */
  readonly inspect: Inspector | undefined;
  /** Places of the nodes of which it has heard since its last start. */
  readonly known = new Set<number>();
  /** Its machine's address with its own peer id; from its first start on. */
  address: string | undefined;
  /** When it came up last, in ms. */
  upSinceMs = Infinity;
  readonly #seed: number;
  readonly #actor: ActorRefFrom<typeof simulatedNodeMachine>;
  readonly #prices: OfferedPrice[];
  #identity: Identity | undefined;
  #behaviour: LloomBehaviour | undefined;
  #duplicates = 0;

  constructor({ name, index, role, options, region, seed, inspect }: SimNodeParts) {
    this.name = name;
    this.index = index;
    this.role = role;
    this.options = options;
    this.region = region;
    this.#seed = seed;
    this.#prices = [{ fromMs: 0, pricing: options.pricing }];
    this.inspect = typeof inspect === 'object' ? inspect.inspectAs({ node: name, role }) : inspect;
    const id = `simulated ${name}`;
    this.#actor = createActor(simulatedNodeMachine, {
      id,
      ...(this.inspect && { inspect: this.inspect }),
    }).start();
  }

  get group(): string {
    return this.options.group;
  }

  get peerId(): string {
    return this.identity.peerId;
  }

  get state(): SimulatedNodeState {
    return this.#actor.getSnapshot().value;
  }

  get isUp(): boolean {
    return this.#behaviour !== undefined;
  }

  /** How often it was started. */
  get starts(): number {
    return this.#actor.getSnapshot().context.starts;
  }

  get behaviour(): LloomBehaviour {
    if (this.#behaviour !== undefined) return this.#behaviour;
    throw new SimulatorError('WRONG_STATE', { name: this.name, act: 'use', state: this.state });
  }

  /** Who it is. Derived when it is asked for: that takes a millisecond. */
  get identity(): Identity {
    this.#identity ??= Identity.fromPrivateKey(toHex(hostKeyBytes(this.#seed, this.name)));
    return this.#identity;
  }

  /** Copies that it got of gossip messages beyond the first one of each, over all its starts. */
  get duplicates(): number {
    const live = this.#behaviour === undefined ? 0 : gossipOf(this.#behaviour).snapshot().duplicates;
    return this.#duplicates + live;
  }

  /** What it asks for now. */
  get pricing(): PricingInfo {
    return this.#prices.at(-1)!.pricing;
  }

  setPricing(pricing: PricingInfo, atMs: number): void {
    if (this.#prices.length >= maxPrices) this.#prices.shift();
    this.#prices.push({ fromMs: atMs, pricing });
  }

  /** All that it asked for at some moment between two. */
  pricesWithin(fromMs: number, untilMs: number): readonly PricingInfo[] {
    return this.#prices
      .filter(({ fromMs: begin }, index) => {
        const end = this.#prices[index + 1]?.fromMs ?? Infinity;
        return begin <= untilMs && end >= fromMs;
      })
      .map(({ pricing }) => pricing);
  }

  /** Starts it by `start`, which may fail. */
  async start(start: () => Promise<LloomBehaviour>, elapsed: () => number): Promise<LloomBehaviour> {
    this.#actor.send({ type: 'node.start' });
    this.known.clear();
    const { starts } = this;
    try {
      const behaviour = await start();
      // Too late: the network ends what it has given up.
      if (this.starts !== starts || this.state !== 'starting') return behaviour;
      this.#behaviour = behaviour;
      this.upSinceMs = elapsed();
      this.#actor.send({ type: 'node.started' });
      return behaviour;
    } catch (error) {
      if (this.starts === starts) this.giveUp(error);
      throw error;
    }
  }

  /** Its start is not waited for any more; nothing when it is not starting. */
  giveUp(error: unknown): void {
    this.#actor.send({ type: 'node.startFailed', reason: errorText(error) });
  }

  /** It has crashed. */
  down(): void {
    this.#leave();
    this.#actor.send({ type: 'node.crash' });
  }

  /** The simulation is over. */
  end(): void {
    this.#leave();
    this.#actor.send({ type: 'node.stop' });
  }

  #leave(): void {
    this.#duplicates = this.duplicates;
    this.#behaviour = undefined;
    this.upSinceMs = Infinity;
  }
}
