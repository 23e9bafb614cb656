import { expect, test } from 'vitest';
import { Doubts } from './doubts.ts';

function createDoubts(latencies: Readonly<Record<string, number>> = {}) {
  const clock = { nowMs: 0, elapsed: () => clock.nowMs };
  const doubts = new Doubts({ clock, forMs: 15_000, latencyOf: (peerId) => latencies[peerId] });
  return { clock, doubts };
}

test('who owes a first word for three times as long as usual is in doubt, until it says one', () => {
  const { clock, doubts } = createDoubts({ slow: 2_000 });
  doubts.asked('slow');
  clock.nowMs = 1_000;
  doubts.asked('slow');
  clock.nowMs = 6_000;
  expect(doubts.has('slow')).toBe(false);
  clock.nowMs = 6_001;
  expect(doubts.has('slow')).toBe(true);
  doubts.heard('slow');
  expect(doubts.has('slow')).toBe(false);
  // It still owes one, and has been heard just now.
  clock.nowMs = 12_001;
  expect(doubts.has('slow')).toBe(false);
  clock.nowMs = 12_002;
  expect(doubts.has('slow')).toBe(true);
});

test.each([
  ['a fast one is given a second', { a: 10 }, 1_000],
  ['one that has not answered yet is given five', {}, 5_000],
])('%s', (_name, latencies, patienceMs) => {
  const { clock, doubts } = createDoubts(latencies);
  doubts.asked('a');
  clock.nowMs = patienceMs;
  expect(doubts.has('a')).toBe(false);
  clock.nowMs++;
  expect(doubts.has('a')).toBe(true);
});

test('who was silent to the end stays in doubt for a while, and who was given up early does not', () => {
  const { clock, doubts } = createDoubts({ mute: 10, hurried: 10 });
  doubts.asked('mute');
  doubts.asked('hurried');
  clock.nowMs = 500;
  doubts.left('hurried');
  clock.nowMs = 2_000;
  doubts.left('mute');
  expect([doubts.has('mute'), doubts.has('hurried')]).toEqual([true, false]);
  clock.nowMs = 16_999;
  expect(doubts.has('mute')).toBe(true);
  clock.nowMs = 17_000;
  expect(doubts.has('mute')).toBe(false);
});

test('who refuses what it offers three times in a row is in doubt, until it answers', () => {
  const { doubts } = createDoubts();
  doubts.refused('a');
  doubts.refused('a');
  doubts.answered('a');
  doubts.refused('a');
  doubts.refused('a');
  expect(doubts.has('a')).toBe(false);
  doubts.refused('a');
  expect(doubts.has('a')).toBe(true);
  doubts.answered('a');
  expect(doubts.has('a')).toBe(false);
});

test('what ends without having begun says nothing', () => {
  const { doubts } = createDoubts();
  doubts.left('a');
  doubts.heard('a');
  expect(doubts.has('a')).toBe(false);
});
