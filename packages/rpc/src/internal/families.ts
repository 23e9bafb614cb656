import { secondsBuckets, type HistogramFamily, type MetricFamily } from '@lloom/core';

/** Requests of this node that have ended. */
export const requests = {
  name: 'rpc_requests_total',
  help: 'Requests of this node by how they ended for whoever made them: answered, or the code of the error. One with retries counts once.',
  labels: ['method', 'outcome'],
} as const satisfies MetricFamily;

/** Requests of this node that were made once more. */
export const retries = {
  name: 'rpc_retries_total',
  help: 'How often requests of this node were made beyond the first time: after a failure (retry), or of somebody beside who was slow to begin (hedge).',
  labels: ['method', 'kind'],
} as const satisfies MetricFamily;

/** What answers take. */
export const requestSeconds = {
  name: 'rpc_request_seconds',
  help: 'Time from a request of this node to its proven answer, over all retries.',
  labels: ['method'],
  buckets: secondsBuckets,
} as const satisfies HistogramFamily;

/** What the first text takes. */
export const firstTokenSeconds = {
  name: 'rpc_first_token_seconds',
  help: 'Time from a request of this node to the first chunk of its answer, of answers in chunks.',
  labels: ['method'],
  buckets: secondsBuckets,
} as const satisfies HistogramFamily;

/** Requests of others that have ended. */
export const served = {
  name: 'rpc_served_total',
  help: 'Requests of others by how they ended here: answered, or another last state. Refused are also those turned away unread and those that the handler refused with a code; expired are those whose client waited shorter than this node works, omitted those that took too long for this node itself.',
  labels: ['method', 'outcome'],
} as const satisfies MetricFamily;

/** What answering takes. */
export const servedSeconds = {
  name: 'rpc_served_seconds',
  help: 'Time from the first byte of a request of another node to the end of its answer, of those that were answered.',
  labels: ['method'],
  buckets: secondsBuckets,
} as const satisfies HistogramFamily;

/** What waiting for a slot takes. */
export const queueSeconds = {
  name: 'rpc_queue_seconds',
  help: 'Time that requests of others waited for a slot, 0 for those that were started at once.',
  buckets: secondsBuckets,
} as const satisfies HistogramFamily;

/** Tokens of answers. */
export const tokens = {
  name: 'rpc_tokens_total',
  help: 'Tokens of the answers that this node has given (sent), to each who asked, and was given (received), as whoever answered counts them.',
  labels: ['direction'],
} as const satisfies MetricFamily;

/** Requests of this node under way. */
export const pendingRequests = {
  name: 'rpc_pending_requests',
  help: 'Requests of this node that have not ended.',
} as const satisfies MetricFamily;

/** Requests of others under way. */
export const activeRequests = {
  name: 'rpc_active_requests',
  help: 'Requests of others that are being read, wait, are worked on or answered.',
} as const satisfies MetricFamily;

/** Requests of others that wait. */
export const queuedRequests = {
  name: 'rpc_queued_requests',
  help: 'Requests of others that wait for a slot.',
} as const satisfies MetricFamily;

/** How much is worked on at once. */
export const slots = {
  name: 'rpc_slots',
  help: 'How many requests of others are worked on at the same time at most.',
} as const satisfies MetricFamily;

/** How much more could be. */
export const freeSlots = {
  name: 'rpc_free_slots',
  help: 'How many more requests of others would be started at once.',
} as const satisfies MetricFamily;
