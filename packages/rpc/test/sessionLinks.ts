import type { SessionLink, SessionLinkUser } from '../src/ports.ts';

/** How bytes pass from one end to the other. */
export interface LinksConfig {
  /** How many bytes may be under way from one end before its writer has to wait. @default any number */
  readonly capacityBytes?: number;
  /** How many bytes arrive together at most. Asked for each piece. @default as many as were handed over together */
  readonly chunkBytes?: () => number;
  /** Whether ends keep all bytes that they were given to write and that arrived. */
  readonly isRecorded?: boolean;
  /** Called when an end has bytes to deliver, wants a turn, or takes bytes again. */
  readonly onWork?: (end: LinkEnd) => void;
}

/** One end of a session in memory. Nothing happens by itself: turns end and bytes arrive when the test says so. */
export class LinkEnd implements SessionLink {
  /** The bytes of each write. */
  readonly writes: number[] = [];
  /** What was written, when it is recorded. */
  readonly written: Uint8Array[] = [];
  /** What has arrived at the other end, when it is recorded. */
  readonly delivered: Uint8Array[] = [];
  /** What its session threw at it when it was told something. A link must never be thrown at. */
  readonly thrown: unknown[] = [];
  /** Bytes that the other end has been given. */
  deliveredBytes = 0;
  /** Why it ended. */
  closedBy: Error | undefined;
  isPaused = false;
  readonly #config: LinksConfig;
  readonly #closed = Promise.withResolvers<void>();
  #peer: LinkEnd | undefined;
  #user: SessionLinkUser | undefined;
  #deferred: (() => void)[] = [];
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Set when nothing more is written: how the other end learns of it. */
  #last: { readonly reset?: Error } | undefined;
  #needsDrain = false;
  #cutAt = Infinity;

  constructor(config: LinksConfig) {
    this.#config = config;
  }

  /** Ties it to the other end. */
  join(peer: LinkEnd): void {
    this.#peer = peer;
  }

  /** Bytes under way to the other end. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Bytes that the session has written in all. */
  get handedOverBytes(): number {
    return this.deliveredBytes + this.#queuedBytes;
  }

  /** Whether a turn is to end. */
  get hasDeferred(): boolean {
    return this.#deferred.length > 0;
  }

  /** Whether something would happen: a turn that ends, bytes or an end that arrive. */
  get hasWork(): boolean {
    if (this.#deferred.length > 0) return true;
    const isDeliverable = this.#queuedBytes > 0 ? !this.#peer!.isPaused : this.#last !== undefined;
    return isDeliverable && this.#peer!.closedBy === undefined;
  }

  attach(user: SessionLinkUser): void {
    this.#user = user;
    if (this.closedBy !== undefined) this.#tell(() => user.onClosed(this.closedBy!));
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.closedBy !== undefined || this.#last !== undefined) return false;
    let size = 0;
    for (const part of parts) {
      if (part.length === 0) continue;
      this.#queue.push(part);
      if (this.#config.isRecorded) this.written.push(part.slice());
      size += part.length;
    }
    this.writes.push(size);
    this.#queuedBytes += size;
    this.#needsDrain ||= this.#queuedBytes > (this.#config.capacityBytes ?? Infinity);
    this.#config.onWork?.(this);
    return !this.#needsDrain;
  }

  defer(act: () => void): void {
    this.#deferred.push(act);
    this.#config.onWork?.(this);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.#config.onWork?.(this.#peer!);
  }

  close(): Promise<void> {
    if (this.#last === undefined && this.closedBy === undefined) {
      this.#last = {};
      this.#config.onWork?.(this);
    }
    return this.#closed.promise;
  }

  /** What was handed over before still arrives, and then the reset. */
  abort(reason: Error): void {
    if (this.closedBy !== undefined) return;
    this.#last = { reset: reason };
    this.#end(reason);
    this.#config.onWork?.(this);
  }

  /** Breaks both ends as soon as the other one has been given so many bytes in all. */
  cutAfter(bytes: number): void {
    this.#cutAt = bytes;
  }

  /** Breaks both ends at once. What is under way is lost. */
  cut(): void {
    for (const end of [this, this.#peer!]) {
      end.#queue = [];
      end.#queuedBytes = 0;
      end.#end(new Error('the connection was cut'));
    }
  }

  /** Ends the turn: whatever was put off is done. Says whether there was any. */
  turn(): boolean {
    const acts = this.#deferred;
    this.#deferred = [];
    for (const act of acts) this.#tell(act);
    return acts.length > 0;
  }

  /** Gives the other end up to so many bytes, in chunks. Says whether anything happened. */
  deliver(maxBytes = Infinity): boolean {
    const peer = this.#peer!;
    let left = Math.min(maxBytes, this.#cutAt - this.deliveredBytes);
    let hasHappened = false;
    while (left > 0 && this.#queuedBytes > 0 && !peer.isPaused) {
      const chunk = this.#take(Math.max(1, Math.min(left, this.#config.chunkBytes?.() ?? Infinity)));
      left -= chunk.length;
      this.deliveredBytes += chunk.length;
      hasHappened = true;
      if (this.#config.isRecorded) this.delivered.push(chunk);
      if (peer.closedBy === undefined) peer.#tell(() => peer.#user?.onBytes(chunk));
    }
    if (this.deliveredBytes >= this.#cutAt) this.cut();
    if (this.#queuedBytes > 0) return hasHappened;
    if (this.#needsDrain) {
      this.#needsDrain = false;
      if (this.closedBy === undefined) this.#tell(() => this.#user?.onDrain());
    }
    if (this.#last !== undefined && peer.closedBy === undefined) {
      peer.#closedByPeer(this.#last.reset);
      return true;
    }
    return hasHappened;
  }

  /** As on a stream of libp2p: a session in which one side says nothing more is over. */
  #closedByPeer(reset: Error | undefined): void {
    if (reset === undefined) void this.close();
    this.#end(reset ?? new Error('the peer ended the session'));
  }

  #end(reason: Error): void {
    if (this.closedBy !== undefined) return;
    this.closedBy = reason;
    this.#closed.resolve();
    this.#tell(() => this.#user?.onClosed(reason));
  }

  #take(maxBytes: number): Uint8Array {
    const [first] = this.#queue as [Uint8Array];
    // A copy, as what a network gives: what is written over later must not be seen.
    const chunk = first.slice(0, maxBytes);
    if (chunk.length === first.length) this.#queue.shift();
    else this.#queue[0] = first.subarray(chunk.length);
    this.#queuedBytes -= chunk.length;
    return chunk;
  }

  #tell(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.thrown.push(error);
    }
  }
}

/** The two ends of a session. */
export interface Links {
  readonly near: LinkEnd;
  readonly far: LinkEnd;
  /** Ends a turn of both ends, and delivers what is under way. Says whether anything happened. */
  readonly step: () => boolean;
  /** Goes on until nothing more happens. Promises do not settle meanwhile. */
  readonly run: () => void;
}

/** Two ends that are tied to each other. */
export function createLinks(config: LinksConfig = {}): Links {
  const [near, far] = [new LinkEnd(config), new LinkEnd(config)];
  near.join(far);
  far.join(near);
  const step = (): boolean =>
    [near.turn(), far.turn(), near.deliver(), far.deliver()].some((hasHappened) => hasHappened);
  const run = (): void => {
    while (step());
  };
  return { near, far, step, run };
}
