import type { CircuitNetwork } from './circuitNetwork.ts';
import type { DirectNetwork } from './directNetwork.ts';
import type { Fields } from './lines.ts';
import type { ReachabilityNetwork } from './reachabilityNetwork.ts';
import type { RelayHost } from './relayHost.ts';
import type { RelayNetwork } from './relayNetwork.ts';

/** What each part of the service needs of a network. */
export interface Networks {
  readonly reachability: ReachabilityNetwork;
  readonly relays: RelayNetwork;
  readonly relayHost: RelayHost;
  readonly circuits: CircuitNetwork;
  readonly direct: DirectNetwork;
  /** Makes addresses that lead through relays usable, unless they are. */
  startTransport(): Promise<void>;
  /** Takes that back, where it was this service that did it. */
  stopTransport(): Promise<void>;
  log(message: string, error: unknown): void;
  /** Writes a line of the log. */
  write(text: string, fields: Fields): void;
}
