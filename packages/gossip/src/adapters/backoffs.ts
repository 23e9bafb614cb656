import type { RPC } from '@libp2p/gossipsub/message';
import type { Internals } from './internals.ts';

/** The longest that a neighbour can keep itself out of a mesh by its own word. */
const maxBackoffMs = 3_600_000;
/** A clock of ours must not be quicker than the neighbour's: to graft too soon is held against this node. */
const slackMs = 250;
/** Neighbours of one topic that are remembered so; whoever is pruned first is forgotten first. */
const maxBackoffs = 1_024;

type ByTopic = Map<string, Map<string, number>>;

/**
 * How long a neighbour stays out of a mesh. gossipsub takes any time that a neighbour names, bars it until its fifteenth
 * heartbeat even when the time is over, names a minute to whoever comes too soon, whatever was asked for, and forgets
 * everything when it stops, while its neighbours do not.
 */
export class Backoffs {
  readonly #gossipsub: Internals;
  readonly #now: () => number;
  /** How long each was asked for, in ms. */
  readonly #spans: ByTopic = new Map();
  #kept: ByTopic = new Map();

  constructor(gossipsub: Internals, now: () => number) {
    this.#gossipsub = gossipsub;
    this.#now = now;
    const graft = gossipsub.handleGraft.bind(gossipsub);
    gossipsub.doAddBackoff = (id, topic, ms) => this.#add(id, topic, ms);
    gossipsub.clearBackoff = () => this.#clear();
    gossipsub.handleGraft = async (id, grafts) => {
      const [early, others] = this.#split(id, grafts);
      const refused = early.map((topic) => this.#refuse(id, topic));
      return [...refused, ...(await graft(id, others))];
    };
    // Its own ends at the first topic that is not known, and leaves out all others.
    gossipsub.handlePrune = (id, prunes) => {
      for (const prune of oncePerTopic(prunes)) this.#prune(id, prune);
      return Promise.resolve();
    };
  }

  /** To be called before gossipsub stops, which forgets all of them. */
  keep(): void {
    this.#kept = new Map(this.#gossipsub.backoff);
  }

  /** And before it starts: neighbours hold a graft that comes too soon against this node, also over a restart. */
  restore(): void {
    for (const [topic, backoffs] of this.#kept) this.#gossipsub.backoff.set(topic, backoffs);
    this.#kept = new Map();
    this.#clear();
  }

  #add(id: string, topic: string, ms: number): void {
    const backoffs = ofTopic(this.#gossipsub.backoff, topic);
    const span = Math.min(ms, maxBackoffMs);
    const expiresAt = this.#now() + span;
    if ((backoffs.get(id) ?? 0) >= expiresAt) return;
    backoffs.set(id, expiresAt);
    ofTopic(this.#spans, topic).set(id, span);
    const [oldest] = backoffs.keys();
    if (backoffs.size > maxBackoffs && oldest !== undefined) this.#forget(oldest, topic);
  }

  #forget(id: string, topic: string): void {
    for (const backoffs of [this.#gossipsub.backoff, this.#spans]) {
      backoffs.get(topic)?.delete(id);
      if (backoffs.get(topic)?.size === 0) backoffs.delete(topic);
    }
  }

  #clear(): void {
    const overAt = this.#now() - slackMs;
    for (const [topic, backoffs] of this.#gossipsub.backoff)
      for (const [id, expiresAt] of backoffs) if (expiresAt <= overAt) this.#forget(id, topic);
    for (const topic of this.#spans.keys())
      if (!this.#gossipsub.backoff.has(topic)) this.#spans.delete(topic);
  }

  /** Topics that the neighbour is to stay out of still, and what it may graft. */
  #split(id: string, grafts: readonly RPC.ControlGraft[]): [early: string[], others: RPC.ControlGraft[]] {
    const { backoff, mesh, direct } = this.#gossipsub;
    const now = this.#now();
    const early: string[] = [];
    const others: RPC.ControlGraft[] = [];
    for (const graft of oncePerTopic(grafts)) {
      const { topicID: topic } = graft;
      const peers = topic === undefined ? undefined : mesh.get(topic);
      if (topic === undefined || peers === undefined || peers.has(id)) continue;
      const isEarly = !direct.has(id) && now < (backoff.get(topic)?.get(id) ?? 0);
      if (isEarly) early.push(topic);
      else others.push(graft);
    }
    return [early, others];
  }

  /** As gossipsub does, but for as long as was asked for. */
  #refuse(id: string, topic: string): RPC.ControlPrune {
    const { backoff, score, opts } = this.#gossipsub;
    const floodUntil = (backoff.get(topic)?.get(id) ?? 0) + opts.graftFloodThreshold - opts.pruneBackoff;
    score.addPenalty(id, this.#now() < floodUntil ? 2 : 1, 'graft_backoff');
    const span = this.#spans.get(topic)?.get(id) ?? opts.pruneBackoff;
    this.#add(id, topic, span);
    score.prune(id, topic);
    return { topicID: topic, peers: [], backoff: Math.ceil(span / 1_000) };
  }

  #prune(id: string, { topicID: topic, backoff }: RPC.ControlPrune): void {
    const { mesh, score, opts } = this.#gossipsub;
    const peers = topic === undefined ? undefined : mesh.get(topic);
    if (topic === undefined || peers === undefined) return;
    this.#add(id, topic, backoff === undefined || backoff <= 0 ? opts.pruneBackoff : backoff * 1_000);
    if (!peers.delete(id)) return;
    score.prune(id, topic);
    this.#gossipsub.safeDispatchEvent('gossipsub:prune', {
      detail: { peerId: id, topic, direction: 'inbound' },
    });
  }
}

function ofTopic(backoffs: ByTopic, topic: string): Map<string, number> {
  const known = backoffs.get(topic) ?? new Map<string, number>();
  backoffs.set(topic, known);
  return known;
}

/** What comes last of each topic: an honest neighbour says one thing. */
function oncePerTopic<T extends { topicID?: string }>(list: readonly T[]): Iterable<T> {
  return new Map(list.map((value) => [value.topicID, value])).values();
}
