import type { MeasureFilter, Measurement } from '../measures.ts';
import type { CurvePoint } from '../report/types.ts';
import type { SimulationMetrics } from '../types.ts';
import { curveOf, risingOf, spreadOf } from './spread.ts';
import type { SimNode } from './simNode.ts';

/** After so long a message is as far as it will get: nodes take older ones for stale. In ms. */
const settledMs = 60_000;
/** A message that is on its way says nothing yet. In ms. */
const ripeMs = 1_000;
/** How many messages, and how many deliveries, are remembered one by one. */
const maxKept = 200_000;

interface OpenMessage {
  readonly atMs: number;
  /** The nodes that were up then, but for who published it, with the number of their start. */
  readonly wanted: ReadonlyMap<SimNode, number>;
  readonly delivered: Map<SimNode, number>;
}

interface SettledMessage {
  readonly atMs: number;
  readonly reach: number;
}

/** Who got which status message, and when. */
export class GossipTally {
  readonly #elapsed: () => number;
  readonly #open = new Map<number, OpenMessage>();
  readonly #settled: SettledMessage[] = [];
  readonly #latencies: number[] = [];
  #published = 0;
  #delivered = 0;
  #wanted = 0;

  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** A message is being published; gives its number. */
  publish(from: SimNode, up: readonly SimNode[]): number {
    this.#settleOld();
    const number = this.#published;
    this.#published += 1;
    const wanted = new Map(up.filter((node) => node !== from).map((node) => [node, node.starts]));
    this.#open.set(number, { atMs: this.#elapsed(), wanted, delivered: new Map() });
    return number;
  }

  /** A node was given the message of that number. */
  deliver(number: number, to: SimNode): void {
    const message = this.#open.get(number);
    if (message === undefined || message.delivered.has(to)) return;
    const latencyMs = this.#elapsed() - message.atMs;
    message.delivered.set(to, latencyMs);
    this.#delivered += 1;
    if (this.#latencies.length < maxKept) this.#latencies.push(latencyMs);
  }

  metrics(): Omit<SimulationMetrics['gossip'], 'duplicates'> {
    return {
      published: this.#published,
      delivered: this.#delivered,
      reach: this.reach({}).value,
      latencyMs: spreadOf(risingOf(this.#latencies)),
    };
  }

  /** The mean over messages that are a second old at least, or have reached everybody sooner. */
  reach({ fromMs = 0, untilMs = Infinity }: MeasureFilter): Measurement {
    const open = [...this.#open.values()]
      .map((message) => settledOf(message).message)
      .filter((message) => message.reach === 1 || this.#isRipe(message));
    const all = [...this.#settled, ...open].filter(({ atMs }) => atMs >= fromMs && atMs < untilMs);
    const sum = all.reduce((total, { reach }) => total + reach, 0);
    return { value: all.length === 0 ? 0 : sum / all.length, count: all.length };
  }

  /** Which share of those who should have got a message had it so many ms after its publishing. */
  curve(): readonly CurvePoint[] {
    // Of a message that is on its way nobody can say yet who misses it.
    const open = [...this.#open.values()].reduce((sum, message) => {
      return sum + (this.#isRipe(message) ? settledOf(message).wanted : message.delivered.size);
    }, 0);
    return curveOf(risingOf(this.#latencies), Math.max(this.#latencies.length, this.#wanted + open));
  }

  #isRipe({ atMs }: { readonly atMs: number }): boolean {
    return this.#elapsed() - atMs >= ripeMs;
  }

  #settleOld(): void {
    for (const [number, message] of this.#open) {
      if (this.#elapsed() - message.atMs < settledMs) return;
      this.#open.delete(number);
      const { message: settled, wanted } = settledOf(message);
      this.#wanted += wanted;
      if (this.#settled.length < maxKept) this.#settled.push(settled);
    }
  }
}

/** How far a message has got, among the nodes that have been up all the time. */
function settledOf({ atMs, wanted, delivered }: OpenMessage): {
  readonly message: SettledMessage;
  readonly wanted: number;
} {
  let [all, reached] = [0, 0];
  for (const [node, start] of wanted) {
    if (!node.isUp || node.starts !== start) continue;
    all += 1;
    if (delivered.has(node)) reached += 1;
  }
  return { message: { atMs, reach: all === 0 ? 1 : reached / all }, wanted: all };
}
