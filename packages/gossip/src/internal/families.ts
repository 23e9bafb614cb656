import { secondsBuckets, type HistogramFamily, type MetricFamily } from '@lloom/core';

/** Messages that somebody took from this node. */
export const published = {
  name: 'gossip_published_total',
  help: 'Messages that this node has published.',
  labels: ['topic'],
} as const satisfies MetricFamily;

/** Messages of others that were accepted. */
export const received = {
  name: 'gossip_received_total',
  help: 'Messages of others that this node has accepted.',
  labels: ['topic'],
} as const satisfies MetricFamily;

/** Messages of others that were not passed on. */
export const dropped = {
  name: 'gossip_dropped_total',
  help: 'Messages of others that this node has not passed on, by why not.',
  labels: ['reason'],
} as const satisfies MetricFamily;

/** What messages take on their way. The clocks of two nodes are in it. */
export const delay = {
  name: 'gossip_delay_seconds',
  help: 'Time from the stamp of the author to the acceptance here, by the clocks of both; less than nothing counts as 0.',
  labels: ['topic'],
  buckets: secondsBuckets,
} as const satisfies HistogramFamily;

/** Who is in the mesh of a subscribed topic. */
export const meshPeers = {
  name: 'gossip_mesh_peers',
  help: 'Neighbours in the mesh of each subscribed topic; topics of users are added up.',
  labels: ['topic'],
} as const satisfies MetricFamily;

/** Who is subscribed to a topic as this node is. */
export const topicPeers = {
  name: 'gossip_topic_peers',
  help: 'Connected peers of each subscribed topic; topics of users are added up.',
  labels: ['topic'],
} as const satisfies MetricFamily;

/** Where messages may not arrive. */
export const degraded = {
  name: 'gossip_degraded',
  help: 'Why messages may not arrive: how many topics lack peers or a mesh, and 1 for what is wrong with the whole node.',
  labels: ['reason'],
} as const satisfies MetricFamily;
