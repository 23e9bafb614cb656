import { expect, test } from 'vitest';
import { Reports } from './reports.ts';

/** Reports of which it is noted what was told, and what went wrong. */
function createReports(report?: (peerId: string, fact: string) => void, bursts = {}) {
  const told: string[] = [];
  const errors: unknown[] = [];
  const clock = { nowMs: 0, elapsed: () => clock.nowMs };
  const note = report ?? ((peerId: string, fact: string) => void told.push(`${peerId} ${fact}`));
  const onError = (_: string, error: unknown): void => void errors.push(error);
  return {
    told,
    errors,
    clock,
    reports: new Reports({ clock, reputation: { report: note }, bursts, onError }),
  };
}

test('each fact of a peer is told once a second at most', () => {
  const { told, clock, reports } = createReports();
  for (const [peerId, fact] of [
    ['a', 'BAD'],
    ['a', 'BAD'],
    ['a', 'GOOD'],
    ['b', 'BAD'],
  ] as const)
    reports.tell(peerId, fact);
  clock.nowMs = 999;
  reports.tell('a', 'BAD');
  expect(told).toEqual(['a BAD', 'a GOOD', 'b BAD']);
  clock.nowMs = 1_000;
  reports.tell('a', 'BAD');
  expect(told).toHaveLength(4);
});

test('of a fact that has a burst so many are told at once, and one more each second', () => {
  const { told, clock, reports } = createReports(undefined, { BAD: 3 });
  const toldAt = (nowMs: number): number => {
    clock.nowMs = nowMs;
    for (let times = 0; times < 10; times++) for (const fact of ['BAD', 'GOOD']) reports.tell('a', fact);
    const news = told.splice(0);
    expect(news.filter((text) => text === 'a GOOD')).toHaveLength(nowMs % 1_000 === 0 ? 1 : 0);
    return news.filter((text) => text === 'a BAD').length;
  };
  expect([0, 999, 1_000, 3_000, 9_000].map(toldAt)).toEqual([3, 0, 1, 2, 3]);
});

test('of so many peers is remembered when they were told of; a stranger takes the place of the oldest', () => {
  const { told, reports } = createReports();
  for (let peer = 0; peer <= 1_024; peer++) reports.tell(String(peer), 'BAD');
  reports.tell('1', 'BAD');
  expect(told).toHaveLength(1_025);
  reports.tell('0', 'BAD');
  expect(told.at(-1)).toBe('0 BAD');
  expect(told).toHaveLength(1_026);
});

test('a reputation that throws harms nobody', () => {
  const error = new Error('full');
  const { errors, reports } = createReports(() => {
    throw error;
  });
  reports.tell('a', 'BAD');
  expect(errors).toEqual([error]);
});

test('without a reputation nothing is told', () => {
  const clock = { elapsed: () => 0 };
  const onError = (): void => expect.unreachable();
  new Reports({ clock, reputation: undefined, onError }).tell('a', 'BAD');
});
