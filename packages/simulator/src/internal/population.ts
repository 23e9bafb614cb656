import { errorText } from '@lloom/core';
import { SimulatorError } from '../errors.ts';
import type { ResolvedOptions, ResolvedSimulation } from '../config.ts';
import type { NodeRole, NodeSet } from '../types.ts';
import { isLinked, regionsInTurn } from '../regions.ts';
import { SimNode } from './simNode.ts';

/** Whom others join through comes first. */
const bootOrder: readonly NodeRole[] = ['relay', 'validator', 'executor', 'client'];

/** The nodes of a simulation, by name and by group. */
export class Population {
  readonly nodes: SimNode[] = [];
  readonly #config: ResolvedSimulation;
  /** Where nodes live in turn; nowhere unless the links are `global`. */
  readonly #inTurn: readonly string[];
  /** How many nodes there are in each region. */
  readonly #inhabitants = new Map<string, number>();
  readonly #byName = new Map<string, SimNode>();
  readonly #byPeerId = new Map<string, SimNode>();
  readonly #groups = new Map<string, SimNode[]>();
  /** Not started yet, in the order in which they were spawned. */
  #planned: SimNode[] = [];

  constructor(config: ResolvedSimulation) {
    this.#config = config;
    this.#inTurn = config.link === 'global' ? regionsInTurn(config.regions) : [];
  }

  /**
   * Adds nodes that are planned.
   * @throws {SimulatorError} `INVALID_ARGUMENT`, `TOO_MANY_NODES`; none was added then
   */
  plan(role: NodeRole, count: number, options: ResolvedOptions): readonly SimNode[] {
    const act = `spawn ${role} nodes`;
    if (!Number.isSafeInteger(count) || count < 1) {
      const wanted = 'a whole number from 1';
      throw new SimulatorError('INVALID_ARGUMENT', { act, got: errorText(count), wanted });
    }
    const { numNodes, seed, inspect } = this.#config;
    const spawned = this.nodes.length;
    if (spawned + count > numNodes) {
      throw new SimulatorError('TOO_MANY_NODES', { numNodes, spawned, wanted: count });
    }
    const { group } = options;
    const members = this.#groups.get(group) ?? [];
    const names = Array.from({ length: count }, (_, place) => `${group}${members.length + place}`);
    this.#checkNames(act, { role, group, names });
    const regions = names.map((_, place) => this.#regionOf(options, spawned + place));
    this.#settle(act, regions);
    const added = names.map((name, place) => {
      const [index, region] = [spawned + place, regions[place]];
      return new SimNode({ name, index, role, options, region, seed, inspect });
    });
    for (const node of added) this.#byName.set(node.name, node);
    this.nodes.push(...added);
    this.#planned.push(...added);
    this.#groups.set(group, [...members, ...added]);
    return added;
  }

  /** Those that are to be started now, in the order in which that is done. They are not planned any more. */
  takePlanned(): readonly SimNode[] {
    const planned = this.#planned;
    this.#planned = [];
    return bootOrder.flatMap((role) => planned.filter((node) => node.role === role));
  }

  /** Those that could not be started yet are planned again. */
  putBack(nodes: readonly SimNode[]): void {
    this.#planned = [...nodes, ...this.#planned];
  }

  /** Those of a role. */
  ofRole(role: NodeRole): readonly SimNode[] {
    return this.nodes.filter((node) => node.role === role);
  }

  /** Those that are up. */
  up(): readonly SimNode[] {
    return this.nodes.filter(({ isUp }) => isUp);
  }

  /** @throws {SimulatorError} `UNKNOWN_NODE` */
  node(name: string): SimNode {
    return this.#byName.get(name) ?? this.#unknown(name);
  }

  /** Whose peer id that is. Only nodes that were started are known. */
  withPeerId(peerId: string): SimNode | undefined {
    return this.#byPeerId.get(peerId);
  }

  /** Has a node be found by its peer id. */
  noteStart(node: SimNode): void {
    this.#byPeerId.set(node.peerId, node);
  }

  /**
   * The nodes of a set, each once.
   * @throws {SimulatorError} `UNKNOWN_NODE`, `INVALID_ARGUMENT`
   */
  select(set: NodeSet, act: string): readonly SimNode[] {
    const names: readonly unknown[] = Array.isArray(set) ? set : [set];
    const nodes = names.flatMap((name) => {
      if (typeof name !== 'string') {
        const wanted = 'names of nodes or groups';
        throw new SimulatorError('INVALID_ARGUMENT', { act, got: errorText(name), wanted });
      }
      return this.#groups.get(name) ?? [this.node(name)];
    });
    return [...new Set(nodes)];
  }

  #regionOf({ region }: ResolvedOptions, index: number): string | undefined {
    if (this.#inTurn.length === 0) return undefined;
    return region ?? this.#inTurn[index % this.#inTurn.length];
  }

  /** Writes down that nodes live there, which need links to all others. */
  #settle(act: string, regions: readonly (string | undefined)[]): void {
    const inhabitants = new Map(this.#inhabitants);
    for (const region of regions) {
      if (region === undefined) continue;
      const others = inhabitants.get(region) ?? 0;
      // A pair of regions is looked at when somebody comes who uses it first.
      const pairs = others === 0 ? [...inhabitants.keys()] : others === 1 ? [region] : [];
      const lacking = pairs.find((other) => !isLinked(this.#config.regions, [region, other]));
      if (lacking !== undefined) {
        const got = `nodes in ${lacking} and ${region}, and no link between them`;
        const wanted = 'a link in `regions` for each pair of regions where nodes are';
        throw new SimulatorError('INVALID_ARGUMENT', { act, got, wanted });
      }
      inhabitants.set(region, others + 1);
    }
    for (const [region, count] of inhabitants) this.#inhabitants.set(region, count);
  }

  /** A node and a group of the same name could not be told apart. */
  #checkNames(
    act: string,
    {
      role,
      group,
      names,
    }: { readonly role: NodeRole; readonly group: string; readonly names: readonly string[] },
  ): void {
    const refuse = (got: string, wanted: string): never => {
      throw new SimulatorError('INVALID_ARGUMENT', { act, got, wanted });
    };
    const other = this.#groups.get(group)?.[0];
    if (other !== undefined && other.role !== role)
      refuse(`group "${group}"`, `a group that has no ${other.role}`);
    if (this.#byName.has(group)) refuse(`group "${group}"`, 'a group that is called like no node');
    const taken = names.find((name) => this.#byName.has(name) || this.#groups.has(name));
    if (taken !== undefined)
      refuse(`group "${group}"`, `a group without a node "${taken}"; that name is taken`);
  }

  #unknown(name: string): never {
    const known = [...this.#groups.keys(), ...this.#byName.keys()];
    throw new SimulatorError('UNKNOWN_NODE', { name: errorText(name), known });
  }
}
