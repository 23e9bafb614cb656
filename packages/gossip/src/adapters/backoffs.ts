import type { Internals } from './internals.ts';

/** The longest that a neighbour can keep itself out of a mesh by its own word. */
const maxBackoffMs = 3_600_000;
/** A clock of ours must not be quicker than the neighbour's: to graft too soon is held against this node. */
const slackMs = 250;
/** Neighbours of one topic that are remembered so; whoever is pruned first is forgotten first. */
const maxBackoffs = 1_024;

/**
 * How long a neighbour stays out of a mesh. gossipsub takes any time that a neighbour names, and bars it until its fifteenth
 * heartbeat even when the time is over.
 */
export function replaceBackoffs(gossipsub: Internals, now: () => number): void {
  const add = (id: string, topic: string, ms: number): void => {
    const backoffs = gossipsub.backoff.get(topic) ?? new Map<string, number>();
    gossipsub.backoff.set(topic, backoffs);
    const expiresAt = now() + Math.min(ms, maxBackoffMs);
    if ((backoffs.get(id) ?? 0) < expiresAt) backoffs.set(id, expiresAt);
    const [oldest] = backoffs.keys();
    if (backoffs.size > maxBackoffs && oldest !== undefined) backoffs.delete(oldest);
  };
  gossipsub.doAddBackoff = add;
  gossipsub.clearBackoff = () => {
    const overAt = now() - slackMs;
    for (const [topic, backoffs] of gossipsub.backoff) {
      for (const [id, expiresAt] of backoffs) if (expiresAt <= overAt) backoffs.delete(id);
      if (backoffs.size === 0) gossipsub.backoff.delete(topic);
    }
  };
  // Its own ends at the first topic that is not known, and leaves out all others.
  gossipsub.handlePrune = (id, prunes) => {
    for (const { topicID: topic, backoff } of prunes) {
      const peers = topic === undefined ? undefined : gossipsub.mesh.get(topic);
      if (topic === undefined || peers === undefined) continue;
      gossipsub.score.prune(id, topic);
      peers.delete(id);
      add(id, topic, backoff === undefined || backoff <= 0 ? gossipsub.opts.pruneBackoff : backoff * 1_000);
      gossipsub.safeDispatchEvent('gossipsub:prune', { detail: { peerId: id, topic, direction: 'inbound' } });
    }
    return Promise.resolve();
  };
}
