import { describe, expect, it } from 'vitest';

import { BanBrake, brakeMs } from './banBrake.ts';

const times = (count: number, brake: BanBrake, at: number): string[] =>
  Array.from({ length: count }, () => brake.ask(at));

describe('the brake of bans', () => {
  it('lets three pass in a small node', () => {
    const brake = new BanBrake();
    brake.note(4, 0);
    expect(times(5, brake, 0)).toEqual(['ban', 'ban', 'ban', 'spareAloud', 'spare']);
  });

  it('lets a quarter of a large one pass, of as many as were connected at once within ten minutes', () => {
    const brake = new BanBrake();
    for (const [at, connected] of [40, 3, 20, 0].entries()) brake.note(connected, at);
    expect(times(12, brake, 4).filter((answer) => answer === 'ban')).toHaveLength(10);
    expect([brake.limitAt(brakeMs - 1), brake.limitAt(brakeMs), brake.limitAt(brakeMs + 2)]).toEqual([
      10, 5, 3,
    ]);
  });

  it('forgets a ban after ten minutes, and says so no oftener', () => {
    const brake = new BanBrake();
    expect(times(4, brake, 0).at(-1)).toBe('spareAloud');
    expect(times(1, brake, brakeMs - 1)).toEqual(['spare']);
    expect(times(4, brake, brakeMs)).toEqual(['ban', 'ban', 'ban', 'spareAloud']);
  });
});
