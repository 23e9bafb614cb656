import { expect, test } from 'vitest';

import { EndedCircuits } from './endedCircuits.ts';

const circuit = { from: 'peer-1', to: 'peer-2', openedAt: 7, bytes: 5, endedAt: 9 };

test('a connection that has ended is told for half a minute, to its two ends', () => {
  const ended = new EndedCircuits();
  ended.add(circuit, 1_000);
  expect(ended.list(30_999)).toEqual([circuit]);
  expect(['peer-1', 'peer-2', 'peer-3'].map((peer) => ended.list(30_999, peer).length)).toEqual([1, 1, 0]);
  expect(ended.list(31_000)).toEqual([]);
});

test('of many connections that end the last 256 are kept', () => {
  const ended = new EndedCircuits();
  for (let bytes = 0; bytes < 300; bytes++) ended.add({ ...circuit, bytes }, 0);
  expect([ended.list(0).length, ended.list(0)[0]?.bytes]).toEqual([256, 44]);
});
