import { expect, test } from 'vitest';
import { Roster } from './roster.ts';

const rosterOf = (...indexes: number[]): Roster<number> => {
  const roster = new Roster<number>();
  for (const index of indexes) roster.add({ name: `n${index}`, index, node: index });
  return roster;
};

test('nodes are told in the order of their hosts, in whatever order they start', () => {
  const { nodes } = rosterOf(2, 0, 1);
  expect([...nodes.keys()]).toEqual(['n0', 'n1', 'n2']);
  expect([...nodes.values()]).toEqual([0, 1, 2]);
  expect([...nodes]).toEqual([...nodes.entries()]);
  const seen: [string, number][] = [];
  nodes.forEach((node, name, map) => seen.push([name, map.get(name)! + node]));
  expect(seen).toEqual([
    ['n0', 0],
    ['n1', 2],
    ['n2', 4],
  ]);
});

test('what was handed out stays as it was, whoever comes and goes', () => {
  const roster = rosterOf(0, 2);
  const before = roster.nodes;
  expect(before.has('n2')).toBe(true);
  roster.add({ name: 'n3', index: 3, node: 3 });
  roster.add({ name: 'n1', index: 1, node: 1 });
  roster.delete('n0');
  expect([...before.keys()]).toEqual(['n0', 'n2']);
  expect([before.size, before.get('n3'), before.has('n3'), before.get('n1')]).toEqual([
    2,
    undefined,
    false,
    undefined,
  ]);
  expect([...roster.nodes.keys()]).toEqual(['n1', 'n2', 'n3']);
});
