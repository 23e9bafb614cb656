import type { Meter } from '@lloom/core';
import * as families from './families.ts';
import type { KnownPeers } from './knownPeers.ts';

/** Where the figures come from. */
export interface GaugeSources {
  readonly known: Pick<KnownPeers, 'providers'>;
  /** Whether this node has joined. False while the service does not run. */
  readonly isJoined: () => boolean;
}

/** Shows the meter who is known and whether this node has joined, whenever it asks. */
export function showGauges(meter: Meter, { known, isJoined }: GaugeSources): void {
  meter.gauge(families.providers, () =>
    Object.entries(known.providers()).map(([kind, value]) => ({ labels: { kind }, value })),
  );
  meter.gauge(families.joined, () => Number(isJoined()));
}
