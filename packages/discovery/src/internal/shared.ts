import type { EventSink } from '@lloom/core';
import type { ResolvedConfig } from '../config.ts';
import type { DiscoveryEvents } from '../events.ts';
import type { Dialer, Network, ResolvedPorts } from '../ports.ts';

/** What the parts of the service share. Each says with `Pick` what it uses. */
export interface Shared extends ResolvedPorts {
  readonly config: ResolvedConfig;
  readonly dialer: Dialer;
  readonly network: Network;
  /** Told of what happens. */
  readonly events: EventSink<DiscoveryEvents>;
}
