import type { PeerScore } from '../types.ts';
import type { Internals, PeerStats } from './internals.ts';

/** What gossipsub holds of each neighbour, and why. */
export function peerScores({ score, peers }: Internals): PeerScore[] {
  return [...peers.keys()].flatMap((peerId) => {
    const stats = score.peerStats.get(peerId);
    return stats === undefined ? [] : [scoreOf(score, peerId, stats)];
  });
}

function scoreOf(score: Internals['score'], peerId: string, stats: PeerStats): PeerScore {
  const { params } = score;
  const excess = Math.max(0, stats.behaviourPenalty - params.behaviourPenaltyThreshold);
  const topics = Object.entries(stats.topics).map(([topic, counted]) => [
    topic,
    {
      meshTime: counted.inMesh ? counted.meshTime : 0,
      firstDeliveries: counted.firstMessageDeliveries,
      invalid: counted.invalidMessageDeliveries,
    },
  ]);
  return {
    peerId,
    score: score.score(peerId),
    application: params.appSpecificScore(peerId) * params.appSpecificWeight,
    behaviour: excess === 0 ? 0 : excess ** 2 * params.behaviourPenaltyWeight,
    colocation: colocationOf(score, stats),
    topics: Object.fromEntries(topics) as PeerScore['topics'],
  };
}

function colocationOf({ params, peerIPs }: Internals['score'], { knownIPs }: PeerStats): number {
  let sum = 0;
  for (const ip of knownIPs) {
    if (params.IPColocationFactorWhitelist.has(ip)) continue;
    const surplus = (peerIPs.get(ip)?.size ?? 0) - params.IPColocationFactorThreshold;
    if (surplus > 0) sum += surplus ** 2 * params.IPColocationFactorWeight;
  }
  return sum;
}
