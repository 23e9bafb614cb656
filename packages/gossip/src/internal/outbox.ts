import type { Sent } from '../ports.ts';

/** A message that is to be sent. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  /** How long its caller waits for a peer, from `beganAtMs` on. */
  readonly timeoutMs: number;
  readonly beganAtMs: number;
  readonly resolve: (sent: Sent) => void;
  readonly reject: (error: Error) => void;
  /** Its caller gives up. */
  readonly signal: AbortSignal | undefined;
  /** Whether it is sent as it was encoded: it did not have to wait. */
  isFresh: boolean;
  timer: unknown;
}

/** The messages of one topic, in the order in which they are sent. */
export class Outbox {
  readonly topic: string;
  /** `waiting`: there is nobody to send to. */
  state: 'sending' | 'waiting' | 'closed' = 'sending';
  /** Whether links have changed since the last attempt. */
  hasNewLinks = false;
  /** What is being sent. */
  current: Outgoing | undefined;
  entries: Outgoing[] = [];

  constructor(topic: string) {
    this.topic = topic;
  }

  /** Takes the next one to be sent; `undefined` when all are. It stays at the front until it is removed. */
  begin(): Outgoing | undefined {
    this.state = 'sending';
    this.hasNewLinks = false;
    this.current = this.entries[0];
    return this.current;
  }

  /** Nobody is there: all wait. */
  park(): void {
    this.state = 'waiting';
    this.current = undefined;
  }

  /** Removes a message; whether it was there. */
  remove(entry: Outgoing): boolean {
    const at = this.entries.indexOf(entry);
    if (at >= 0) this.entries.splice(at, 1);
    return at >= 0;
  }
}
