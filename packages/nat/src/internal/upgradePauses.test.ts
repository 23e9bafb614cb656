import { expect, it } from 'vitest';
import { UpgradePauses } from './upgradePauses.ts';

it('a peer is remembered as resting, or as tried, until an attempt came to something', () => {
  const pauses = new UpgradePauses();
  expect(pauses.before('peer-1')).toEqual({ attempt: 0, notBeforeMs: -Infinity });
  pauses.tried('peer-1', 1_000);
  expect(pauses.before('peer-1')).toEqual({ attempt: 0, notBeforeMs: 31_000 });
  for (const untilMs of [40_000, 90_000]) pauses.failed('peer-1', untilMs);
  expect(pauses.before('peer-1')).toEqual({ attempt: 2, notBeforeMs: 90_000 });
  pauses.succeeded('peer-1');
  expect(pauses.before('peer-1')).toEqual({ attempt: 0, notBeforeMs: -Infinity });
});

it('a peer may ask three times in half a minute', () => {
  const pauses = new UpgradePauses();
  for (const at of [0, 1, 2]) pauses.called('peer-1', at);
  expect([3, 29_999, 30_000].map((at) => pauses.mayCall('peer-1', at))).toEqual([false, false, true]);
  expect(pauses.mayCall('peer-2', 3)).toBe(true);
});
