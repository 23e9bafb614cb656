import type { NodeState } from '@lloom/behaviour';
import type { LiveChanges, LiveMachine } from '@lloom/inspector';

/** What happened lately, for curves: a sample each second, at most 120. */
export interface ViewSample {
  /** In ms since 1970. */
  readonly at: number;
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  /** Requests and answers sent, and gossip published, in the second before. */
  readonly sentPerSecond: number;
  readonly receivedPerSecond: number;
  readonly activeRequests: number;
  readonly connectedPeers: number;
}

/** A request that is under way, or ended a moment ago; what its machines do is told as their actors. */
export interface ViewRequest {
  readonly requestId: string;
  readonly direction: 'out' | 'in';
  readonly peerId: string;
  /** `ping`, `llmRequest`, or the name of a custom protocol; absent where it is not known. */
  readonly method?: string;
  readonly startedAt?: number;
  readonly deadlineAt?: number;
  readonly attempt?: number;
  /** Keys of the actors that carry it, as `actors` events name them. */
  readonly actors: readonly number[];
}

/** What the page is told each second: event `state`. */
export interface ViewState {
  /** Counts from 1. */
  readonly sequence: number;
  /** Which sort of node this is, as the command was called. */
  readonly role: string;
  readonly node: NodeState;
  /** At most 200, those under way first, and of each the youngest first. */
  readonly requests: readonly ViewRequest[];
  /** How many more there are. */
  readonly requestsLeftOut: number;
  readonly samples: readonly ViewSample[];
  readonly machines: readonly LiveMachine[];
}

/** What the page is told as soon as machines do something, at most five times a second: event `actors`. */
export type ViewActors = LiveChanges;
