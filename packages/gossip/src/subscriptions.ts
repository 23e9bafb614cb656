import { safe, sharing } from '@lloom/core';
import { fromPromise, type ActorRefFrom } from 'xstate';
import { createServiceActor } from './actors.ts';
import { enoughOf, type Links } from './internal/enough.ts';
import { hints } from './internal/hints.ts';
import type { Shared } from './internal/shared.ts';
import { subscriptionMachine } from './machines/subscription.machine.ts';
import type { MeshSize, SubscriptionState, TopicSnapshot } from './types.ts';

/** What subscriptions need beside what is shared. */
export interface SubscriptionsPorts extends Shared {
  /** Looks for peers of a topic. Never rejects. */
  readonly search: (topic: string, signal: AbortSignal) => Promise<void>;
  readonly meshSize: () => MeshSize;
}

interface Entry {
  readonly actor: ActorRefFrom<typeof subscriptionMachine>;
  links: Links;
  /** When it was told first, by the clock that never goes back. */
  degradedAtMs: number | undefined;
  /** Others do not find this node for the topic any more. */
  readonly retire: () => void;
}

/** Watches each subscribed topic, from one start of the service to its stop: a machine for each. */
export class Subscriptions {
  readonly #ports: SubscriptionsPorts;
  readonly #entries = new Map<string, Entry>();

  constructor(ports: SubscriptionsPorts) {
    this.#ports = ports;
  }

  /** Joins a topic. */
  begin(topic: string): void {
    if (this.#entries.has(topic)) return;
    this.#ports.router.subscribe(topic);
    const entry = this.#create(topic);
    this.#entries.set(topic, entry);
    entry.actor.start();
  }

  /** Leaves a topic. */
  end(topic: string): void {
    const entry = this.#entries.get(topic);
    if (entry === undefined) return;
    this.#entries.delete(topic);
    entry.retire();
    entry.actor.send({ type: 'subscription.leave' });
    this.#ports.router.unsubscribe(topic);
  }

  /** The links of a topic may have changed. */
  onLinks(topic: string): void {
    const entry = this.#entries.get(topic);
    if (entry === undefined) return;
    const links = this.#linksOf(topic);
    const { topicPeers, meshPeers, enough } = entry.links;
    if (links.topicPeers === topicPeers && links.meshPeers === meshPeers && links.enough === enough) return;
    entry.links = links;
    entry.actor.send({ type: 'links.changed', links });
  }

  /** The meshes have another size. */
  resize(): void {
    for (const topic of this.#entries.keys()) this.onLinks(topic);
  }

  /** Every topic as it stands. */
  snapshot(): TopicSnapshot[] {
    return Array.from(this.#entries, ([topic, { actor, links }]) => {
      const { value, context } = actor.getSnapshot();
      const state = (typeof value === 'string' ? value : Object.keys(value)[0]) as SubscriptionState;
      const { topicPeers, meshPeers } = links;
      return {
        topic,
        state,
        ...(context.reason !== null && { reason: context.reason }),
        topicPeers,
        meshPeers,
      };
    });
  }

  /** Peers of all topics, and how many of them are in a mesh. */
  links(): { readonly topicPeers: number; readonly meshPeers: number } {
    const { router } = this.#ports;
    const topics = [...this.#entries.keys()];
    const countOf = (peersOf: (topic: string) => readonly string[]): number =>
      new Set(topics.flatMap((topic) => [...peersOf(topic)])).size;
    return {
      topicPeers: countOf((topic) => router.topicPeers(topic)),
      meshPeers: countOf((topic) => router.meshPeers(topic)),
    };
  }

  stop(): void {
    for (const { actor, retire } of this.#entries.values()) {
      retire();
      actor.stop();
    }
    this.#entries.clear();
  }

  #linksOf(topic: string): Links {
    const { router, meshSize } = this.#ports;
    const topicPeers = router.topicPeers(topic).length;
    return { topicPeers, meshPeers: router.meshPeers(topic).length, enough: enoughOf(meshSize()) };
  }

  #create(topic: string): Entry {
    const { config, search } = this.#ports;
    const { heartbeatIntervalMs, degradedAfterMs } = config;
    const machine = sharing(subscriptionMachine).provide({
      actors: { search: fromPromise(({ input, signal }) => search(input.topic, signal)) },
    });
    const links = this.#linksOf(topic);
    const input = { topic, links, heartbeatIntervalMs, degradedAfterMs };
    const actor = createServiceActor(this.#ports, machine, { id: `subscription:${topic}`, input });
    const entry: Entry = { actor, links, degradedAtMs: undefined, retire: this.#announce(topic) };
    this.#tell(topic, entry);
    return entry;
  }

  /** A subscription holds also when it cannot be announced: then this node is found by others less easily. */
  #announce(topic: string): () => void {
    const { router, topicPeers } = this.#ports;
    const onError = (error: unknown): void => router.logError('a topic could not be announced', error);
    try {
      const retire = topicPeers?.announce?.(topic);
      return safe(() => retire?.(), onError);
    } catch (error) {
      onError(error);
      return () => undefined;
    }
  }

  #tell(topic: string, entry: Entry): void {
    const { clock, events, router } = this.#ports;
    entry.actor.on('subscription.degraded', ({ reason, links: { topicPeers, meshPeers } }) => {
      entry.degradedAtMs ??= clock.elapsed();
      router.log('a topic is degraded', { topic, reason, topicPeers, meshPeers });
      events.emit('gossip:degraded', { topic, reason, topicPeers, meshPeers, hint: hints[reason] });
    });
    entry.actor.on('subscription.recovered', ({ reason }) => {
      const nowMs = clock.elapsed();
      const degradedMs = nowMs - (entry.degradedAtMs ?? nowMs);
      entry.degradedAtMs = undefined;
      router.log('a topic has recovered', { topic, reason, degradedMs });
      events.emit('gossip:recovered', { topic, reason, degradedMs });
    });
  }
}
