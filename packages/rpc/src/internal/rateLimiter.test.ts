import type { Clock } from '@lloom/core';
import { seededRandom } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import type { RateLimit } from '../types.ts';
import { RateLimiter } from './rateLimiter.ts';

/** Time that stands still until it is moved. */
function limiterOf(limits: Readonly<Record<string, RateLimit>>, startMs = 0) {
  let nowMs = startMs;
  const clock = { elapsed: () => nowMs } as Clock;
  const limiter = new RateLimiter(limits, clock);
  /** How many of a method a peer may do now. */
  const burst = (peerId: string, method = 'ping'): number => {
    let count = 0;
    while (count < 10_000 && limiter.take(peerId, method) === 0) count++;
    return count;
  };
  return { limiter, burst, pass: (ms: number) => void (nowMs += ms) };
}

describe('a rate limit', () => {
  test('lets a burst through at once, and then says how long to wait', () => {
    const { limiter } = limiterOf({ ping: { requests: 3, perMs: 3_000 } });
    expect(Array.from({ length: 5 }, () => limiter.take('a', 'ping'))).toEqual([0, 0, 0, 1_000, 1_000]);
  });

  test('lets one more through when that time is over, and not before', () => {
    const { limiter, pass } = limiterOf({ ping: { requests: 3, perMs: 1_000 } });
    for (let count = 0; count < 3; count++) limiter.take('a', 'ping');
    pass(200);
    expect(limiter.take('a', 'ping')).toBe(134);
    pass(133);
    expect(limiter.take('a', 'ping')).toBe(1);
    pass(1);
    expect(limiter.take('a', 'ping')).toBe(0);
    expect(limiter.take('a', 'ping')).toBe(333);
  });

  test('takes nothing from whoever is refused', () => {
    const { limiter, burst, pass } = limiterOf({ ping: { requests: 2, perMs: 1_000 } });
    burst('a');
    for (let count = 0; count < 1_000; count++) limiter.take('a', 'ping');
    pass(1_000);
    expect(burst('a')).toBe(2);
  });

  test('gives nobody more than a burst for having been silent', () => {
    const { burst, pass } = limiterOf({ ping: { requests: 5, perMs: 1_000 } });
    expect(burst('a')).toBe(5);
    pass(1e9);
    expect(burst('a')).toBe(5);
  });

  test('is for each peer and each method by itself', () => {
    const { burst } = limiterOf({
      ping: { requests: 2, perMs: 1_000 },
      llmRequest: { requests: 3, perMs: 1_000 },
    });
    expect([burst('a'), burst('a', 'llmRequest'), burst('b')]).toEqual([2, 3, 2]);
  });

  test.each(['weather', '__proto__', 'constructor', ''])(
    'is none for the method "%s", which has none',
    (method) => {
      const { burst } = limiterOf({ ping: { requests: 1, perMs: 1_000 } });
      expect(burst('a', method)).toBe(10_000);
    },
  );

  test.each([
    [1, 1],
    [1_000_000, 1],
    [1, 86_400_000],
    [7, 1_000],
    [9_999, 86_400_000],
  ])('of %i in %i ms lets exactly its burst through, however late it is', (requests, perMs) => {
    for (const startMs of [0, 0.1, 123_456.789, 1e10 + 0.3]) {
      const { burst } = limiterOf({ ping: { requests, perMs } }, startMs);
      expect(burst('a')).toBe(Math.min(10_000, requests));
    }
  });

  test.each([
    [1, 1],
    [3, 1_000],
    [7, 1_000],
    [1_000, 7],
    [60, 60_000],
    [1, 86_400_000],
  ])('of %i in %i ms is kept by whoever waits as long as it is told', (requests, perMs) => {
    const { limiter, pass } = limiterOf({ ping: { requests, perMs } }, 0.7);
    for (let count = 0; count < 2_000; count++) {
      const waitMs = limiter.take('a', 'ping');
      if (waitMs === 0) continue;
      expect(Number.isInteger(waitMs)).toBe(true);
      pass(waitMs);
      expect(limiter.take('a', 'ping')).toBe(0);
    }
  });

  test('never lets more through in any time than a burst and its rate, at random', () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(`rates/${seed}`);
      const limit = {
        requests: 1 + Math.floor(random.float() * 9),
        perMs: 1 + Math.floor(random.float() * 2_000),
      };
      const { limiter, pass } = limiterOf({ ping: limit }, random.float() * 1e6);
      const perRequestMs = limit.perMs / limit.requests;
      let nowMs = 0;
      const taken: number[] = [];
      for (let step = 0; step < 300; step++) {
        const waitMs = limiter.take('a', 'ping');
        if (waitMs === 0) taken.push(nowMs);
        const chance = random.float();
        const jumpMs = chance < 0.5 ? 0 : chance < 0.8 ? waitMs : random.float() * perRequestMs * 2;
        nowMs += jumpMs;
        pass(jumpMs);
      }
      // The first and the last of any window, both within it.
      for (const [first, begin] of taken.entries())
        for (let last = first; last < taken.length; last++) {
          const allowed = limit.requests + ((taken[last] as number) - begin) / perRequestMs;
          expect(last - first + 1, `seed ${seed}`).toBeLessThanOrEqual(allowed + 1e-5);
        }
    }
  });
});

