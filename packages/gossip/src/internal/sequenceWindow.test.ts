import { array, assert, integer, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SequenceWindow } from './sequenceWindow.ts';

describe('a window of sequences', () => {
  it('takes each once, and nothing older than the newest 64', () => {
    const sequences = array(integer({ min: 0, max: 200 }), { maxLength: 400 });
    assert(
      property(sequences, (given) => {
        const window = new SequenceWindow();
        let known: number[] = [];
        for (const sequence of given) {
          const isOld = known.length === 64 && sequence < Math.min(...known);
          const isNew = !known.includes(sequence) && !isOld;
          expect(window.note(sequence)).toBe(isNew);
          if (isNew) known = [...known, sequence].toSorted((a, b) => a - b).slice(-64);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('takes numbers beyond those that are exact', () => {
    const window = new SequenceWindow();
    const newest = 2n ** 64n - 1n;
    expect(window.note(newest)).toBe(true);
    expect(window.note(newest - 1n)).toBe(true);
    expect(window.note(newest - 1n)).toBe(false);
  });
});
