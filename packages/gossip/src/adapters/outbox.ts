import type { RPC } from '@libp2p/gossipsub/message';
import type { Stream } from '@libp2p/interface';
import { errorText } from '@lloom/core';
import type { OutboundStream } from './internals.ts';
import { varintSize, writeVarint } from './wire.ts';

/** Something to send. One message is the same object in every outbox. */
export interface Outgoing {
  /** An RPC with its length before it. */
  readonly frame: Uint8Array;
  /** How many outboxes hold it. */
  queued: number;
  /** Who has it meanwhile. */
  readonly holders: ReadonlySet<string> | undefined;
}

/** Runs what was asked for once, when what has come in this turn was read. */
export class Turn {
  readonly #due = new Set<() => void>();
  readonly #onError: (text: string, error: unknown) => void;
  #isPlanned = false;

  constructor(onError: (text: string, error: unknown) => void) {
    this.#onError = onError;
  }

  plan(act: () => void): void {
    this.#due.add(act);
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      const due = [...this.#due];
      this.#due.clear();
      for (const run of due) {
        try {
          run();
        } catch (error) {
          this.#onError('an act of the turn failed', error);
        }
      }
    });
  }
}

/** What waits for a neighbour that reads slowly. */
export interface OutboxLimits {
  /** Messages: the oldest are dropped first. */
  readonly messageBytes: number;
  /** All else, which cannot be dropped: the stream is reset, and begins anew with what holds then. */
  readonly controlBytes: number;
}

/** What is handed to the stream at once. */
const batchBytes = 64 * 1024;
const closeTimeoutMs = 1_000;

/** All that is sent to one neighbour: joined to one write a turn, and bounded while it does not read. */
export class Outbox implements OutboundStream {
  readonly protocol: string;
  /** Hearsay that was not taken, to be told with the next. */
  untold: readonly RPC.ControlIHave[] = [];
  readonly #peerId: string;
  readonly #stream: Stream;
  readonly #turn: Turn;
  readonly #limits: OutboxLimits;
  readonly #messages: Outgoing[] = [];
  #control: Uint8Array[] = [];
  #messageBytes = 0;
  #controlBytes = 0;
  /** Where the oldest message lies. */
  #first = 0;

  constructor(
    peerId: string,
    stream: Stream,
    { turn, limits }: { readonly turn: Turn; readonly limits: OutboxLimits },
  ) {
    this.protocol = stream.protocol;
    this.#peerId = peerId;
    this.#stream = stream;
    this.#turn = turn;
    this.#limits = limits;
    stream.addEventListener('drain', () => turn.plan(this.#flush));
  }

  get isFull(): boolean {
    return this.#messageBytes >= this.#limits.messageBytes;
  }

  /** Bytes that wait here. */
  get waitingBytes(): number {
    return this.#messageBytes + this.#controlBytes;
  }

  /** Sends a message, unless the neighbour turns out to have it. */
  message(message: Outgoing): void {
    message.queued++;
    this.#messages.push(message);
    this.#messageBytes += message.frame.length;
    while (this.#messageBytes > this.#limits.messageBytes && this.#messages.length - this.#first > 1)
      this.#take();
    this.#turn.plan(this.#flush);
  }

  /** Sends a message that the neighbour has asked for: it does, whoever is known to have it. */
  answer({ frame }: Outgoing): void {
    this.message({ frame, queued: 0, holders: undefined });
  }

  /** Sends an RPC that changes what holds between the two: subscriptions, grafts and prunes. */
  push(rpc: Uint8Array): void {
    this.#push(framed(rpc));
  }

  /** Sends hearsay, unless the neighbour does not read: then it is worth nothing. */
  hearsay(rpc: Uint8Array): boolean {
    if (this.#stream.writableNeedsDrain) return false;
    this.#push(framed(rpc));
    return true;
  }

  pushPrefixed(frame: Uint8Array | { subarray(): Uint8Array }): void {
    if (!this.#stream.writableNeedsDrain) this.#push(frame.subarray());
  }

  /** Resolves when nothing waits here or in the stream any more, or the stream has ended. */
  async drained(): Promise<void> {
    const stream = this.#stream;
    this.#flush();
    while (stream.status === 'open' && (this.waitingBytes > 0 || stream.writableNeedsDrain)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      for (const event of ['drain', 'close'] as const)
        stream.addEventListener(event, () => resolve(), { once: true });
      await promise;
      this.#flush();
    }
  }

  async close(): Promise<void> {
    this.#flush();
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(closeTimeoutMs) });
    } catch (error) {
      this.abort(errorText(error, 200));
    }
  }

  abort(reason: string): void {
    this.#clear();
    this.#stream.abort(new Error(reason));
  }

  #push(frame: Uint8Array): void {
    this.#control.push(frame);
    this.#controlBytes += frame.length;
    if (this.#controlBytes > this.#limits.controlBytes) this.abort('the neighbour reads too slowly');
    else this.#turn.plan(this.#flush);
  }

  readonly #flush = (): void => {
    const stream = this.#stream;
    while (this.waitingBytes > 0) {
      if (stream.status !== 'open' || stream.writeStatus !== 'writable') return this.#clear();
      if (stream.writableNeedsDrain) return;
      const batch = this.#nextBatch();
      if (batch.length === 0) return;
      try {
        if (!stream.send(batch.length === 1 ? batch[0]! : Buffer.concat(batch))) return;
      } catch {
        // It was closed meanwhile, which its listener is told.
        return this.#clear();
      }
    }
  };

  #nextBatch(): Uint8Array[] {
    const batch = this.#control;
    let bytes = this.#controlBytes;
    this.#control = [];
    this.#controlBytes = 0;
    while (bytes < batchBytes && this.#first < this.#messages.length) {
      const message = this.#take();
      if (message.holders?.has(this.#peerId) === true) continue;
      batch.push(message.frame);
      bytes += message.frame.length;
    }
    return batch;
  }

  /** Takes the oldest message out. */
  #take(): Outgoing {
    const message = this.#messages[this.#first++]!;
    message.queued--;
    this.#messageBytes -= message.frame.length;
    if (this.#first === this.#messages.length) {
      this.#messages.length = 0;
      this.#first = 0;
    } else if (this.#first >= maxGone) {
      this.#messages.splice(0, this.#first);
      this.#first = 0;
    }
    return message;
  }

  #clear(): void {
    while (this.#first < this.#messages.length) this.#take();
    this.#control = [];
    this.#controlBytes = 0;
  }
}

/** So many places of the queue may be empty before it is moved up. */
const maxGone = 256;

function framed(rpc: Uint8Array): Uint8Array {
  const header = varintSize(rpc.length);
  const frame = Buffer.allocUnsafe(header + rpc.length);
  writeVarint(frame, rpc.length, 0);
  frame.set(rpc, header);
  return frame;
}
