import { secondsBuckets, type HistogramFamily, type MetricFamily } from '@lloom/core';

/** Descriptors of others that are believed. */
export const accepted = {
  name: 'discovery_descriptors_accepted_total',
  help: 'Descriptors of others that were proven and new.',
} as const satisfies MetricFamily;

/** Descriptors of others that were refused. */
export const dropped = {
  name: 'discovery_descriptors_dropped_total',
  help: 'Descriptors of others that were refused, by why.',
  labels: ['reason'],
} as const satisfies MetricFamily;

/** Searches for a list of providers. Those that their caller or the stop ended are not counted. */
export const searches = {
  name: 'discovery_searches_total',
  help: 'Searches for providers, by whether anybody was found, nobody, or the search failed.',
  labels: ['outcome'],
} as const satisfies MetricFamily;

/** How long the same took. */
export const searchTime = {
  name: 'discovery_search_seconds',
  help: 'Time of searches for providers, whatever came of them.',
  buckets: secondsBuckets,
} as const satisfies HistogramFamily;

/** Who is known to offer what. */
export const providers = {
  name: 'discovery_providers',
  help: 'Peers that are known and believed to offer a service, by its kind.',
  labels: ['kind'],
} as const satisfies MetricFamily;

/** Whether this node is part of the network. */
export const joined = {
  name: 'discovery_joined',
  help: 'Whether this node has joined the network: 1 when it has, and on a node without bootstrap peers, which others join.',
} as const satisfies MetricFamily;