describe('a peer that has said how long to wait', () => {
  test('is left alone for so long, with that method, limit or none', () => {
    const { limiter, burst, pass } = limiterOf({ ping: { requests: 2, perMs: 1_000 } });
    limiter.hold('a', 'ping', 5_000);
    limiter.hold('a', 'weather', 300);
    expect([limiter.take('a', 'ping'), limiter.take('a', 'weather')]).toEqual([5_000, 300]);
    expect([limiter.take('a', 'llmRequest'), limiter.take('b', 'ping')]).toEqual([0, 0]);
    pass(300);
    expect([limiter.take('a', 'ping'), limiter.take('a', 'weather')]).toEqual([4_700, 0]);
    pass(4_700);
    expect(burst('a')).toBe(2);
  });

  test('does not shorten what is left of an earlier time', () => {
    const { limiter, pass } = limiterOf({});
    limiter.hold('a', 'ping', 5_000);
    limiter.hold('a', 'ping', 10);
    expect(limiter.take('a', 'ping')).toBe(5_000);
    pass(4_000);
    limiter.hold('a', 'ping', 2_000);
    expect(limiter.take('a', 'ping')).toBe(2_000);
  });

  test('waits for whatever takes longer: that, or its limit', () => {
    const { limiter, burst } = limiterOf({ ping: { requests: 1, perMs: 9_000 } });
    burst('a');
    limiter.hold('a', 'ping', 5_000);
    expect(limiter.take('a', 'ping')).toBe(9_000);
    limiter.hold('a', 'ping', 20_000);
    expect(limiter.take('a', 'ping')).toBe(20_000);
  });

  test.each([
    [0, 0],
    [-5, 0],
    [NaN, 0],
    [3_600_001, 3_600_000],
    [Infinity, 3_600_000],
  ])('for %d ms is left alone for %i ms: an hour at most', (forMs, waitMs) => {
    const { limiter } = limiterOf({});
    limiter.hold('a', 'ping', forMs);
    expect(limiter.take('a', 'ping')).toBe(waitMs);
  });

  test('is all that a limiter without limits looks at, as long as it lasts', () => {
    const { limiter, pass } = limiterOf({});
    expect(limiter.isIdle).toBe(true);
    limiter.hold('a', 'ping', 1_000);
    expect(limiter.isIdle).toBe(false);
    pass(1_000);
    expect([limiter.take('a', 'ping'), limiter.isIdle]).toEqual([0, true]);
    expect(limiterOf({ ping: { requests: 1, perMs: 1 } }).limiter.isIdle).toBe(false);
  });
});

describe('what a limiter knows', () => {
  const many = Array.from({ length: 4_096 }, (_, index) => `peer${index}`);

  test('is forgotten first where it counts no more', () => {
    const { limiter, burst, pass } = limiterOf({
      ping: { requests: 1, perMs: 1_000 },
      llmRequest: { requests: 1, perMs: 60_000 },
    });
    limiter.take('a', 'llmRequest');
    for (const peer of many.slice(1)) limiter.take(peer, 'ping');
    pass(1_000);
    expect(burst('new')).toBe(1);
    expect([burst('a', 'llmRequest'), burst('new')]).toEqual([0, 0]);
  });

  test('is of 4,096 at most: whoever would be free soonest may begin a new burst', () => {
    const { limiter, burst, pass } = limiterOf({ ping: { requests: 10, perMs: 60_000 } });
    for (const peer of many) {
      limiter.take(peer, 'ping');
      pass(1);
    }
    limiter.take(many[0] as string, 'ping');
    limiter.take('new', 'ping');
    expect([burst(many[0] as string), burst(many[2] as string), burst(many[1] as string)]).toEqual([
      8, 9, 10,
    ]);
  });

  test('is kept longest of who has used most, however many new peers come', () => {
    const { limiter, burst } = limiterOf({ ping: { requests: 10, perMs: 1_000 } });
    expect(burst('early')).toBe(10);
    for (const peer of many.slice(2)) limiter.take(peer, 'ping');
    expect(burst('late')).toBe(10);
    limiter.take(many[7] as string, 'ping');
    for (let index = 0; index < 1_000; index++) limiter.take(`new${index}`, 'ping');
    expect([burst('early'), burst('late'), burst(many[7] as string)]).toEqual([0, 0, 8]);
  });

  test('keeps who is held before who has used a little', () => {
    const { limiter } = limiterOf({ ping: { requests: 10, perMs: 1_000 } });
    limiter.hold('held', 'ping', 60_000);
    for (const peer of many) limiter.take(peer, 'ping');
    expect(limiter.take('held', 'ping')).toBe(60_000);
  });
});
