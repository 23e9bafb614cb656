import type { Clock } from '@lloom/core';
import type { RpcLoad } from '../types.ts';
import { Line } from './line.ts';

/** Somebody who wants a slot. */
export interface SlotWaiter {
  readonly peerId: string;
  /** Called once, when a slot is free for one that waited: it has the slot then. Must not throw. */
  onSlot(): void;
}

/** How much is worked on, and how much may wait. */
export interface SlotLimits {
  /** How many slots there are. */
  readonly capacity: number;
  /** How many may wait for one. */
  readonly maxQueued: number;
  /** How many of these may be of one peer. */
  readonly maxQueuedPerPeer: number;
}

/** Neither a slot nor a place in the queue. */
export interface NoSlot {
  /** When there should be one, in ms: an estimate, from 100 to 30,000. */
  readonly retryAfterMs: number;
  /** How many wait. */
  readonly queueDepth: number;
}

const leastRetryMs = 100;
const mostRetryMs = 30_000;
const unknownRetryMs = 1_000;
/** How much the latest counts towards the mean. */
const latestShare = 1 / 8;

/**
 * The slots of an executor, and who waits for one. When one is given back, peers take turns: one each, however much each of
 * them has asked for. Within a peer it is first come, first served. Nobody gets a slot while somebody else waits.
 */
export class Slots {
  readonly #limits: SlotLimits;
  readonly #clock: Clock;
  /** Who has a slot, with when it was taken. */
  readonly #holders = new Map<SlotWaiter, number>();
  /** The queue of each peer that has one; none is empty. */
  readonly #queues = new Map<string, Line<SlotWaiter>>();
  /** The same queues, by whose turn it is. */
  readonly #turns = new Line<Line<SlotWaiter>>();
  #queueDepth = 0;
  #meanHeldMs: number | undefined;
  #isHandingOver = false;

  constructor(limits: SlotLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get load(): RpcLoad {
    const { capacity } = this.#limits;
    return { capacity, freeSlots: capacity - this.#holders.size, queueDepth: this.#queueDepth };
  }

  /**
   * Takes a slot (`taken`), a place in the queue (`queued`: `onSlot` is called later), or neither. One that has either keeps
   * what it has.
   */
  take(waiter: SlotWaiter): 'taken' | 'queued' | NoSlot {
    if (this.#holders.has(waiter)) return 'taken';
    const queue = this.#queues.get(waiter.peerId);
    if (queue?.has(waiter) === true) return 'queued';
    if (this.#hasFreeSlot) {
      this.#hold(waiter);
      return 'taken';
    }
    if (this.#isFull(queue)) return this.#noSlot();
    this.#enqueue(waiter, queue);
    return 'queued';
  }

  /** Whether it has a slot: also one that has ended and whose work has not. */
  holds(waiter: SlotWaiter): boolean {
    return this.#holders.has(waiter);
  }

  /** What a request of that peer would be told now when there is no room for it; `undefined` when there is. */
  full(peerId: string): NoSlot | undefined {
    if (this.#hasFreeSlot || !this.#isFull(this.#queues.get(peerId))) return undefined;
    return this.#noSlot();
  }

  /**
   * Gives a slot back, or leaves the queue. Harmless for one that has neither. A free slot is handed to the next in line
   * before this returns.
   */
  leave(waiter: SlotWaiter): void {
    const sinceMs = this.#holders.get(waiter);
    if (sinceMs === undefined) {
      this.#dequeue(waiter);
      return;
    }
    this.#holders.delete(waiter);
    const heldMs = this.#clock.elapsed() - sinceMs;
    this.#meanHeldMs = this.#meanHeldMs === undefined ? heldMs : mix(this.#meanHeldMs, heldMs);
    this.#handOver();
  }

  get #hasFreeSlot(): boolean {
    return this.#holders.size < this.#limits.capacity && this.#queueDepth === 0;
  }

  #isFull(queue: Line<SlotWaiter> | undefined): boolean {
    const { maxQueued, maxQueuedPerPeer } = this.#limits;
    return this.#queueDepth >= maxQueued || (queue?.size ?? 0) >= maxQueuedPerPeer;
  }

  #hold(waiter: SlotWaiter): void {
    this.#holders.set(waiter, this.#clock.elapsed());
  }

  #enqueue(waiter: SlotWaiter, known: Line<SlotWaiter> | undefined): void {
    const queue = known ?? new Line<SlotWaiter>();
    if (known === undefined) {
      this.#queues.set(waiter.peerId, queue);
      this.#turns.add(queue);
    }
    queue.add(waiter);
    this.#queueDepth++;
  }

  #dequeue(waiter: SlotWaiter): void {
    const queue = this.#queues.get(waiter.peerId);
    if (queue?.delete(waiter) !== true) return;
    this.#queueDepth--;
    if (queue.size > 0) return;
    this.#queues.delete(waiter.peerId);
    this.#turns.delete(queue);
  }

  #handOver(): void {
    // One that gives its slot back within `onSlot` would go one call deeper for each that waits.
    if (this.#isHandingOver) return;
    this.#isHandingOver = true;
    try {
      while (this.#holders.size < this.#limits.capacity) {
        const waiter = this.#next();
        if (waiter === undefined) return;
        this.#hold(waiter);
        waiter.onSlot();
      }
    } finally {
      this.#isHandingOver = false;
    }
  }

  #next(): SlotWaiter | undefined {
    const queue = this.#turns.shift();
    const waiter = queue?.shift();
    if (queue === undefined || waiter === undefined) return undefined;
    this.#queueDepth--;
    if (queue.size > 0) this.#turns.add(queue);
    else this.#queues.delete(waiter.peerId);
    return waiter;
  }

  /** A slot is free as often as all of them together are given back; whoever waits comes first. */
  #noSlot(): NoSlot {
    const queueDepth = this.#queueDepth;
    if (this.#meanHeldMs === undefined) return { retryAfterMs: unknownRetryMs, queueDepth };
    const freeInMs = Math.ceil((this.#meanHeldMs / this.#limits.capacity) * (queueDepth + 1));
    return { retryAfterMs: Math.min(mostRetryMs, Math.max(leastRetryMs, freeInMs)), queueDepth };
  }
}

/** A mean that follows what happens lately. */
function mix(mean: number, latest: number): number {
  return mean + (latest - mean) * latestShare;
}
