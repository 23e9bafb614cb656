import { systemClock } from '@lloom/core';
import { expect, test } from 'vitest';
import { KnownServices } from './knownServices.ts';

const validator = { kind: 'validator', stake: '1' } as const;
const descriptor = { services: [validator], addresses: [] };

test('what a peer said of itself is known until its time is over', () => {
  let now = 0;
  const known = new KnownServices({ ...systemClock, elapsed: () => now }, 100);
  expect(known.of('a')).toEqual([]);
  known.note('a', descriptor);
  now = 99;
  expect(known.of('a')).toEqual([validator]);
  now = 100;
  expect(known.of('a')).toEqual([]);
});

test('only the last 1,024 peers are remembered', () => {
  const known = new KnownServices(systemClock, 60_000);
  for (let peer = 0; peer <= 1_024; peer++) known.note(`peer-${peer}`, descriptor);
  expect(known.of('peer-0')).toEqual([]);
  expect(known.of('peer-1')).toEqual([validator]);
  expect(known.of('peer-1024')).toEqual([validator]);
});
