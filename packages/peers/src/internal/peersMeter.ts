import type { Meter } from '@lloom/core';
import type { PeerFact, PeerRole } from '../types.ts';
import * as families from './families.ts';
import { factWeights } from './reputation.ts';

const allFacts = Object.keys(factWeights) as PeerFact[];
const allRoles: readonly PeerRole[] = ['executor', 'validator', 'relay'];

/** How a dial can end. */
export type DialOutcome = 'connected' | 'failed';

/** Counts what happens with peers. Without a meter it does nothing. */
export class PeersMeter {
  readonly #dials: Readonly<Record<DialOutcome, () => void>> | undefined;
  readonly #ban: (() => void) | undefined;
  readonly #facts: ReadonlyMap<PeerFact, () => void> | undefined;

  /** @param meter nothing of it throws */
  constructor(meter: Meter | undefined) {
    if (meter === undefined) return;
    const dial = (outcome: DialOutcome): (() => void) => meter.counter(families.dials, { outcome });
    this.#dials = { connected: dial('connected'), failed: dial('failed') };
    this.#ban = meter.counter(families.bans);
    this.#facts = new Map(allFacts.map((fact) => [fact, meter.counter(families.facts, { fact })]));
  }

  dialled(outcome: DialOutcome): void {
    this.#dials?.[outcome]();
  }

  banned(): void {
    this.#ban?.();
  }

  noted(fact: PeerFact): void {
    this.#facts?.get(fact)?.();
  }
}

/** Where the figures come from. */
export interface GaugeSources {
  /** The peers with an open connection. */
  connected(): Iterable<string>;
  rolesOf(peerId: string): readonly PeerRole[];
  readonly connections: { readonly inbound: number; readonly outbound: number };
  /** How many are banned. */
  banned(): number;
}

/** Shows the meter who is connected and how many are banned, whenever it asks. */
export function showGauges(meter: Meter, sources: GaugeSources): void {
  meter.gauge(families.connected, () => {
    let count = 0;
    for (const _ of sources.connected()) count++;
    return count;
  });
  meter.gauge(families.connectedByRole, () => {
    const counts: Record<PeerRole, number> = { executor: 0, validator: 0, relay: 0 };
    for (const peerId of sources.connected()) for (const role of sources.rolesOf(peerId)) counts[role]++;
    return allRoles.map((role) => ({ labels: { role }, value: counts[role] }));
  });
  meter.gauge(families.connections, () => {
    const { inbound, outbound } = sources.connections;
    return [
      { labels: { direction: 'inbound' }, value: inbound },
      { labels: { direction: 'outbound' }, value: outbound },
    ];
  });
  meter.gauge(families.banned, () => sources.banned());
}
