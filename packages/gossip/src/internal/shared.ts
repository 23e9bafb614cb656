import type { EventSink } from '@lloom/core';
import type { ResolvedConfig } from '../config.ts';
import type { GossipEvents } from '../events.ts';
import type { ResolvedPorts, Router } from '../ports.ts';

/** What the parts of the service share. Each says with `Pick` what it uses. */
export interface Shared extends ResolvedPorts {
  readonly config: ResolvedConfig;
  readonly router: Router;
  /** Told of what happens. */
  readonly events: EventSink<GossipEvents>;
}
