import { describe, expect, it } from 'vitest';
import { HandClock } from '../../test/descriptors.ts';
import { SilentPeers } from './silentPeers.ts';

function begin() {
  const clock = new HandClock();
  const silent = new SilentPeers(clock);
  /** For how long a peer that was just noted counts as silent. */
  const lasts = (peerId: string): number => {
    const fromMs = clock.elapsedMs;
    while (silent.has(peerId)) clock.elapsedMs += 1_000;
    return clock.elapsedMs - fromMs;
  };
  return { clock, silent, lasts };
}

describe('a peer that did not answer', () => {
  it('is silent for half a minute, twice as long each time in a row, and ten minutes at most', () => {
    const { silent, lasts } = begin();
    const times: number[] = [];
    for (let failures = 0; failures < 7; failures++) {
      silent.note('a');
      times.push(lasts('a') / 1_000);
    }
    expect(times).toEqual([30, 60, 120, 240, 480, 600, 600]);
    expect(silent.has('b')).toBe(false);
  });

  it('is not silent any more once it was heard, and begins anew', () => {
    const { silent, lasts } = begin();
    silent.note('a');
    silent.note('a');
    silent.clear('a');
    expect(silent.has('a')).toBe(false);
    silent.note('a');
    expect(lasts('a')).toBe(30_000);
  });

  it('is forgotten when there are more than 1,024: the one noted longest ago first', () => {
    const { silent } = begin();
    for (let index = 0; index < 1_024; index++) silent.note(`p${index}`);
    silent.note('p0');
    silent.note('x');
    expect([silent.has('p0'), silent.has('p1'), silent.has('p2'), silent.has('x')]).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });
});
