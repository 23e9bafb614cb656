import { seededRandom, VirtualClock } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { Slots, type NoSlot, type SlotLimits, type SlotWaiter } from './slots.ts';

const limits: SlotLimits = { capacity: 1, maxQueued: 100, maxQueuedPerPeer: 100 };

function slotsOf(changes: Partial<SlotLimits> = {}) {
  const clock = new VirtualClock();
  const slots = new Slots({ ...limits, ...changes }, clock);
  /** Who was given a slot after it had waited, in that order. */
  const served: string[] = [];
  const waiter = (peerId: string, name = peerId): SlotWaiter => ({
    peerId,
    onSlot: () => void served.push(name),
  });
  /** Waiters of that many requests of a peer, which are in the queue. */
  const queued = (peerId: string, count: number): SlotWaiter[] =>
    Array.from({ length: count }, (_, index) => {
      const one = waiter(peerId, `${peerId}${index}`);
      expect(slots.take(one)).toBe('queued');
      return one;
    });
  return { slots, clock, served, waiter, queued };
}

describe('slots', () => {
  test('are taken at once as long as one is free, and then waited for', () => {
    const { slots, waiter } = slotsOf({ capacity: 2 });
    expect(['a', 'a', 'b'].map((peer) => slots.take(waiter(peer)))).toEqual(['taken', 'taken', 'queued']);
    expect(slots.load).toEqual({ capacity: 2, freeSlots: 0, queueDepth: 1 });
  });

  test('are handed over within the call that gives one back', () => {
    const { slots, waiter, queued, served } = slotsOf();
    const first = waiter('a');
    slots.take(first);
    queued('b', 1);
    slots.leave(first);
    expect(served).toEqual(['b0']);
    expect(slots.load).toEqual({ capacity: 1, freeSlots: 0, queueDepth: 0 });
  });

  test('go to peers in turn, and within a peer to whoever came first', () => {
    const { slots, waiter, served } = slotsOf();
    let holder: SlotWaiter = waiter('z');
    slots.take(holder);
    for (const name of ['a0', 'a1', 'a2', 'b0', 'b1', 'c0']) {
      const one: SlotWaiter = {
        peerId: name.slice(0, 1),
        onSlot: () => {
          served.push(name);
          holder = one;
        },
      };
      slots.take(one);
    }
    while (slots.load.queueDepth > 0) slots.leave(holder);
    expect(served).toEqual(['a0', 'b0', 'c0', 'a1', 'b1', 'a2']);
  });

  test('give a peer no second turn for leaving the queue and coming back', () => {
    const { slots, waiter, queued, served } = slotsOf();
    const first = waiter('z');
    slots.take(first);
    const [left] = queued('a', 1);
    queued('b', 1);
    slots.leave(left as SlotWaiter);
    queued('a', 1);
    slots.leave(first);
    expect(served).toEqual(['b0']);
  });

  test('are refused when as many wait as may, in all or of one peer', () => {
    const { slots, waiter, queued } = slotsOf({ maxQueued: 3, maxQueuedPerPeer: 2 });
    slots.take(waiter('a'));
    queued('a', 2);
    expect(slots.take(waiter('a'))).toEqual({ retryAfterMs: 1_000, queueDepth: 2 });
    queued('b', 1);
    expect(slots.take(waiter('c'))).toEqual({ retryAfterMs: 1_000, queueDepth: 3 });
  });

  test.each([
    { maxQueued: 0, maxQueuedPerPeer: 5 },
    { maxQueued: 5, maxQueuedPerPeer: 0 },
  ])('are refused at once where nobody may wait: %o', (changes) => {
    const { slots, waiter } = slotsOf(changes);
    slots.take(waiter('a'));
    expect(slots.take(waiter('b'))).toEqual({ retryAfterMs: 1_000, queueDepth: 0 });
  });

  test('make room in the queue when one that waits gives up, and never call it', () => {
    const { slots, waiter, queued, served } = slotsOf({ maxQueued: 2 });
    const first = waiter('a');
    slots.take(first);
    const [gone] = queued('b', 2);
    slots.leave(gone as SlotWaiter);
    slots.leave(gone as SlotWaiter);
    expect(slots.load.queueDepth).toBe(1);
    queued('c', 1);
    slots.leave(first);
    expect(served).toEqual(['b1']);
  });

  test('do not mind being given back twice, or by somebody who has none', () => {
    const { slots, waiter } = slotsOf({ capacity: 2 });
    const [a, b] = [waiter('a'), waiter('b')];
    slots.take(a);
    slots.leave(b);
    slots.leave(a);
    slots.leave(a);
    expect(slots.load).toEqual({ capacity: 2, freeSlots: 2, queueDepth: 0 });
  });

  test('keep what one has that asks twice', () => {
    const { slots, waiter } = slotsOf();
    const [a, b] = [waiter('a'), waiter('b')];
    expect([a, a, b, b].map((one) => slots.take(one))).toEqual(['taken', 'taken', 'queued', 'queued']);
    expect(slots.load).toEqual({ capacity: 1, freeSlots: 0, queueDepth: 1 });
  });

  test('may be given back by the very call that hands one over, however many wait', () => {
    const count = 50_000;
    const { slots, waiter } = slotsOf({ maxQueued: count, maxQueuedPerPeer: count });
    const first = waiter('z');
    slots.take(first);
    let served = 0;
    for (let index = 0; index < count; index++) {
      const one: SlotWaiter = {
        peerId: `peer${index % 7}`,
        onSlot: () => {
          served++;
          slots.leave(one);
        },
      };
      slots.take(one);
    }
    slots.leave(first);
    expect(served).toBe(count);
    expect(slots.load).toEqual({ capacity: 1, freeSlots: 1, queueDepth: 0 });
  });

  test('are asked for by the very call that hands one over, behind all that wait', () => {
    const { slots, waiter, queued, served } = slotsOf();
    const first = waiter('z');
    slots.take(first);
    const again = waiter('a', 'again');
    const one: SlotWaiter = {
      peerId: 'a',
      onSlot: () => {
        slots.leave(one);
        expect(slots.take(again)).toBe('queued');
      },
    };
    slots.take(one);
    queued('b', 1);
    slots.leave(first);
    expect(served).toEqual(['b0']);
  });

  test('are still handed over after a call that threw', () => {
    const { slots, waiter, queued, served } = slotsOf();
    const first = waiter('z');
    slots.take(first);
    const broken: SlotWaiter = {
      peerId: 'a',
      onSlot: () => {
        throw new Error('broken');
      },
    };
    slots.take(broken);
    queued('b', 1);
    expect(() => slots.leave(first)).toThrow('broken');
    slots.leave(broken);
    expect(served).toEqual(['b0']);
  });
});

