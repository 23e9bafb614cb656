import { seededRandom } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { AnswerFeeds, type AnswerFollower } from './answerFeeds.ts';
import { AnswerRecord } from './answerRecord.ts';
import { Budget } from './budget.ts';
import type { AnswerKind } from './exchange.ts';

/** A follower that takes each message when a test lets it. */
class Taker implements AnswerFollower {
  readonly got: number[] = [];
  hasMissed = false;
  isSlow: boolean;
  onMiss: () => void = () => undefined;
  #taking: PromiseWithResolvers<void> | undefined;

  constructor(isSlow = false) {
    this.isSlow = isSlow;
  }

  send(_kind: AnswerKind, message: Uint8Array): Promise<void> | undefined {
    if (this.#taking !== undefined) throw new Error('the last message was not taken');
    this.got.push(message[0]!);
    if (!this.isSlow) return undefined;
    this.#taking = Promise.withResolvers();
    return this.#taking.promise;
  }

  miss(): void {
    this.hasMissed = true;
    this.onMiss();
  }

  /** Takes the last message. */
  async take(): Promise<void> {
    const taking = this.#taking;
    this.#taking = undefined;
    taking?.resolve();
    await turn();
  }
}

const turn = async (): Promise<void> => {
  for (let time = 0; time < 5; time++) await Promise.resolve();
};
const message = (index: number): Uint8Array => new Uint8Array([index]);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

function feeds(maxBytes = 1_000) {
  const made = new AnswerFeeds<Taker>(new AnswerRecord(maxBytes, new Budget(1_000_000)));
  let next = 0;
  const join = (taker: Taker): Taker => {
    taker.onMiss = () => made.leave(taker);
    made.join(taker);
    return taker;
  };
  return { made, join, say: () => made.send('chunk', message(next++)) };
}

describe('one who follows alone', () => {
  test('is given each message at once, and is waited for', async () => {
    const { made, join, say } = feeds();
    const only = join(new Taker());
    expect(say()).toBeUndefined();
    only.isSlow = true;
    const sending = say();
    expect(sending).toBeInstanceOf(Promise);
    await only.take();
    await sending;
    expect(only.got).toEqual([0, 1]);
    expect(made.size).toBe(1);
  });

  test('misses nothing of what is not kept', () => {
    const { join, say } = feeds(20);
    const only = join(new Taker());
    for (let count = 0; count < 10; count++) void say();
    expect([only.got, only.hasMissed]).toEqual([upTo(10), false]);
  });
});

describe('who comes later', () => {
  test('is given what was said, and goes on with the others', () => {
    const { join, say } = feeds();
    const first = join(new Taker());
    for (let count = 0; count < 3; count++) void say();
    const second = join(new Taker());
    expect(second.got).toEqual(upTo(3));
    void say();
    expect([first.got, second.got]).toEqual([upTo(4), upTo(4)]);
  });

  test('is told that it misses something when that is not kept', () => {
    const { made, join, say } = feeds(20);
    const first = join(new Taker());
    for (let count = 0; count < 5; count++) void say();
    const second = join(new Taker());
    expect([second.got, second.hasMissed]).toEqual([[], true]);
    void say();
    expect([first.got, made.size]).toEqual([upTo(6), 1]);
  });

  test('takes its time with it, and nobody waits', async () => {
    const { join, say } = feeds();
    const first = join(new Taker());
    for (let count = 0; count < 3; count++) void say();
    const second = join(new Taker(true));
    expect(say()).toBeUndefined();
    expect([first.got, second.got]).toEqual([upTo(4), upTo(1)]);
    for (let count = 0; count < 3; count++) await second.take();
    expect(second.got).toEqual(upTo(4));
  });

  test('finds all of it when everybody else has left', () => {
    const { made, join, say } = feeds();
    const first = join(new Taker());
    void say();
    made.leave(first);
    expect(say()).toBeUndefined();
    const second = join(new Taker());
    void say();
    expect([first.got, second.got]).toEqual([upTo(1), upTo(3)]);
  });
});

test('who makes the answer waits for the fastest', async () => {
  const { join, say } = feeds();
  const [slow, fast] = [join(new Taker(true)), join(new Taker(true))];
  const sending = say();
  let isOver = false;
  void sending!.then(() => (isOver = true));
  await turn();
  expect(isOver).toBe(false);
  await fast.take();
  expect(isOver).toBe(true);
  void say();
  expect([slow.got, fast.got]).toEqual([upTo(1), upTo(2)]);
});

test('who makes the answer waits no longer for one who takes nothing when another one comes', async () => {
  const { join, say } = feeds();
  const stuck = join(new Taker(true));
  const sending = say();
  const second = join(new Taker());
  await sending;
  expect(say()).toBeUndefined();
  expect([stuck.got, second.got]).toEqual([upTo(1), upTo(2)]);
  await stuck.take();
  expect(stuck.got).toEqual(upTo(2));
});

test('who makes the answer waits for nobody who has left', async () => {
  const { made, join, say } = feeds();
  const [one, other] = [join(new Taker(true)), join(new Taker(true))];
  const sending = say();
  made.leave(one);
  made.leave(other);
  await sending;
  expect(say()).toBeUndefined();
  await one.take();
  expect(one.got).toEqual(upTo(1));
});

test('one who is too slow for what is kept misses it; the others do not', async () => {
  const { made, join, say } = feeds(20);
  const [fast, slow] = [join(new Taker()), join(new Taker(true))];
  for (let count = 0; count < 6; count++) void say();
  expect([fast.got, slow.hasMissed, made.size]).toEqual([upTo(6), true, 1]);
  await slow.take();
  expect(slow.got).toEqual(upTo(1));
});

test('however they come, take and leave, everybody gets all in order', async () => {
  const random = seededRandom('feeds');
  for (let round = 0; round < 300; round++) {
    const { made, join, say } = feeds(100_000);
    const takers: Taker[] = [];
    let said = 0;
    let sending: Promise<void> | undefined;
    let isSending = false;
    for (let step = 0; step < 60; step++) {
      const chance = random.float();
      const taker = takers[Math.floor(random.float() * takers.length)];
      if (chance < 0.15) takers.push(join(new Taker(random.float() < 0.7)));
      else if (chance < 0.2 && taker !== undefined) {
        made.leave(taker);
        takers.splice(takers.indexOf(taker), 1);
      } else if (chance < 0.6) await taker?.take();
      else if (!isSending) {
        said++;
        sending = say();
        isSending = sending !== undefined;
        void sending?.then(() => (isSending = false));
      }
      await turn();
    }
    for (const taker of takers) {
      taker.isSlow = false;
      for (let count = 0; count < 60; count++) await taker.take();
      expect(taker.got, `round ${round}`).toEqual(upTo(said));
    }
  }
});
