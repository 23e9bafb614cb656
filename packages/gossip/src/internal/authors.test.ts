import { describe, expect, it } from 'vitest';
import { crowd, FakeClock } from '../../test/fakes.ts';
import { resolveGossipConfig, type GossipConfig } from '../config.ts';
import { Authors } from './authors.ts';

function begin(config: GossipConfig = {}) {
  const clock = new FakeClock();
  const authors = new Authors(clock, resolveGossipConfig(config).config);
  /** As what an author hands over itself, whatever it may say. */
  const admit = (author: string, sequence: number, { isCounted = true } = {}) => {
    const known = authors.of(author, 'topic');
    if (isCounted) authors.maySay(known);
    return authors.admit(known, sequence, { isTimed: true, isCounted });
  };
  return { authors, clock, admit };
}

const numbers = (count: number, first = 0): number[] => Array.from({ length: count }, (_, at) => first + at);

describe('the sequences of an author', () => {
  it('are all taken in any order, as far as messages may be under way: a burst, and five heartbeats', () => {
    for (const [config, underway] of [
      [{}, 450],
      [{ heartbeatIntervalMs: 10_000 }, 2_700],
      [{ maxMessagesPerSecond: 3, maxMessageBurst: 5, heartbeatIntervalMs: 100 }, 7],
    ] as const) {
      const { admit } = begin(config);
      for (const sequence of numbers(2 * underway + 1)) expect(admit('a', sequence)).toBeUndefined();
      const newest = 3 * underway;
      expect(admit('a', newest)).toBeUndefined();
      for (const sequence of numbers(underway - 1, newest - underway + 1).toReversed())
        expect(admit('a', sequence)).toBeUndefined();
      for (const sequence of numbers(2 * underway + 1)) expect(admit('a', sequence)).toBe('replayed');
    }
  });

  it('are bounded over all authors: those of whoever has been silent longest go first, and stay known', () => {
    const { admit, authors } = begin({ maxMessagesPerSecond: 1_000_000 });
    const names = crowd(5);
    for (const name of names) for (const sequence of numbers(65_500)) admit(name, sequence);
    expect(authors.sequences).toBeLessThanOrEqual(262_144);
    for (const name of names) expect(admit(name, 65_499)).toBe('replayed');
    expect(admit('peer-0', 65_500)).toBeUndefined();
  });

  it('are forgotten with their author, and when it was silent', () => {
    const { admit, authors, clock } = begin();
    for (const sequence of numbers(10)) admit('a', sequence, { isCounted: false });
    clock.skip(120_001);
    expect(admit('a', 5, { isCounted: false })).toBeUndefined();
    expect(authors.sequences).toBe(1);
    for (const name of crowd(4_096)) admit(name, 1, { isCounted: false });
    expect(authors.sequences).toBe(4_096);
  });
});

describe('what an author may say', () => {
  it('is not used up by what was there already', () => {
    const { admit } = begin({ maxMessageBurst: 2, maxMessagesPerSecond: 1 });
    expect(admit('a', 1, { isCounted: false })).toBeUndefined();
    for (let times = 0; times < 10; times++) expect(admit('a', 1, { isCounted: false })).toBe('replayed');
    expect(admit('a', 2, { isCounted: false })).toBeUndefined();
    expect(admit('a', 3, { isCounted: false })).toBe('tooMany');
  });

  it('is not remembered where only others repeat it', () => {
    const { authors, admit } = begin({ maxMessageBurst: 1, maxMessagesPerSecond: 1 });
    expect(admit('a', 1, { isCounted: false })).toBeUndefined();
    for (const name of crowd(5_000)) authors.of(name, 'topic');
    expect(admit('a', 2, { isCounted: false })).toBe('tooMany');
  });
});
