import { sessionFrame, sessionHeaderBytes, writeSessionHeader, type SessionFrameKind } from '@lloom/codec';
import type { SessionLink } from '../ports.ts';
import type { AnswerKind } from './exchange.ts';
import { initialCreditBytes } from './incoming.ts';
import { costOfWriteBytes } from './relayRoom.ts';

/**
 * What one frame holds here. Large messages take turns in pieces of this size; with its headers and those of Yamux one
 * just fits into a record of Noise, so that it is not cut and joined again on its way.
 */
const maxPayloadBytes = 64 * 1024 - 64;
/** What large messages may fill of one write, so that nothing else waits for longer than that takes. */
const turnBytes = 4 * maxPayloadBytes;
/** A turn that has written so much hands it over: the peer can begin with it while the rest is made. */
const earlyBytes = 32 * 1024;
/** Frames up to this size are copied next to one another; a larger one is handed over as it is. */
const maxCopiedBytes = 16 * 1024;
/** Frames are laid out in slabs: what the network still holds of an old one stays as it is. */
const slabBytes = 64 * 1024;
/** What may wait for a peer that takes nothing before nothing more is read from it. */
const maxWaitingBytes = 256 * 1024;

const nothing = new Uint8Array(0);
const isOver = new Error('the session is over');

/** What is written to one session: frames of one turn leave together, and large messages take turns behind small ones. */
export class Outbox {
  readonly #link: SessionLink;
  /** Flows in the order of their turns. */
  readonly #ring = new Set<OutgoingFlow>();
  #parts: Uint8Array[] = [];
  #slab: Uint8Array = nothing;
  #start = 0;
  #used = 0;
  #isScheduled = false;
  #isBlocked = false;
  #isTakingTurns = false;
  #isClosed = false;
  #waitingBytes = 0;
  #turnBytes = 0;
  #queuedBytes = 0;
  #writtenBytes = 0;

  constructor(link: SessionLink) {
    this.#link = link;
  }

  /** Whether the network takes nothing for now. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Whether nothing waits to be written. */
  get isEmpty(): boolean {
    return this.#ring.size === 0 && this.#parts.length === 0 && this.#used === this.#start;
  }

