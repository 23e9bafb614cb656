import type { MetricFamily } from '@lloom/core';

/** Bytes of connections, those of relayed ones counted where they pass: on the connection to the relay. */
export const networkBytes = {
  name: 'network_bytes_total',
  help: 'Bytes over connections, as they travel: encrypted, and with the framing of streams.',
  labels: ['direction'],
} as const satisfies MetricFamily;

export const protocolBytes = {
  name: 'protocol_bytes_total',
  help: 'Bytes of streams by their protocol, without encryption and framing.',
  labels: ['protocol', 'direction'],
} as const satisfies MetricFamily;

export const protocolStreams = {
  name: 'protocol_streams_total',
  help: 'Streams that were opened, by their protocol and by who opened them.',
  labels: ['protocol', 'direction'],
} as const satisfies MetricFamily;

export const openStreams = {
  name: 'protocol_open_streams',
  help: 'Streams that are open, by their protocol.',
  labels: ['protocol'],
} as const satisfies MetricFamily;

export const bandwidth = {
  name: 'network_bandwidth_bytes_per_second',
  help: 'Bytes per second over connections, averaged over the last seconds.',
  labels: ['direction'],
} as const satisfies MetricFamily;

export const droppedLabelSets = {
  name: 'metrics_label_sets_dropped_total',
  help: 'How often a figure was counted under the label "other" because its family had too many already.',
} as const satisfies MetricFamily;
