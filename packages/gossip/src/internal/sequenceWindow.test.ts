import { array, assert, integer, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SequenceWindow } from './sequenceWindow.ts';

/** Whether it was new; it is known from then on. */
function take(window: SequenceWindow, sequence: number | bigint): boolean {
  const isNew = window.isNew(sequence);
  if (isNew) window.note(sequence);
  return isNew;
}

describe('a window of sequences', () => {
  it('takes each once, whatever is among the newest, and nothing older than twice as many', () => {
    const size = 16;
    const sequences = array(integer({ min: 0, max: 100 }), { maxLength: 400 });
    assert(
      property(sequences, (given) => {
        const window = new SequenceWindow(size);
        const taken = new Set<number>();
        for (const sequence of given) {
          const newer = [...taken].filter((other) => other > sequence).length;
          const isNew = take(window, sequence);
          const mustBe = taken.has(sequence) || newer >= 2 * size ? false : newer < size || isNew;
          expect(isNew).toBe(mustBe);
          if (isNew) taken.add(sequence);
          expect(window.remembered).toBeLessThan(2 * size);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('takes numbers beyond those that are exact', () => {
    const window = new SequenceWindow(4);
    const newest = 2n ** 64n - 1n;
    expect(take(window, newest)).toBe(true);
    expect(take(window, newest - 1n)).toBe(true);
    expect(take(window, newest - 1n)).toBe(false);
  });

  it('takes nothing that was there, also when all was forgotten', () => {
    const window = new SequenceWindow(4);
    for (const sequence of [5, 9, 7]) take(window, sequence);
    window.keep(0);
    expect(window.remembered).toBe(0);
    expect([5, 6, 7, 9, 10].filter((sequence) => take(window, sequence))).toEqual([10]);
  });
});