describe('when to come back for a slot', () => {
  async function refusedAfter(heldMs: readonly number[], changes: Partial<SlotLimits> = {}): Promise<NoSlot> {
    const { slots, clock, waiter, queued } = slotsOf(changes);
    for (const ms of heldMs) {
      const one = waiter('a');
      slots.take(one);
      await clock.runFor(ms);
      slots.leave(one);
    }
    while (slots.load.freeSlots > 0) slots.take(waiter('a'));
    queued('b', changes.maxQueued ?? limits.maxQueued);
    return slots.take(waiter('c')) as NoSlot;
  }

  test('is not known before one was given back', async () => {
    expect(await refusedAfter([], { maxQueued: 4 })).toEqual({ retryAfterMs: 1_000, queueDepth: 4 });
  });

  test('is when all that wait have had their turn, by how long slots are held', async () => {
    expect(await refusedAfter([2_000, 2_000], { maxQueued: 4 })).toEqual({
      retryAfterMs: 10_000,
      queueDepth: 4,
    });
  });

  test('is sooner with more slots', async () => {
    const { retryAfterMs } = await refusedAfter([2_000], { capacity: 10, maxQueued: 4 });
    expect(retryAfterMs).toBe(1_000);
  });

  test.each([
    [0, 100],
    [3_600_000, 30_000],
  ])('is never less than 100 ms, nor more than 30 s: slots held for %i ms', async (heldMs, retryAfterMs) => {
    expect((await refusedAfter([heldMs], { maxQueued: 1 })).retryAfterMs).toBe(retryAfterMs);
  });

  test('follows a change of how long slots are held', async () => {
    const long = await refusedAfter([8_000], { maxQueued: 0 });
    const shorter = await refusedAfter([8_000, 0], { maxQueued: 0 });
    const short = await refusedAfter([8_000, ...Array.from({ length: 50 }, () => 200)], { maxQueued: 0 });
    expect([long, shorter, short].map(({ retryAfterMs }) => retryAfterMs)).toEqual([8_000, 7_000, 210]);
  });
});

const peerCount = 6;

