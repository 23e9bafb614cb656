import { describe, expect, it } from 'vitest';
import { HandClock } from '../../test/descriptors.ts';
import { Hints } from './hints.ts';

function begin() {
  const clock = new HandClock();
  return { clock, hints: new Hints(clock, 90_000) };
}

describe('hints', () => {
  it('name peers by the models that somebody says they serve', () => {
    const { hints } = begin();
    hints.note('a', ['m', 'n']);
    hints.note('b', ['n']);
    expect([hints.peersFor('m'), hints.peersFor('n'), hints.peersFor('o')]).toEqual([['a'], ['a', 'b'], []]);
    expect(hints.peersFor(undefined)).toEqual(['a', 'b']);
  });

  it('hold what was said last, and nothing when that is nothing', () => {
    const { hints } = begin();
    hints.note('a', ['m']);
    hints.note('a', ['n']);
    expect([hints.peersFor('m'), hints.peersFor('n')]).toEqual([[], ['a']]);
    hints.note('a', []);
    expect(hints.peersFor(undefined)).toEqual([]);
  });

  it('are gone after their time, each by itself, and when the peer was heard', () => {
    const { clock, hints } = begin();
    hints.note('a', ['m']);
    clock.elapsedMs = 50_000;
    hints.note('b', ['m']);
    hints.note('c', ['m']);
    hints.drop('c');
    clock.elapsedMs = 89_999;
    expect(hints.peersFor('m')).toEqual(['a', 'b']);
    clock.elapsedMs = 90_000;
    expect(hints.peersFor('m')).toEqual(['b']);
    clock.elapsedMs = 140_000;
    expect(hints.peersFor('m')).toEqual([]);
  });

  it('live again from when they are said again', () => {
    const { clock, hints } = begin();
    hints.note('a', ['m']);
    hints.note('b', ['m']);
    clock.elapsedMs = 50_000;
    hints.note('a', ['m']);
    clock.elapsedMs = 90_000;
    expect(hints.peersFor('m')).toEqual(['a']);
  });

  it('are 1,024 at most: the oldest goes first', () => {
    const { hints } = begin();
    for (let index = 0; index < 1_024; index++) hints.note(`p${index}`, ['m']);
    hints.note('p0', ['m']);
    hints.note('x', ['m']);
    const peers = hints.peersFor('m');
    expect([peers.length, peers[0], peers.includes('p0'), peers.includes('p1')]).toEqual([
      1_024,
      'p2',
      true,
      false,
    ]);
  });
});
