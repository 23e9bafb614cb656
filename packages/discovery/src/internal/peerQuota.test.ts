import { describe, expect, it } from 'vitest';
import { HandClock } from '../../test/descriptors.ts';
import { PeerQuota } from './peerQuota.ts';

function begin() {
  const clock = new HandClock();
  const quota = new PeerQuota(clock, { burst: 4, perSecond: 2 });
  /** How often a peer may, until it may not. */
  const drain = (peerId: string): number => {
    let times = 0;
    while (quota.take(peerId)) times++;
    return times;
  };
  return { clock, quota, drain };
}

describe('a quota', () => {
  it('lets each peer do it so often at once, whatever others do', () => {
    const { drain } = begin();
    expect([drain('a'), drain('b')]).toEqual([4, 4]);
  });

  it('gives back so much each second, and never more than the burst', () => {
    const { clock, drain } = begin();
    drain('a');
    clock.elapsedMs += 499;
    expect(drain('a')).toBe(0);
    clock.elapsedMs += 1;
    expect(drain('a')).toBe(1);
    clock.elapsedMs += 1_000;
    expect(drain('a')).toBe(2);
    clock.elapsedMs += 1_000_000;
    expect(drain('a')).toBe(4);
  });

  it('is not used up by what was refused', () => {
    const { clock, quota, drain } = begin();
    drain('a');
    for (let times = 0; times < 100; times++) quota.take('a');
    clock.elapsedMs += 500;
    expect(drain('a')).toBe(1);
  });

  it('counts 1,024 peers: the one that was counted longest ago is forgotten first', () => {
    const { drain, quota } = begin();
    drain('a');
    drain('b');
    for (let index = 2; index < 1_025; index++) quota.take(`p${index}`);
    expect([drain('b'), drain('a')]).toEqual([0, 4]);
  });
});
