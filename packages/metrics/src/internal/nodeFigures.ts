import type { Clock } from '@lloom/core';
import type { Store } from './store.ts';
import type { Traffic } from './traffic.ts';

/** What libp2p is counted with. */
export interface NodeFigures {
  readonly clock: Clock;
  readonly store: Store;
  readonly traffic: Traffic;
  /** Told when libp2p starts, each time, with the node's peer id. */
  readonly onStart: (peerId: string) => void;
  /** Told when it stops, once for each start. */
  readonly onStop: () => void;
}
