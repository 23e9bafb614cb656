import type { RelayedCircuit, RelayServerConfig } from '../types.ts';

/** Carries connections for others. */
export interface RelayHost {
  /** Begins, or goes on by another configuration: places stay as long as they were promised, connections as they are. */
  open(config: Required<RelayServerConfig>): Promise<void>;
  /** Ends all places, and all connections that go through this node. */
  close(): Promise<void>;
  /** The connections that go through this node now, those of one peer or of all, the oldest first. */
  circuits(peerId?: string): readonly RelayedCircuit[];
  /** Those that ended within the last 30 s, at most 256, the one that ended first at the front. */
  endedCircuits(peerId?: string): readonly RelayedCircuit[];
  /** How many are open. */
  readonly circuitCount: number;
  /** How many peers have a place now. */
  readonly places: number;
  /** How many may have one; 0 while it is closed. */
  readonly placesLimit: number;
}
