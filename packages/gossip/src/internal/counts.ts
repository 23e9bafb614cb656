import { messagesFamily, safeMeter, type Clock, type Meter } from '@lloom/core';
import { GossipTopic, type DropReason } from '../types.ts';
import * as families from './families.ts';
import { custom } from './gauges.ts';

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

/** What the messages of one topic are counted by. */
interface TopicMeters {
  readonly published: () => void;
  readonly received: () => void;
  /** In seconds. `undefined` where messages do not say when they were made. */
  readonly delay: ((seconds: number) => void) | undefined;
}

/** What counting takes. */
export interface CountsPorts {
  readonly clock: Pick<Clock, 'now'>;
  readonly meter: Meter | undefined;
  /** Told of what the meter throws. */
  readonly onError: (error: unknown) => void;
}

/** Counts messages, also for the meter: what a meter does, or fails to do, is its own affair. */
export class Counts {
  accepted = 0;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #dropped: Record<DropReason, number> = { ...noDrops };
  readonly #meters: Meters | undefined;

  constructor({ clock, meter, onError }: CountsPorts) {
    this.#clock = clock;
    this.#meters = meter && new Meters(safeMeter(meter, onError));
  }

  /** How many were dropped, by reason. */
  get dropped(): Readonly<Record<DropReason, number>> {
    return { ...this.#dropped };
  }

  /** @param madeAtMs when its author says that it was made; `undefined` where messages do not say so */
  accept(topic: string, madeAtMs: number | undefined): void {
    this.accepted++;
    if (this.#meters === undefined) return;
    const { received, delay } = this.#meters.of(topic);
    received();
    this.#meters.received();
    if (madeAtMs !== undefined) delay?.(Math.max(0, this.#clock.now() - madeAtMs) / 1_000);
  }

  drop(reason: DropReason): void {
    this.#dropped[reason]++;
    this.#meters?.dropped[reason]();
  }

  publish(topic: string): void {
    this.#meters?.of(topic).published();
    this.#meters?.sent();
  }
}

/** Everything that is counted, from the start: what has not happened yet is 0. */
class Meters {
  readonly sent: () => void;
  readonly received: () => void;
  readonly dropped: Readonly<Record<DropReason, () => void>>;
  readonly #byTopic: ReadonlyMap<string, TopicMeters>;
  readonly #custom: TopicMeters;

  constructor(meter: Meter) {
    const messages = (direction: string): (() => void) =>
      meter.counter(messagesFamily, { carrier: 'gossip', direction });
    const ofTopic = (topic: string, isTimed: boolean): TopicMeters => ({
      published: meter.counter(families.published, { topic }),
      received: meter.counter(families.received, { topic }),
      delay: isTimed ? meter.histogram(families.delay, { topic }) : undefined,
    });
    this.sent = messages('sent');
    this.received = messages('received');
    const reasons = Object.keys(noDrops) as DropReason[];
    const drops = reasons.map((reason) => [reason, meter.counter(families.dropped, { reason })]);
    this.dropped = Object.fromEntries(drops) as Record<DropReason, () => void>;
    this.#byTopic = new Map(Object.values(GossipTopic).map((topic) => [topic, ofTopic(topic, true)]));
    this.#custom = ofTopic(custom, false);
  }

  of(topic: string): TopicMeters {
    return this.#byTopic.get(topic) ?? this.#custom;
  }
}
