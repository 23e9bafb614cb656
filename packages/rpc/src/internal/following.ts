import type { Span } from '@lloom/core';
import type { RequestId } from '../types.ts';
import type { AnswerFollower } from './answerFeeds.ts';
import type { Leaving } from './exchange.ts';

/** A request that is given an answer. */
export interface Follower extends AnswerFollower {
  readonly requestId: RequestId;
  readonly peerId: string;
  /** Until when its client waits, by the monotonic clock, in ms. */
  readonly deadlineMs: number;
  /** How many bytes a relay still lets through to it, beside what others are to be told; `undefined`: as many as one likes. */
  readonly bytesLeft: number | undefined;
  /** Whether its client waits still. */
  readonly isWaiting: boolean;
  readonly method: string;
  /** Its idempotency key; `undefined`: it has none. */
  readonly key: string | undefined;
  /** What follows it; `undefined`: nothing does. */
  readonly span: Span | undefined;
  /** What it follows; to be left when it ends. */
  follow(followed: Followed): void;
  /** All slots are taken: it waits for one. */
  onQueued(): void;
  /** It is run now, or was. */
  onStarted(): void;
  /** It is not run. */
  refuse(error: unknown): void;
  /** Something runs that it has begun, which may outlive it. */
  onWorking(): void;
  /** That runs no more. */
  onSettled(): void;
}

/** How a follower ended: it was told all, its time is over, the node stops, or its client left. */
export type Departure = 'told' | 'deadline' | 'stopped' | Leaving;

/** What gives answers to followers. */
export interface Followed {
  /** The tokens of the answer, as whoever made it counts them; 0 for one without. Looked at when all of it is said. */
  readonly outboundTokens: number;
  /** The follower is given no more. */
  leave(follower: Follower, how: Departure): void;
}
