import type { DegradedReason, LloomBehaviour } from '@lloom/behaviour';
import { counted, ok, skip, warn, type Judgement } from './finding.ts';
import { until, type Bound, type Teller } from './waiting.ts';

/** How one topic stands. */
export interface MeshFacts {
  readonly topic: string;
  /** Connected peers. */
  readonly peers: number;
  /** Those of them that are subscribed. */
  readonly topicPeers: number;
  /** Those of them to which messages are passed on at once. */
  readonly meshPeers: number;
  /** What the node raised of it, with what it says can be done. */
  readonly alarm?: { readonly reason: DegradedReason; readonly hint: string };
}

const wanted = 4;

/** What changes a mesh. */
const changes = ['gossipsub:graft', 'gossipsub:heartbeat', 'subscription-change'] as const;

/** Subscribes to topics beside those that the node has by itself, and waits until the meshes have formed. */
export async function watchMeshes(
  node: LloomBehaviour,
  wantedTopics: readonly string[],
  bound: Bound,
): Promise<MeshFacts[]> {
  const alarms = new Map<string | undefined, NonNullable<MeshFacts['alarm']>>();
  node.addEventListener('gossip:degraded', ({ detail: { topic, reason, hint } }) =>
    alarms.set(topic, { reason, hint }),
  );
  for (const topic of wantedTopics) await node.subscribeTopic(topic);
  const topics = node.gossipsub.getTopics();
  const peers = node.connectedPeers().length;
  const facts = (): MeshFacts[] =>
    topics.map((topic) => {
      const topicPeers = node.gossipsub.getSubscribers(topic).length;
      const alarm = alarms.get(topic) ?? alarms.get(undefined);
      const meshPeers = node.gossipsubMeshPeers(topic).length;
      return { topic, peers, topicPeers, meshPeers, ...(alarm && { alarm }) };
    });
  const teller: Teller = {
    on: (tell) => {
      for (const type of changes) node.gossipsub.addEventListener(type, tell);
      return () => changes.forEach((type) => node.gossipsub.removeEventListener(type, tell));
    },
  };
  if (peers > 0) await until(bound, teller, () => isFormed(facts()));
  return facts();
}

/** Whether there is nothing left to wait for: somebody is there, and in every mesh that can have somebody. */
export function isFormed(facts: readonly MeshFacts[]): boolean {
  const alive = facts.filter(({ topicPeers }) => topicPeers > 0);
  return (
    alive.length > 0 && alive.every(({ topicPeers, meshPeers }) => meshPeers >= Math.min(wanted, topicPeers))
  );
}

/** Whether messages of that topic reach the node at once. */
export function judgeMesh({ peers, topicPeers, meshPeers, alarm }: MeshFacts): Judgement {
  if (peers === 0) return skip('nobody is connected');
  if (alarm !== undefined)
    return warn(
      `${alarm.reason}, with ${meshPeers} of ${counted(topicPeers, 'peer')} in the mesh`,
      alarm.hint,
    );
  if (topicPeers === 0) return skip(`none of ${counted(peers, 'connected peer')} is subscribed`);
  if (meshPeers === 0)
    return warn(
      `none of ${counted(topicPeers, 'subscribed peer')} is in the mesh: messages come late, by hearsay`,
      'Join through more peers: the meshes of these may be full. It may also need some seconds more.',
    );
  const finding = `${meshPeers} of ${counted(topicPeers, 'subscribed peer')} in the mesh`;
  return meshPeers < Math.min(wanted, topicPeers)
    ? warn(finding, 'Join through more peers: with so few in the mesh one that goes is felt.')
    : ok(finding);
}
