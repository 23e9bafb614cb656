import type { EventSource, Meter, MetricFamily } from '@lloom/core';
import type { NatEvents } from '../events.ts';
import type { NatStatus } from '../types.ts';

const statusFamily = {
  name: 'nat_status',
  help: 'Whether others can reach this node, as far as it is known: 1 for what it is, 0 for the others.',
  labels: ['kind'],
} as const satisfies MetricFamily;

const reservationsFamily = {
  name: 'nat_reservations',
  help: 'Relays that keep a place for this node, so that it can be reached through them.',
} as const satisfies MetricFamily;

const relayedConnectionsFamily = {
  name: 'nat_relayed_connections',
  help: 'Open connections of this node that go through a relay.',
} as const satisfies MetricFamily;

const circuitsFamily = {
  name: 'nat_circuits',
  help: 'Connections that this node carries for others now.',
} as const satisfies MetricFamily;

const placesFamily = {
  name: 'nat_places',
  help: 'Peers that may be reached through this node now.',
} as const satisfies MetricFamily;

const placesLimitFamily = {
  name: 'nat_places_limit',
  help: 'How many peers may be reached through this node at the same time; 0 when it does not relay.',
} as const satisfies MetricFamily;

/** Counted where bytes pass. */
export const relayedBytesFamily = {
  name: 'nat_relayed_bytes_total',
  help: 'Bytes that this node has handed on for others, both ways together.',
} as const satisfies MetricFamily;

const upgradesFamily = {
  name: 'nat_upgrades_total',
  help: 'Ends of searches for a way to a peer without its relay: how one was found, or relayed where none was.',
  labels: ['outcome'],
} as const satisfies MetricFamily;

const relaysLostFamily = {
  name: 'nat_relays_lost_total',
  help: 'Places at relays that were lost, not counting those that this node gave up.',
} as const satisfies MetricFamily;

/** What is asked for when somebody looks. */
export interface NatFigures {
  readonly status: () => NatStatus['kind'];
  readonly reservations: () => number;
  readonly relayedConnections: () => number;
  readonly circuits: () => number;
  readonly places: () => number;
  readonly placesLimit: () => number;
}

const kinds: readonly NatStatus['kind'][] = ['public', 'private', 'unknown'];

/** What is said of a place that nobody took away. */
export const givenUp = 'given up';

/** Fills the families of the service, but for the bytes that it relays. */
export function measureNat(meter: Meter, events: EventSource<NatEvents>, figures: NatFigures): void {
  meter.gauge(statusFamily, () => {
    const current = figures.status();
    return kinds.map((kind) => ({ labels: { kind }, value: kind === current ? 1 : 0 }));
  });
  meter.gauge(reservationsFamily, figures.reservations);
  meter.gauge(relayedConnectionsFamily, figures.relayedConnections);
  meter.gauge(circuitsFamily, figures.circuits);
  meter.gauge(placesFamily, figures.places);
  meter.gauge(placesLimitFamily, figures.placesLimit);
  const upgrades = (outcome: string) => meter.counter(upgradesFamily, { outcome });
  const upgraded = {
    dialed: upgrades('dialed'),
    reversed: upgrades('reversed'),
    punched: upgrades('punched'),
  };
  const relayed = upgrades('relayed');
  const lost = meter.counter(relaysLostFamily);
  events.addEventListener('connection:upgraded', ({ detail }) => upgraded[detail.how]());
  events.addEventListener('connection:stays-relayed', ({ detail }) => {
    if (detail.reason !== 'disabled') relayed();
  });
  events.addEventListener('relay:lost', ({ detail }) => {
    if (detail.reason !== givenUp) lost();
  });
}
