import type { RelayServerConfig } from '../types.ts';

/** Carries connections for others. */
export interface RelayHost {
  /** Begins, or goes on by another configuration: places stay as long as they were promised, connections as they are. */
  open(config: Required<RelayServerConfig>): Promise<void>;
  /** Ends all places, and all connections that go through this node. */
  close(): Promise<void>;
}
