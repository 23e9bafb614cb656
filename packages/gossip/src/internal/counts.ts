import { safe, type Meter } from '@lloom/core';
import { GossipTopic, type DropReason } from '../types.ts';

type Count = (() => void) | undefined;

const noDrops: Readonly<Record<DropReason, number>> = {
  malformed: 0,
  impostor: 0,
  tooLarge: 0,
  stale: 0,
  replayed: 0,
  tooMany: 0,
  unknownKind: 0,
  overload: 0,
  unjudged: 0,
  ignored: 0,
  rejected: 0,
};

/** The name under which topics that are not the network's are counted: names are chosen by users, labels must be few. */
const custom = 'custom';

/** Counts messages, also for the meter: what a meter does, or fails to do, is its own affair. */
export class Counts {
  accepted = 0;
  readonly #dropped: Record<DropReason, number> = { ...noDrops };
  readonly #received: ReadonlyMap<string, Count>;
  readonly #published: ReadonlyMap<string, Count>;
  readonly #drops: ReadonlyMap<DropReason, Count>;

  /** @param onError told of what the meter throws */
  constructor(meter: Meter | undefined, onError: (error: unknown) => void) {
    const topics = [...Object.values(GossipTopic), custom];
    const counter = (name: string, labels: Readonly<Record<string, string>>): Count => {
      if (meter === undefined) return undefined;
      try {
        return safe(meter.counter(name, labels), onError);
      } catch (error) {
        onError(error);
        return undefined;
      }
    };
    const byTopic = (name: string): ReadonlyMap<string, Count> =>
      new Map(topics.map((topic) => [topic, counter(name, { topic })]));
    const reasons = Object.keys(noDrops) as DropReason[];
    this.#received = byTopic('gossip_received_total');
    this.#published = byTopic('gossip_published_total');
    this.#drops = new Map(reasons.map((reason) => [reason, counter('gossip_dropped_total', { reason })]));
  }

  /** How many were dropped, by reason. */
  get dropped(): Readonly<Record<DropReason, number>> {
    return { ...this.#dropped };
  }

  accept(topic: string): void {
    this.accepted++;
    of(this.#received, topic)?.();
  }

  drop(reason: DropReason): void {
    this.#dropped[reason]++;
    this.#drops.get(reason)?.();
  }

  publish(topic: string): void {
    of(this.#published, topic)?.();
  }
}

function of(counts: ReadonlyMap<string, Count>, topic: string): Count {
  return counts.has(topic) ? counts.get(topic) : counts.get(custom);
}
