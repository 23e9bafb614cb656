import type { MetricFamily } from '@lloom/core';

/** Peers with an open connection. */
export const connected = {
  name: 'peers_connected',
  help: 'Peers that are connected.',
} as const satisfies MetricFamily;

/** The same by what they are. */
export const connectedByRole = {
  name: 'peers_connected_by_role',
  help: 'Connected peers of each role; one may have several, or none that is known.',
  labels: ['role'],
} as const satisfies MetricFamily;

/** Open connections; a peer may have several. */
export const connections = {
  name: 'peers_connections',
  help: 'Open connections, by who dialled: outbound is this node.',
  labels: ['direction'],
} as const satisfies MetricFamily;

/** Bans that hold. */
export const banned = {
  name: 'peers_banned',
  help: 'Peers that are banned now.',
} as const satisfies MetricFamily;

/** Dials that this service has made. One that was given up, or that a connection of the peer has overtaken, is none. */
export const dials = {
  name: 'peers_dials_total',
  help: 'Dials of peers, by whether they led to a connection.',
  labels: ['outcome'],
} as const satisfies MetricFamily;

/** Bans, those included that took the place of another one. */
export const bans = {
  name: 'peers_bans_total',
  help: 'Bans of peers, by the user or for their reputation.',
} as const satisfies MetricFamily;

/** What counts for the reputation of peers. */
export const facts = {
  name: 'peers_facts_total',
  help: 'What peers did that counts for their reputation, by what it was.',
  labels: ['fact'],
} as const satisfies MetricFamily;
