import type { Clock, EventHub, Inspector, Random } from '@lloom/core';
import type { NatEvents } from '../events.ts';

/** What every part of the service has. */
export interface Shared {
  readonly clock: Clock;
  readonly random: Random;
  readonly inspect: Inspector | undefined;
  readonly hub: EventHub<NatEvents>;
  /** Notes what nobody can be told. */
  log(message: string, error: unknown): void;
}
