import { topicScore } from '../internal/scoring.ts';
import type { Internals } from './internals.ts';

/** Messages that are remembered by their ids: 800 a second over two minutes. */
const maxSeen = 100_000;
/** Neighbours that have left and are remembered. */
const maxLeft = 4_096;

/** What gossipsub keeps without a bound, or forgets too soon. */
export function replaceUpkeep(gossipsub: Internals): void {
  const { score, seenCache } = gossipsub;
  const addPeer = score.addPeer.bind(score);
  // Its own begins anew with everybody who comes back, also with those whom it remembers for what they did.
  score.addPeer = (id) => {
    const known = score.peerStats.get(id);
    if (known === undefined) return addPeer(id);
    known.connected = true;
    known.expire = 0;
  };
  const subscribe = gossipsub.subscribe.bind(gossipsub);
  gossipsub.subscribe = (topic) => {
    // Before anybody is grafted; never taken away, for gossipsub reads them as long as something is counted.
    score.params.topics[topic] ??= topicScore;
    subscribe(topic);
  };
  gossipsub.addEventListener('gossipsub:heartbeat', () => {
    trim(seenCache.entries, maxSeen);
    while (score.deliveryRecords.records.size > maxSeen) {
      const oldest = score.deliveryRecords.queue.shift();
      if (oldest === undefined) break;
      score.deliveryRecords.records.delete(oldest.msgId);
    }
    forgetLeft(gossipsub);
  });
}

function trim(entries: Map<string, unknown>, size: number): void {
  for (const id of entries.keys()) {
    if (entries.size <= size) return;
    entries.delete(id);
  }
}

function forgetLeft({ score, peers }: Internals): void {
  const { peerStats, peerIPs, scoreCache } = score;
  let excess = peerStats.size - peers.size - maxLeft;
  for (const [id, { connected, knownIPs }] of peerStats) {
    if (excess <= 0) return;
    if (connected) continue;
    peerStats.delete(id);
    scoreCache.delete(id);
    for (const ip of knownIPs) {
      const sharing = peerIPs.get(ip);
      sharing?.delete(id);
      if (sharing?.size === 0) peerIPs.delete(ip);
    }
    excess--;
  }
}
