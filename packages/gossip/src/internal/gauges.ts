import type { GaugeSample, Meter, MetricFamily } from '@lloom/core';
import { GossipTopic, type DegradedReason, type TopicSnapshot } from '../types.ts';
import * as families from './families.ts';

/** The name under which topics that are not the network's are counted: names are chosen by users, labels must be few. */
export const custom = 'custom';

const reasons: readonly DegradedReason[] = ['NO_PEERS', 'NO_MESH', 'THIN_MESH', 'OVERLOADED', 'CLOCK_SKEW'];
const networkTopics: ReadonlySet<string> = new Set(Object.values(GossipTopic));

/** Where the figures come from. */
export interface GaugeSources {
  /** Every subscribed topic as it stands; none while the service does not run. */
  topics(): readonly TopicSnapshot[];
  /** What is wrong with the whole node. */
  alarms(): readonly DegradedReason[];
}

/** Shows the meter how the topics stand, whenever it asks. */
export function showGauges(meter: Meter, sources: GaugeSources): void {
  const byTopic = (family: MetricFamily, figure: 'meshPeers' | 'topicPeers'): void =>
    meter.gauge(family, () => sumsByTopic(sources.topics(), figure));
  byTopic(families.meshPeers, 'meshPeers');
  byTopic(families.topicPeers, 'topicPeers');
  meter.gauge(families.degraded, () => {
    const topics = sources.topics().filter(({ state }) => state === 'degraded');
    const found = [...topics.map(({ reason }) => reason), ...sources.alarms()];
    return reasons.map((reason) => ({
      labels: { reason },
      value: found.filter((other) => other === reason).length,
    }));
  });
}

function sumsByTopic(
  topics: readonly TopicSnapshot[],
  figure: 'meshPeers' | 'topicPeers',
): readonly GaugeSample[] {
  const sums = new Map<string, number>();
  for (const { topic, [figure]: count } of topics) {
    const name = networkTopics.has(topic) ? topic : custom;
    sums.set(name, (sums.get(name) ?? 0) + count);
  }
  return Array.from(sums, ([topic, value]) => ({ labels: { topic }, value }));
}