  /** What was given to it in all, with what its writes cost a connection beside. */
  get costBytes(): number {
    let bytes = this.#writtenBytes + this.#queuedBytes + this.#used - this.#start;
    for (const part of this.#parts) bytes += part.length;
    return bytes;
  }

  /** So many bytes of messages wait more than before, or less. */
  queued(bytes: number): void {
    this.#queuedBytes += bytes;
  }

  /** Writes a frame with this turn's others. `before` stands in front of the payload. */
  write(
    kind: SessionFrameKind,
    id: number,
    { payload = nothing, more = false, before = nothing }: Payload = {},
  ): void {
    if (this.#isClosed) return;
    const length = before.length + payload.length;
    const isCopied = payload.length <= maxCopiedBytes;
    this.#reserve(sessionHeaderBytes + before.length + (isCopied ? payload.length : 0));
    writeSessionHeader(this.#slab, this.#used, { length, kind, more, id });
    this.#used += sessionHeaderBytes;
    this.#append(before);
    if (isCopied) {
      this.#append(payload);
    } else {
      this.#cut();
      this.#parts.push(payload);
    }
    if (this.#isTakingTurns) return;
    this.#schedule();
    if (this.#isBlocked) this.#wait(sessionHeaderBytes + length);
    else if ((this.#turnBytes += length) > earlyBytes) this.#handOver();
  }

  /** Takes a flow that has something to write, behind the others, unless it waits already. */
  enqueue(flow: OutgoingFlow): void {
    if (this.#isClosed) return flow.drop(isOver);
    this.#ring.add(flow);
    this.#schedule();
  }

  /** Forgets a flow that has nothing to write any more. */
  leave(flow: OutgoingFlow): void {
    this.#ring.delete(flow);
  }

  /** The network takes more again. */
  unblock(): void {
    this.#isBlocked = false;
    if (this.#waitingBytes > maxWaitingBytes) this.#link.resume();
    this.#waitingBytes = 0;
    this.flush();
  }

  /** Hands over what was written in this turn, and what large messages may add to it. */
  readonly flush = (): void => {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    this.#isTakingTurns = true;
    try {
      if (!this.#isBlocked) this.#takeTurns();
    } catch (error) {
      // Half a frame may be written: nothing behind it could be read.
      return this.#link.abort(error as Error);
    } finally {
      this.#isTakingTurns = false;
    }
    this.#handOver();
    if (this.#ring.size > 0 && !this.#isBlocked) this.#schedule();
  };

  /** Nothing is written any more. */
  close(): void {
    this.#isClosed = true;
    this.#parts = [];
    this.#ring.clear();
    this.#start = this.#used;
  }

  /** Hands over what is written. Large messages get their turn at its end, however much small ones there are in it. */
  #handOver(): void {
    this.#turnBytes = 0;
    this.#cut();
    const parts = this.#parts;
    if (parts.length === 0) return;
    this.#parts = [];
    this.#writtenBytes += costOfWriteBytes;
    for (const { length } of parts) this.#writtenBytes += length;
    if (!this.#link.write(parts)) this.#isBlocked = true;
  }

  /** A peer that takes nothing, and still asks, is not listened to until it takes something. */
  #wait(bytes: number): void {
    this.#waitingBytes += bytes;
    if (this.#waitingBytes > maxWaitingBytes) this.#link.pause();
  }

  #takeTurns(): void {
    let left = turnBytes;
    // One that goes on is met again, behind the others.
    for (const flow of this.#ring) {
      this.#handOver();
      if (this.#isBlocked) return;
      this.#ring.delete(flow);
      left -= flow.writePiece();
      if (flow.canWrite) this.#ring.add(flow);
      if (left <= 0) return;
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#link.defer(this.flush);
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#slab.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#slab.length) return;
    this.#cut();
    const buffer = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes));
    this.#slab = new Uint8Array(buffer.buffer, 0, buffer.length);
    this.#start = 0;
    this.#used = 0;
  }

  #cut(): void {
    if (this.#used > this.#start) this.#parts.push(this.#slab.subarray(this.#start, this.#used));
    this.#start = this.#used;
  }
}

interface Payload {
  readonly payload?: Uint8Array;
  readonly more?: boolean;
  readonly before?: Uint8Array;
}

/** A message that waits for credit or for its turn. */
interface Waiting {
  readonly kind: 'request' | AnswerKind;
  readonly message: Uint8Array;
  readonly before: Uint8Array;
  readonly written: PromiseWithResolvers<void>;
  offset: number;
}

/** The request that a flow belongs to. */
export interface FlowOwner {
  /** Gives the number of its frames. Called once, when the first is written: so numbers rise on the wire. */
  begin(): number;
}

/** What one side of one request writes: its messages in order, as far as its reader grants. */
export class OutgoingFlow {
  readonly #outbox: Outbox;
  readonly #owner: FlowOwner;
  readonly #queue: Waiting[] = [];
  #credit = initialCreditBytes;
  /** 0: nothing has been written. */
  #id = 0;

  constructor(outbox: Outbox, owner: FlowOwner) {
    this.#outbox = outbox;
    this.#owner = owner;
  }

  /** Whether anything of it was handed to the network. */
  get hasBegun(): boolean {
    return this.#id > 0;
  }

  /** Whether it has something to write and may. */
  get canWrite(): boolean {
    const [next] = this.#queue;
    return next !== undefined && (this.#credit > 0 || next.message.length === next.offset);
  }

  /** Writes a message, now or when its turn comes: then a promise of that. `before` goes in front, once, and is free. */
  send(kind: Waiting['kind'], message: Uint8Array, before: Uint8Array = nothing): Promise<void> | undefined {
    const isSmall = before.length + message.length <= maxPayloadBytes;
    const mayGo = this.#queue.length === 0 && message.length <= this.#credit && !this.#outbox.isBlocked;
    if (isSmall && mayGo) {
      this.#credit -= message.length;
      this.#write(kind, { payload: message, more: false, before });
      return undefined;
    }
    const written = Promise.withResolvers<void>();
    this.#queue.push({ kind, message, before, written, offset: 0 });
    this.#outbox.queued(message.length);
    this.#enterRing();
    return written.promise;
  }

  /** The reader takes so many bytes more. Credit beyond what can be counted breaks nothing. */
  grant(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, Number.MAX_SAFE_INTEGER);
    this.#enterRing();
  }

  /** Writes the next piece; gives its size. */
  writePiece(): number {
    const [next] = this.#queue;
    if (next === undefined) return 0;
    const { kind, message, before, written, offset } = next;
    const isFirst = offset === 0;
    const room = maxPayloadBytes - (isFirst ? before.length : 0);
    const end = Math.min(message.length, offset + Math.min(room, this.#credit));
    const more = end < message.length;
    const payload = isFirst && !more ? message : message.subarray(offset, end);
    this.#credit -= payload.length;
    this.#outbox.queued(-payload.length);
    next.offset = end;
    const isRestOfRequest = kind === 'request' && !isFirst;
    this.#write(isRestOfRequest ? 'end' : kind, { payload, more, before: isFirst ? before : nothing });
    if (!more) {
      this.#queue.shift();
      written.resolve();
    }
    return payload.length;
  }

  /** Drops what waits. */
  drop(reason: Error): void {
    if (this.#queue.length === 0) return;
    this.#outbox.leave(this);
    for (const { written, message, offset } of this.#queue.splice(0)) {
      this.#outbox.queued(offset - message.length);
      written.reject(reason);
    }
  }

  #enterRing(): void {
    if (this.canWrite) this.#outbox.enqueue(this);
  }

  #write(kind: Waiting['kind'], parts: Payload): void {
    if (this.#id === 0) this.#id = this.#owner.begin();
    this.#outbox.write(frameKind(kind, parts.more ?? false), this.#id, parts);
  }
}

/** Which frame a piece goes in: only the last piece of a last message is an `end`. */
function frameKind(kind: Waiting['kind'], more: boolean): SessionFrameKind {
  if (kind === 'request') return sessionFrame.open;
  if (kind === 'error') return sessionFrame.error;
  return kind === 'end' && !more ? sessionFrame.end : sessionFrame.body;
}
