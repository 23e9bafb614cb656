import { createClock } from '../../test/machines.ts';
import { describe, expect, it } from 'vitest';
import { Announcement } from './announcement.ts';

const minuteMs = 60_000;

function begin() {
  const simulated = createClock();
  let elapsed = 0;
  const clock = {
    now: () => 0,
    elapsed: () => elapsed,
    setTimeout: (fn: () => void, ms: number) => simulated.setTimeout(fn, ms),
    clearTimeout: (id: unknown) => simulated.clearTimeout(id as number),
  };
  const told: string[] = [];
  const announcement = new Announcement({ clock, onChange: (addresses) => told.push(addresses.join('+')) });
  const wait = (ms: number): void => {
    elapsed += ms;
    simulated.increment(ms);
  };
  return { announcement, told, wait };
}

describe('what is announced for a relay', () => {
  it('is the first at once, and something else after a minute, whatever came between', () => {
    const { announcement, told, wait } = begin();
    announcement.offer(['a', 'b']);
    announcement.offer(['a', 'b']);
    for (const one of ['c', 'd', 'e']) announcement.offer([one]);
    expect(announcement.current).toEqual(['a', 'b']);
    wait(minuteMs - 1);
    expect(told).toEqual(['a+b']);
    wait(1);
    expect(told).toEqual(['a+b', 'e']);
    wait(10 * minuteMs);
    announcement.offer(['f']);
    expect(told).toEqual(['a+b', 'e', 'f']);
  });

  it('is left as it is when the relay comes back to it', () => {
    const { announcement, told, wait } = begin();
    announcement.offer(['a']);
    announcement.offer(['b']);
    announcement.offer(['a']);
    wait(10 * minuteMs);
    expect(told).toEqual(['a']);
  });

  it('is taken back at once, and the same again at once, but nothing else within the minute', () => {
    const { announcement, told, wait } = begin();
    announcement.offer(['a']);
    announcement.retract();
    announcement.retract();
    announcement.offer(['a']);
    announcement.retract();
    expect(told).toEqual(['a', '', 'a', '']);
    announcement.offer(['b']);
    expect(announcement.current).toEqual([]);
    wait(minuteMs);
    expect(announcement.current).toEqual(['b']);
    announcement.offer(['c']);
    announcement.retract();
    wait(10 * minuteMs);
    expect(told).toEqual(['a', '', 'a', '', 'b', '']);
  });
});
