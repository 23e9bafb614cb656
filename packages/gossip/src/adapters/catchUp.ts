import type { RPC } from '@libp2p/gossipsub/message';
import { safe } from '@lloom/core';
import type { Internals } from './internals.ts';
import { idBytes } from './messageCache.ts';
import type { Turn } from './outbox.ts';

/** Of the latest messages of a topic, so many are told to one who comes. */
const maxIds = 1_000;
/** And so many of all topics in a heartbeat: gossipsub asks for 5,000, hearsay included. */
const maxIdsPerHeartbeat = 4_000;
/** RPCs with such lists to one neighbour in a heartbeat: gossipsub reads ten, hearsay included. */
const maxRpcs = 3;

/** What one neighbour was told in this heartbeat, and what it is to be told. */
interface Neighbour {
  readonly due: Set<string>;
  /** The latest message that it was told of, by topic. */
  readonly told: Map<string, string>;
  rpcs: number;
  ids: number;
}

/**
 * Tells a neighbour that subscribes, or that joins the mesh, what was said in the last heartbeats. gossipsub passes messages on to
 * the mesh as it is when they come, and by hearsay to those outside it as they are at the next heartbeat: who comes between the
 * two would miss them. What there is no room for is told after the next heartbeat.
 */
export class CatchUp {
  readonly #gossipsub: Internals;
  readonly #turn: Turn;
  readonly #neighbours = new Map<string, Neighbour>();

  constructor(gossipsub: Internals, turn: Turn, onError: (text: string, error: unknown) => void) {
    this.#gossipsub = gossipsub;
    this.#turn = turn;
    const failed = (error: unknown): void => onError('a neighbour could not be told', error);
    gossipsub.addEventListener('gossipsub:heartbeat', () => this.#beginHeartbeat());
    gossipsub.addEventListener(
      'gossipsub:graft',
      safe(({ detail: { peerId, topic } }) => this.#plan(peerId, topic), failed),
    );
    gossipsub.addEventListener(
      'subscription-change',
      safe(({ detail: { peerId, subscriptions } }) => {
        for (const { topic, subscribe } of subscriptions) if (subscribe) this.#plan(peerId.toString(), topic);
      }, failed),
    );
  }

  /** A neighbour can be sent to from now on. */
  meet(id: string): void {
    for (const [topic, peers] of this.#gossipsub.topics) if (peers.has(id)) this.#plan(id, topic);
  }

  #plan(id: string, topic: string): void {
    const { mcache, streamsOutbound } = this.#gossipsub;
    if (!mcache.has(topic) || !streamsOutbound.has(id)) return;
    const fresh: Neighbour = { due: new Set(), told: new Map(), rpcs: 0, ids: 0 };
    const neighbour = this.#neighbours.get(id) ?? fresh;
    this.#neighbours.set(id, neighbour);
    neighbour.due.add(topic);
    this.#turn.plan(this.#tellAll);
  }

  #beginHeartbeat(): void {
    for (const [id, { due }] of this.#neighbours) {
      if (due.size === 0 || !this.#gossipsub.streamsOutbound.has(id)) this.#neighbours.delete(id);
      else this.#neighbours.set(id, { due, told: new Map(), rpcs: 0, ids: 0 });
    }
    if (this.#neighbours.size > 0) this.#turn.plan(this.#tellAll);
  }

  readonly #tellAll = (): void => {
    for (const [id, neighbour] of this.#neighbours) if (neighbour.due.size > 0) this.#tell(id, neighbour);
  };

  #tell(id: string, neighbour: Neighbour): void {
    if (neighbour.rpcs >= maxRpcs) return;
    const ihave: RPC.ControlIHave[] = [];
    for (const topic of neighbour.due) {
      if (neighbour.ids + maxIds > maxIdsPerHeartbeat) break;
      neighbour.due.delete(topic);
      const messageIDs = this.#news(id, topic, neighbour);
      neighbour.ids += messageIDs.length;
      if (messageIDs.length > 0) ihave.push({ topicID: topic, messageIDs });
    }
    if (ihave.length === 0) return;
    neighbour.rpcs++;
    const control = { graft: [], prune: [], ihave, iwant: [], idontwant: [] };
    this.#gossipsub.sendRpc(id, { subscriptions: [], messages: [], control });
  }

  /** Within a heartbeat only what is new: whoever subscribes again and again is told nothing more by that. */
  #news(id: string, topic: string, { told }: Neighbour): Uint8Array[] {
    const { mcache, topics } = this.#gossipsub;
    if (topics.get(topic)?.has(id) !== true) return [];
    const ids = mcache.latest(topic, maxIds, told.get(topic));
    const [newest] = ids;
    if (newest !== undefined) told.set(topic, newest);
    return ids.map(idBytes);
  }
}