/** Peers that take, leave and give up at random; keeps a book of its own, and notes what is not as it should be. */
class RandomPeers {
  readonly problems: string[] = [];
  readonly #held = new Set<SlotWaiter>();
  /** With how many turns there were since each was the first of its peer. */
  readonly #waiting = new Map<SlotWaiter, number>();
  readonly #random;
  readonly #limits;
  readonly #slots;

  constructor(seed: number) {
    this.#random = seededRandom(`slots/${seed}`);
    this.#limits = {
      capacity: 1 + this.#upTo(4),
      maxQueued: this.#upTo(20),
      maxQueuedPerPeer: this.#upTo(8),
    };
    this.#slots = new Slots(this.#limits, new VirtualClock());
  }

  step(): void {
    const chance = this.#random.float();
    if (chance < 0.55) this.#take();
    else this.#leave(chance < 0.9 ? [...this.#held] : [...this.#waiting.keys()]);
    const { capacity, freeSlots, queueDepth } = this.#slots.load;
    this.#must('count what is free', freeSlots === capacity - this.#held.size && freeSlots >= 0);
    this.#must('count what waits', queueDepth === this.#waiting.size);
    this.#must('let nobody wait while a slot is free', freeSlots === 0 || queueDepth === 0);
  }

  #upTo(most: number): number {
    return Math.floor(this.#random.float() * (most + 1));
  }

  #must(rule: string, isKept: boolean): void {
    if (!isKept) this.problems.push(rule);
  }

  #ofPeer(peerId: string): SlotWaiter[] {
    return [...this.#waiting.keys()].filter((waiter) => waiter.peerId === peerId);
  }

  #take(): void {
    const { capacity, maxQueued, maxQueuedPerPeer } = this.#limits;
    const peerId = `peer${this.#upTo(peerCount - 1)}`;
    const waiter: SlotWaiter = { peerId, onSlot: () => this.#served(waiter) };
    const isFull = this.#waiting.size >= maxQueued || this.#ofPeer(peerId).length >= maxQueuedPerPeer;
    const expected = this.#held.size < capacity ? 'taken' : isFull ? 'refused' : 'queued';
    const taken = this.#slots.take(waiter);
    const found = typeof taken === 'string' ? taken : 'refused';
    this.#must(`say ${expected}, not ${found}`, found === expected);
    if (found === 'taken') this.#held.add(waiter);
    if (found === 'queued') this.#waiting.set(waiter, 0);
  }

  #served(waiter: SlotWaiter): void {
    this.#must('be first come, first served within a peer', this.#ofPeer(waiter.peerId)[0] === waiter);
    const peers = new Set([...this.#waiting.keys()].map(({ peerId }) => peerId));
    for (const peerId of peers) {
      const first = this.#ofPeer(peerId)[0] as SlotWaiter;
      const turns = (this.#waiting.get(first) as number) + 1;
      this.#must('serve each peer within a turn of each', turns <= peerCount);
      this.#waiting.set(first, turns);
    }
    this.#waiting.delete(waiter);
    this.#held.add(waiter);
  }

  #leave(from: readonly SlotWaiter[]): void {
    const waiter = from[this.#upTo(from.length - 1)];
    if (waiter === undefined) return;
    this.#held.delete(waiter);
    this.#waiting.delete(waiter);
    this.#slots.leave(waiter);
  }
}

test('slots are never more than there are, and no peer waits longer than a turn of each, at random', () => {
  for (let seed = 0; seed < 60; seed++) {
    const peers = new RandomPeers(seed);
    for (let step = 0; step < 400; step++) peers.step();
    expect(peers.problems, `seed ${seed}`).toEqual([]);
  }
});

test.each([2, 5, 20])('each of %i peers with a backlog is served once a turn, whoever has more', (count) => {
  const { slots, waiter } = slotsOf({ maxQueued: 10_000, maxQueuedPerPeer: 1_000 });
  let holder = waiter('first');
  slots.take(holder);
  const turns: number[] = [];
  const join = (peer: number): void => {
    const one: SlotWaiter = {
      peerId: `peer${peer}`,
      onSlot: () => {
        turns.push(peer);
        holder = one;
        // Its backlog never ends.
        join(peer);
      },
    };
    slots.take(one);
  };
  for (let peer = 0; peer < count; peer++) for (let more = 0; more <= peer * 3; more++) join(peer);
  for (let turn = 0; turn < count * 10; turn++) slots.leave(holder);
  for (let begin = 0; begin + count <= turns.length; begin++)
    expect(new Set(turns.slice(begin, begin + count)).size).toBe(count);
});
