import { VirtualClock } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { KeptRequests } from './keptRequests.ts';

function keptOf(maxBytes = 100) {
  const clock = new VirtualClock();
  const kept = new KeptRequests<string>({ ttlMs: 1_000, maxBytes }, clock);
  const found = (...ids: string[]): (string | undefined)[] => ids.map((id) => kept.get(id));
  return { clock, kept, found };
}

describe('kept requests', () => {
  test('are there until they are taken', () => {
    const { kept } = keptOf();
    kept.keep('r-1', 'one', 10);
    expect([kept.get('r-1'), kept.get('r-1'), kept.size]).toEqual(['one', 'one', 1]);
    expect([kept.take('r-1'), kept.take('r-1'), kept.get('r-1'), kept.size]).toEqual([
      'one',
      undefined,
      undefined,
      0,
    ]);
  });

  test('are forgotten when their time is over', async () => {
    const { kept, clock, found } = keptOf();
    kept.keep('r-1', 'one', 10);
    await clock.runFor(500);
    kept.keep('r-2', 'two', 10);
    await clock.runFor(499);
    expect(found('r-1', 'r-2')).toEqual(['one', 'two']);
    await clock.runFor(1);
    expect([kept.take('r-1'), kept.get('r-2'), kept.size]).toEqual([undefined, 'two', 1]);
    await clock.runFor(500);
    expect([kept.size, kept.get('r-2')]).toEqual([0, undefined]);
  });

  test('have no more bytes than they may: the oldest makes room', () => {
    const { kept, found } = keptOf(100);
    for (const id of ['r-1', 'r-2', 'r-3']) kept.keep(id, id, 30);
    kept.keep('r-4', 'r-4', 60);
    expect(found('r-1', 'r-2', 'r-3', 'r-4')).toEqual([undefined, undefined, 'r-3', 'r-4']);
    kept.keep('r-5', 'r-5', 10);
    expect(found('r-3', 'r-4', 'r-5')).toEqual(['r-3', 'r-4', 'r-5']);
  });

  test('give back the bytes of what is taken, replaced, expired or cleared', async () => {
    const { kept, clock, found } = keptOf(100);
    kept.keep('r-1', 'one', 100);
    kept.take('r-1');
    kept.keep('r-2', 'two', 60);
    kept.keep('r-2', 'two again', 60);
    kept.keep('r-3', 'three', 40);
    expect(found('r-2', 'r-3')).toEqual(['two again', 'three']);
    await clock.runFor(1_000);
    kept.keep('r-4', 'four', 50);
    kept.keep('r-5', 'five', 50);
    expect(found('r-4', 'r-5')).toEqual(['four', 'five']);
    kept.clear();
    expect([kept.size, kept.get('r-4')]).toEqual([0, undefined]);
    kept.keep('r-6', 'six', 50);
    kept.keep('r-7', 'seven', 50);
    expect(found('r-6', 'r-7')).toEqual(['six', 'seven']);
  });

  test('that are kept again are young again', async () => {
    const { kept, clock, found } = keptOf(30);
    for (const id of ['r-1', 'r-2', 'r-3']) kept.keep(id, id, 10);
    await clock.runFor(900);
    kept.keep('r-1', 'again', 10);
    kept.keep('r-4', 'r-4', 10);
    expect(found('r-1', 'r-2', 'r-3')).toEqual(['again', undefined, 'r-3']);
    await clock.runFor(900);
    expect(found('r-1', 'r-3', 'r-4')).toEqual(['again', undefined, 'r-4']);
  });

  test('are none that are larger than all may be, and nothing else is dropped for them', () => {
    const { kept, found } = keptOf(100);
    kept.keep('r-1', 'one', 100);
    kept.keep('r-2', 'two', 101);
    expect(found('r-1', 'r-2')).toEqual(['one', undefined]);
    kept.keep('r-1', 'too large now', 101);
    expect(kept.size).toBe(0);
  });

  test('are 10,000 at most', () => {
    const { kept, found } = keptOf(1_000_000);
    for (let id = 0; id < 10_010; id++) kept.keep(`r-${id}`, 'one', 1);
    expect(kept.size).toBe(10_000);
    expect(found('r-9', 'r-10', 'r-10009')).toEqual([undefined, 'one', 'one']);
  });
});
