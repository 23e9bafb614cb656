import type { CrashConfig, LinkConfig, RestartConfig, TestNetwork } from '@lloom/simkit';
import type { LloomBehaviour } from '@lloom/behaviour';
import { SimulatorError } from '../errors.ts';
import type { NodeSet } from '../types.ts';
import type { SimNode } from './simNode.ts';
import { namesOf, type Timeline } from './timeline.ts';
import type { World } from './world.ts';

type Network = TestNetwork<LloomBehaviour>;

/** What befalls the nodes of a simulation, by name or group, and written down. */
export class Faults {
  readonly #world: World;
  readonly #timeline: Timeline;
  readonly #partitions = new Set<() => void>();
  readonly #holds = new Map<string, () => void>();
  readonly #crashes = new Map<SimNode, () => void>();

  constructor(world: World, timeline: Timeline) {
    this.#world = world;
    this.#timeline = timeline;
  }

  partition(...groups: readonly NodeSet[]): () => void {
    const act = 'cut off';
    const parts = groups.map((group) => this.#hosts(group, act));
    const lift = this.#network(act).partition(...parts.map(toNames));
    const text = `partition: ${parts.map(namesOf).join(' | ')}`;
    return this.#cut(lift, { text, nodes: parts.flat() });
  }

  partitionOneWay(from: NodeSet, to: NodeSet): () => void {
    const act = 'cut off';
    const [source, target] = [this.#hosts(from, act), this.#hosts(to, act)];
    const lift = this.#network(act).partitionOneWay(toNames(source), toNames(target));
    const text = `nothing gets from ${namesOf(source)} to ${namesOf(target)}`;
    return this.#cut(lift, { text, nodes: [...source, ...target] });
  }

  heal(): void {
    this.#network('heal').heal();
    for (const end of this.#partitions) end();
    this.#partitions.clear();
  }

  hold(a: string, b: string): void {
    const [one, other] = this.#pair(a, b, 'hold back');
    this.#network('hold back').hold(one.name, other.name);
    const key = keyOf(one, other);
    if (this.#holds.has(key)) return;
    const text = `what ${one.name} and ${other.name} send each other is held back`;
    this.#holds.set(key, this.#timeline.note({ kind: 'hold', text, nodes: [one, other] }));
  }

  release(a: string, b: string): void {
    const [one, other] = this.#pair(a, b, 'release');
    this.#network('release').release(one.name, other.name);
    const key = keyOf(one, other);
    this.#holds.get(key)?.();
    this.#holds.delete(key);
  }

  setLink(a: NodeSet, b: NodeSet, link: LinkConfig): void {
    const act = 'change the link of';
    const network = this.#network(act);
    const [ones, others] = [this.#hosts(a, act), this.#hosts(b, act)];
    for (const one of ones) {
      for (const other of others) if (one !== other) network.setLink(one.name, other.name, link);
    }
    const text = `links of ${namesOf(ones)} with ${namesOf(others)}: ${JSON.stringify(link)}`;
    this.#timeline.note({ kind: 'link', text, nodes: [...new Set([...ones, ...others])] });
  }

  crash(set: NodeSet, config: CrashConfig = {}): void {
    const nodes = this.#world.population.select(set, 'crash');
    for (const node of nodes) checkState(node, 'crash', node.isUp);
    for (const node of nodes) this.crashOne(node, config);
  }

  /** Of a node that is up. */
  crashOne(node: SimNode, config: CrashConfig = {}): void {
    this.#network('crash').crash(node.name, config);
    node.down();
    const text = `${node.name} ${config.isSilent === true ? 'goes down with its machine' : 'crashes'}`;
    this.#crashes.set(node, this.#timeline.note({ kind: 'crash', text, nodes: [node] }));
  }

  async restart(set: NodeSet, config: RestartConfig = {}): Promise<void> {
    const nodes = this.#world.population.select(set, 'restart');
    for (const node of nodes) checkState(node, 'restart', isDown(node));
    await this.#world.moving(async (network) => {
      for (const node of nodes) {
        // Somebody else may have started it while others were.
        if (!isDown(node)) continue;
        await network.restart(node.name, config).catch((error: unknown) => {
          node.giveUp(error);
          throw error;
        });
        this.#crashes.get(node)?.();
        this.#crashes.delete(node);
        this.#timeline.note({ kind: 'restart', text: `${node.name} comes back`, nodes: [node] });
      }
    });
  }

  #cut(lift: () => void, event: { readonly text: string; readonly nodes: readonly SimNode[] }): () => void {
    const end = this.#timeline.note({ kind: 'partition', ...event });
    this.#partitions.add(end);
    return () => {
      lift();
      end();
      this.#partitions.delete(end);
    };
  }

  /** @throws {SimulatorError} `WRONG_STATE` as long as nothing runs; {@link SimkitError} `STOPPED` */
  #network(act: string): Network {
    this.#world.checkRunning(act);
    const { network } = this.#world;
    if (network !== undefined) return network;
    throw new SimulatorError('WRONG_STATE', { name: 'all', act, state: 'planned' });
  }

  /** Nodes that have a machine. */
  #hosts(set: NodeSet, act: string): readonly SimNode[] {
    const nodes = this.#world.population.select(set, act);
    for (const node of nodes) checkState(node, act, node.address !== undefined);
    return nodes;
  }

  #pair(a: string, b: string, act: string): readonly [SimNode, SimNode] {
    const [one, other] = [a, b].map((name) => this.#world.population.node(name)) as [SimNode, SimNode];
    for (const node of [one, other]) checkState(node, act, node.address !== undefined);
    return [one, other];
  }
}

const toNames = (nodes: readonly SimNode[]): readonly string[] => nodes.map(({ name }) => name);
const keyOf = (a: SimNode, b: SimNode): string =>
  [a, b]
    .toSorted((one, other) => one.index - other.index)
    .map(({ index }) => index)
    .join('-');
const isDown = ({ state }: SimNode): boolean => state === 'down' || state === 'failed';

/** @throws {SimulatorError} `WRONG_STATE` */
function checkState(node: SimNode, act: string, isRight: boolean): void {
  if (!isRight) throw new SimulatorError('WRONG_STATE', { name: node.name, act, state: node.state });
}
