import { safe } from '@lloom/core';
import type { Internals } from './internals.ts';
import type { Turn } from './outbox.ts';

/** Tells when what holds between this node and its neighbours may have changed: once a topic and turn. */
export class Links {
  readonly #gossipsub: Internals;
  readonly #turn: Turn;
  readonly #onLinks: (topic: string) => void;
  readonly #changed = new Set<string>();

  constructor(gossipsub: Internals, turn: Turn, onLinks: (topic: string) => void) {
    this.#gossipsub = gossipsub;
    this.#turn = turn;
    this.#onLinks = onLinks;
    const drop = (): void => undefined;
    const onMesh = safe(
      ({ detail }: CustomEvent<{ readonly topic: string }>) => this.changed(detail.topic),
      drop,
    );
    gossipsub.addEventListener('gossipsub:graft', onMesh);
    gossipsub.addEventListener('gossipsub:prune', onMesh);
    gossipsub.addEventListener(
      'subscription-change',
      safe(({ detail }) => {
        for (const { topic } of detail.subscriptions) this.changed(topic);
      }, drop),
    );
  }

  changed(topic: string): void {
    this.#changed.add(topic);
    this.#turn.plan(this.#tell);
  }

  /** Something about a neighbour changed: it concerns every topic that it has. To be called before it is forgotten. */
  changedFor(peerId: string): void {
    for (const [topic, peers] of this.#gossipsub.topics) if (peers.has(peerId)) this.changed(topic);
  }

  readonly #tell = (): void => {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const topic of changed) this.#onLinks(topic);
  };
}
