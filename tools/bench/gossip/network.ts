import { seededRandom } from '@lloom/simkit';
import type { NodePlan } from './node.ts';
import { Part } from '../part.ts';
import type { Questions } from './part.ts';
import { firstOpenId, nowMs } from './payload.ts';

/** A network of one stack. */
export interface NetworkPlan {
  /** Its nodes by the process in which they are. */
  readonly parts: readonly (readonly NodePlan[])[];
  /** Who dials whom, by their places in the order of `parts`. */
  readonly links: readonly (readonly [from: number, to: number])[];
}

/** Messages that come when they come. */
export interface OpenPlan {
  /** When each is published, in ms from the start. */
  readonly timesMs: readonly number[];
  /** Who may publish, by their places. */
  readonly speakers: readonly number[];
  /** How long after the last one is waited. */
  readonly graceMs: number;
}

/** What came of it. */
export interface Spread {
  /** How long each message took to each node that got it, in ms. */
  readonly agesMs: readonly number[];
  /** How many there would be if each had come to everybody. Hubs do not count. */
  readonly expected: number;
}

const script = new URL('part.ts', import.meta.url);

/** Those who are not told of by then will not be: stock gossipsub may hear no subscription at all. */
const settleMs = 5_000;
/** Meshes are made at heartbeats: some of them after the last subscription. */
const meshMs = 3_000;
/** Before the first message, so that every process has its plan. */
const headStartMs = 300;

/** Processes with nodes of one stack that are connected, and subscribed to one topic. */
export class Network {
  readonly #parts: readonly Part<Questions>[];
  readonly #plan: NetworkPlan;
  readonly #places: readonly { readonly part: number; readonly node: number }[];
  readonly #random = seededRandom(1);
  #nextId = firstOpenId;

  private constructor(parts: readonly Part<Questions>[], plan: NetworkPlan) {
    this.#parts = parts;
    this.#plan = plan;
    this.#places = plan.parts.flatMap((nodes, part) => nodes.map((_, node) => ({ part, node })));
  }

  /** Starts it; its meshes stand when the promise resolves. */
  static async start(plan: NetworkPlan): Promise<Network> {
    const network = new Network(
      plan.parts.map(() => new Part<Questions>(script)),
      plan,
    );
    try {
      await network.#join();
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  /** Prepares two processes for {@link closed}. */
  async pair(): Promise<void> {
    const [first, second] = this.#parts;
    await second!.ask('connect', await first!.ask('listen', undefined));
  }

  /** Keeps so many messages under way, and tells how many a second reach everybody. */
  async closed({ inFlight, ms }: { readonly inFlight: number; readonly ms: number }): Promise<number> {
    const load = { inFlight: inFlight / this.#parts.length, ms };
    const sides = await Promise.all(this.#parts.map((part) => part.ask('closed', load)));
    const lost = sides.reduce((sum, side) => sum + side.lost, 0);
    if (lost > 0) this.#warn(`${lost} messages did not reach everybody`);
    const startMs = Math.min(...sides.map((side) => side.startMs));
    const lastMs = Math.max(...sides.map((side) => side.lastMs));
    return (sides.reduce((sum, { count }) => sum + count, 0) * 1_000) / (lastMs - startMs);
  }

  /** Publishes messages at their times, from nodes by chance; the same ones for the same plan in each run. */
  async open({ timesMs, speakers, graceMs }: OpenPlan): Promise<Spread> {
    const messages = timesMs.map((afterMs) => ({
      ...this.#places[speakers[Math.floor(this.#random.float() * speakers.length)]!]!,
      afterMs,
      id: this.#nextId++,
    }));
    const startMs = nowMs() + headStartMs;
    const ms = (timesMs.at(-1) ?? 0) + graceMs;
    const spreads = await Promise.all(
      this.#parts.map(async (each, part) => {
        const own = messages.filter((message) => message.part === part);
        const { length: receivers } = this.#plan.parts[part]!;
        const expected = messages.length * receivers - own.length;
        const { agesMs, failed } = await each.ask('open', { messages: own, startMs, expected, ms });
        if (failed > 0) this.#warn(`${failed} messages could not be published`);
        return this.#plan.parts[part]!.some(({ isHub }) => isHub)
          ? { agesMs: [], expected: 0 }
          : { agesMs, expected };
      }),
    );
    return {
      agesMs: spreads.flatMap(({ agesMs }) => agesMs),
      expected: spreads.reduce((sum, { expected }) => sum + expected, 0),
    };
  }

  /** Ends it. */
  async stop(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.kill()));
  }

  #warn(text: string): void {
    process.stderr.write(`${this.#plan.parts[0]![0]!.stack}: ${text}\n`);
  }

  async #join(): Promise<void> {
    const { parts, links } = this.#plan;
    const addresses = (await Promise.all(this.#parts.map((part, i) => part.ask('start', parts[i]!)))).flat();
    await Promise.all(
      this.#parts.map((each, part) => {
        const own = links.filter(([from]) => this.#places[from]!.part === part);
        const dials = own.map(([from, to]) => ({
          node: this.#places[from]!.node,
          address: addresses[to]!,
        }));
        return each.ask('join', dials);
      }),
    );
    await Promise.all(this.#parts.map((part) => part.ask('settle', settleMs)));
    await new Promise((resolve) => setTimeout(resolve, meshMs));
  }
}
