import { expect, it } from 'vitest';
import type { Observation } from './mapping.ts';
import { OwnNat } from './ownNat.ts';

const seen = (...ports: readonly number[]): Observation[] =>
  ports.map((port, observer) => ({
    ...{ observer: `relay-${observer}`, localPort: 5_000, isOwn: false },
    seen: { host: '10.7.0.10', port },
  }));

it('a node has moved when its addresses, or its kind of NAT, are known to be others than before', () => {
  const nat = new OwnNat(['10.0.0.1']);
  expect(nat.hasMoved(['10.0.0.1'])).toBe(false);
  nat.note(seen(1, 1), 0);
  expect([nat.hasMoved(['10.0.0.1']), nat.mappingAt(0)]).toEqual([false, 'endpoint-independent']);
  nat.note(seen(1, 2), 1);
  expect([nat.hasMoved(['10.0.0.1']), nat.hasMoved(['10.0.0.1'])]).toEqual([true, false]);
  expect([nat.hasMoved(['10.0.0.2']), nat.mappingAt(1)]).toEqual([true, 'unknown']);
  nat.note(seen(1, 1), 2);
  expect(nat.hasMoved(['10.0.0.2'])).toBe(false);
});

it('a verdict on the own NAT counts for five minutes, and one observer makes none', () => {
  const nat = new OwnNat([]);
  nat.note(seen(1, 2), 0);
  nat.note(seen(1), 1);
  expect([nat.mappingAt(300_000), nat.mappingAt(300_001)]).toEqual(['endpoint-dependent', 'unknown']);
});
