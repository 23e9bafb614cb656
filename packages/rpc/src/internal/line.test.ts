import { seededRandom } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { Line } from './line.ts';

function lineOf(...items: string[]): Line<string> {
  const line = new Line<string>();
  for (const item of items) line.add(item);
  return line;
}

function emptied<T>(line: Line<T>): T[] {
  const items: T[] = [];
  for (let item = line.shift(); item !== undefined; item = line.shift()) items.push(item);
  return items;
}

describe('a line', () => {
  test('is emptied in the order in which it was filled', () => {
    expect(emptied(lineOf('a', 'b', 'c'))).toEqual(['a', 'b', 'c']);
  });

  test.each([
    ['a', ['b', 'c']],
    ['b', ['a', 'c']],
    ['c', ['a', 'b']],
  ])('closes up when %s leaves', (item, rest) => {
    const line = lineOf('a', 'b', 'c');
    expect([line.delete(item), line.delete(item), line.has(item)]).toEqual([true, false, false]);
    line.add('d');
    expect(emptied(line)).toEqual([...rest, 'd']);
    expect(line.size).toBe(0);
  });

  test('keeps whoever joins twice where it stood first', () => {
    const line = lineOf('a', 'b', 'a');
    expect([line.size, ...emptied(line)]).toEqual([2, 'a', 'b']);
  });

  test('does what a list does, whatever the order of joins and leaves', () => {
    const random = seededRandom('line');
    const line = new Line<number>();
    let list: number[] = [];
    for (let step = 0; step < 5_000; step++) {
      const item = Math.floor(random.float() * 12) + 1;
      const [deletes, shifts] = [random.float() < 0.4, random.float() < 0.3];
      if (!list.includes(item)) list.push(item);
      line.add(item);
      if (deletes) list = list.filter((other) => other !== item);
      expect(line.delete(deletes ? item : -1)).toBe(deletes);
      const first = shifts ? list.shift() : undefined;
      expect(shifts ? line.shift() : undefined).toBe(first);
      expect([line.size, line.has(item)]).toEqual([list.length, list.includes(item)]);
    }
    expect(emptied(line)).toEqual(list);
  });
});
