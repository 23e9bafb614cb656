import { seededRandom } from '@lloom/simkit';
import { resolveChurn, resolveGossipLoad, resolveLoad } from '../config.ts';
import { SimulatorError } from '../errors.ts';
import type { ChurnConfig, GossipLoadConfig, LoadConfig, NodeRole, NodeSet } from '../types.ts';
import { Churn } from './churn.ts';
import { EndWatch } from './endWatch.ts';
import type { Faults } from './faults.ts';
import { GossipLoad, listenForStatus } from './gossipLoad.ts';
import type { GossipTally } from './gossipTally.ts';
import type { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import type { SimNode } from './simNode.ts';
import type { NewEvent, Timeline } from './timeline.ts';
import type { World } from './world.ts';

const maxActivities = 10_000;

/** What activities work with. */
export interface ActivitiesParts {
  readonly seed: number;
  readonly world: World;
  readonly faults: Faults;
  readonly ledger: Ledger;
  readonly gossip: GossipTally;
  readonly timeline: Timeline;
  /** Calls something at a moment of virtual time, in ms. */
  readonly at: (elapsedMs: number, act: () => unknown) => void;
}

interface Activity {
  start(): void;
  stop(): void;
}

/** What goes on in a simulation by itself, until it is stopped: questions, status messages, nodes that come and go. */
export class Activities {
  readonly #parts: ActivitiesParts;
  readonly #ends: EndWatch;
  /** With the moment from which on each does nothing more, in ms. */
  readonly #goingOn = new Map<Activity, number>();
  readonly #loadNames = new Set<string>();
  #loads = 0;
  #churns = 0;
  #hasGossip = false;

  constructor(parts: ActivitiesParts) {
    this.#parts = parts;
    this.#ends = new EndWatch(parts.ledger);
  }

  /** Whether nodes listen to status messages. */
  get hasGossip(): boolean {
    return this.#hasGossip;
  }

  churn(config: ChurnConfig | undefined): () => void {
    const resolved = resolveChurn(config);
    const { seed, faults } = this.#parts;
    const { nodes } = resolved;
    const churn = new Churn(resolved, {
      random: seededRandom(`${seed}/churn/${this.#churns}`),
      nodes: this.#selector(nodes, 'executor'),
      crash: (node, isSilent) => faults.crashOne(node, { isSilent }),
      restart: async (node) => faults.restart(node.name),
      ...this.#time,
    });
    this.#churns += 1;
    const { fromMs, untilMs } = resolved;
    const text = `nodes come and go: ${nodes === undefined ? 'executors' : [nodes].flat().join(', ')}`;
    return this.#begin(churn, { kind: 'churn', text, fromMs, untilMs });
  }

  load(config: LoadConfig | undefined): () => void {
    const resolved = resolveLoad(config);
    const { seed, world, ledger } = this.#parts;
    const { from, requestsPerSecond } = resolved;
    const name = this.#loadName(resolved.name);
    const load = new Load(resolved, {
      ...{ name, ledger, ends: this.#ends },
      random: seededRandom(`${seed}/load/${name}`),
      clients: this.#selector(from, 'client'),
      withPeerId: (peerId) => world.population.withPeerId(peerId),
      ...this.#time,
    });
    this.#loads += 1;
    const { fromMs, untilMs } = resolved;
    const text = `${name}: questions, ${requestsPerSecond} a second`;
    const stop = this.#begin(load, { kind: 'load', text, fromMs, untilMs });
    this.#loadNames.add(name);
    return stop;
  }

  gossipLoad(config: GossipLoadConfig | undefined): () => void {
    const resolved = resolveGossipLoad(config);
    const { population } = this.#parts.world;
    const { from, intervalMs, fromMs, untilMs } = resolved;
    const hasValidators = (): boolean => population.ofRole('validator').length > 0;
    const [validators, given] = [this.#selector(undefined, 'validator'), this.#selector(from, 'validator')];
    const load = new GossipLoad(resolved, {
      tally: this.#parts.gossip,
      publishers: () => (from !== undefined ? given() : hasValidators() ? validators() : population.nodes),
      up: () => population.up(),
      ...this.#time,
    });
    const stop = this.#begin(load, {
      ...{ kind: 'load', fromMs, untilMs },
      text: `a status message every ${intervalMs} ms`,
    });
    if (!this.#hasGossip) this.#listen();
    return stop;
  }

  /** Ends everything. */
  stop(): void {
    for (const activity of this.#goingOn.keys()) activity.stop();
  }

  /** Figures, chance and keys of requests follow from the name, so it is never used twice. */
  #loadName(given: string | undefined): string {
    if (given === undefined) {
      let number = this.#loads;
      while (this.#loadNames.has(`load${number}`)) number += 1;
      return `load${number}`;
    }
    if (!this.#loadNames.has(given)) return given;
    const [act, got] = ['begin a load', `the name "${given}" again`];
    throw new SimulatorError('INVALID_ARGUMENT', { act, got, wanted: 'a name that no load has, or had' });
  }

  /** Whom a set names, asked anew each time: nodes come. */
  #selector(set: NodeSet | undefined, role: NodeRole): () => readonly SimNode[] {
    const { population } = this.#parts.world;
    if (set === undefined) return () => population.ofRole(role);
    const select = (): readonly SimNode[] => population.select(set, 'choose nodes');
    select();
    return select;
  }

  get #time(): {
    readonly elapsed: () => number;
    readonly at: (elapsedMs: number, act: () => unknown) => void;
  } {
    const { world, at } = this.#parts;
    return {
      elapsed: () => world.elapsedMs,
      at: (elapsedMs, act) => {
        if (!world.isStopped) at(elapsedMs, act);
      },
    };
  }

  /** Starts what goes on by itself; gives what ends it. */
  #begin(activity: Activity, event: NewEvent): () => void {
    this.#parts.world.checkRunning('begin');
    if (this.#goingOn.size >= maxActivities) this.#forgetEnded();
    if (this.#goingOn.size >= maxActivities) {
      const [act, got] = ['begin one more', `${maxActivities} that go on`];
      throw new SimulatorError('INVALID_ARGUMENT', { act, got, wanted: 'fewer loads and churns' });
    }
    this.#goingOn.set(activity, event.untilMs ?? Infinity);
    const end = this.#parts.timeline.note(event);
    activity.start();
    return () => {
      activity.stop();
      this.#goingOn.delete(activity);
      end();
    };
  }

  #forgetEnded(): void {
    const { elapsedMs } = this.#parts.world;
    for (const [activity, untilMs] of this.#goingOn) if (untilMs <= elapsedMs) this.#goingOn.delete(activity);
  }

  /** Has all nodes listen to status messages: those that are up now; those that come do so by themselves. */
  #listen(): void {
    this.#hasGossip = true;
    const { world, gossip, at } = this.#parts;
    const nodes = world.population.up();
    if (nodes.length === 0) return;
    at(world.elapsedMs, async () => {
      const up = nodes.filter(({ isUp }) => isUp);
      await Promise.all(up.map(async (node) => listenForStatus(node, node.behaviour, gossip)));
    });
  }
}
