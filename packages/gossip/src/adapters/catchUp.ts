import { safe } from '@lloom/core';
import type { Internals } from './internals.ts';
import { idBytes } from './messageCache.ts';
import type { Turn } from './outbox.ts';

/** Of the latest messages, so many are told to one who comes. */
const maxIds = 1_000;
/** Neighbours and topics of which is remembered what they were told in this heartbeat. */
const maxTold = 16_384;

/**
 * Tells a neighbour that subscribes, or that joins the mesh, what was said in the last heartbeats. gossipsub passes messages on to
 * the mesh as it is when they come, and by hearsay to those outside it as they are at the next heartbeat: who comes between the
 * two would miss them.
 */
export class CatchUp {
  readonly #gossipsub: Internals;
  readonly #turn: Turn;
  readonly #due = new Map<string, { readonly id: string; readonly topic: string }>();
  /** The latest message that each was told of. */
  readonly #told = new Map<string, string>();

  constructor(gossipsub: Internals, turn: Turn, onError: (text: string, error: unknown) => void) {
    this.#gossipsub = gossipsub;
    this.#turn = turn;
    const failed = (error: unknown): void => onError('a neighbour could not be told', error);
    gossipsub.addEventListener('gossipsub:heartbeat', () => this.#told.clear());
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
    const key = `${id} ${topic}`;
    if (this.#told.size >= maxTold || !this.#gossipsub.streamsOutbound.has(id)) return;
    this.#due.set(key, { id, topic });
    this.#turn.plan(this.#tell);
  }

  readonly #tell = (): void => {
    const due = [...this.#due];
    this.#due.clear();
    for (const [key, { id, topic }] of due) {
      // Within a heartbeat only what is new: whoever subscribes again and again is told nothing more by that.
      const ids = this.#gossipsub.mcache.latest(topic, maxIds, this.#told.get(key));
      const [newest] = ids;
      if (newest === undefined || this.#gossipsub.topics.get(topic)?.has(id) !== true) continue;
      this.#told.set(key, newest);
      const messageIDs = ids.map(idBytes);
      const ihave = [{ topicID: topic, messageIDs }];
      const control = { graft: [], prune: [], ihave, iwant: [], idontwant: [] };
      this.#gossipsub.sendRpc(id, { subscriptions: [], messages: [], control });
    }
  };
}
