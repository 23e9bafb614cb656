import { seededRandom } from '@lloom/simkit';
import { expect, test } from 'vitest';
import { AnswerFeeds, type AnswerFollower } from './answerFeeds.ts';
import { AnswerRecord } from './answerRecord.ts';
import { Budget } from './budget.ts';

const runs = 200;
const messages = 20;
type Chance = (below: number) => number;

/** Takes what it is given at once or later, as chance has it, and notes what would be wrong. */
class Reader implements AnswerFollower {
  readonly got: string[] = [];
  readonly wrong: string[] = [];
  hasLeft = false;
  readonly #chance: Chance;
  readonly #feeds: AnswerFeeds;
  #taking: PromiseWithResolvers<void> | undefined;

  constructor(feeds: AnswerFeeds, chance: Chance) {
    this.#feeds = feeds;
    this.#chance = chance;
  }

  get isTaking(): boolean {
    return this.#taking !== undefined;
  }

  send(_kind: string, message: Uint8Array): Promise<void> | undefined {
    if (this.hasLeft) this.wrong.push('given after it had left');
    if (this.isTaking) this.wrong.push('given while it took the last one');
    this.got.push(Buffer.from(message).toString());
    if (this.#chance(2) === 0) return undefined;
    this.#taking = Promise.withResolvers();
    return this.#taking.promise;
  }

  miss(): void {
    this.leave();
  }

  take(): void {
    this.#taking?.resolve();
    this.#taking = undefined;
  }

  leave(): void {
    this.hasLeft = true;
    this.#feeds.leave(this);
  }
}

async function turn(): Promise<void> {
  for (let step = 0; step < 4; step++) await Promise.resolve();
}

test('whoever joins, lags or leaves: each is given all from the beginning in order or misses it, and no writer hangs', async () => {
  for (let seed = 1; seed <= runs; seed++) {
    const random = seededRandom(`feeds/${seed}`);
    const chance: Chance = (below) => Math.floor(random.float() * below);
    const budget = new Budget(200 + chance(4_000));
    const record = new AnswerRecord([50, 300, 2_000][chance(3)]!, budget);
    const feeds = new AnswerFeeds(record);
    const said = Array.from({ length: messages }, (_, index) => `${index} ${'x'.repeat(chance(40))}`);
    const readers: Reader[] = [];
    let isHeldBack = false;
    const say = (index: number): void => {
      const sending = feeds.send(index === messages - 1 ? 'end' : 'chunk', Buffer.from(said[index]!));
      if (sending === undefined) return;
      isHeldBack = true;
      void sending.then(() => (isHeldBack = false));
    };
    const oneOf = (some: readonly Reader[]): Reader | undefined => some[chance(some.length)];
    const busy = (): Reader[] => readers.filter(({ isTaking }) => isTaking);
    for (let next = 0; next < messages;) {
      const what = chance(10);
      if (what < 2 && readers.length < 6) {
        const reader = new Reader(feeds, chance);
        readers.push(reader);
        feeds.join(reader);
      } else if (what === 2 && chance(3) === 0) {
        oneOf(readers.filter(({ hasLeft }) => !hasLeft))?.leave();
      } else if (what < 6 && !isHeldBack) {
        say(next++);
      } else {
        oneOf(busy())?.take();
      }
      await turn();
      const mustWait = readers.some((reader) => !reader.hasLeft && reader.isTaking);
      expect(isHeldBack && !mustWait, `seed ${seed}: the writer hangs`).toBe(false);
    }
    record.close();
    for (; busy().length > 0; await turn()) oneOf(busy())?.take();
    for (const { wrong, got, hasLeft } of readers) {
      expect(wrong, `seed ${seed}`).toEqual([]);
      expect(got, `seed ${seed}`).toEqual(said.slice(0, hasLeft ? got.length : messages));
    }
    record.release();
    expect(budget.used).toBe(0);
  }
});
