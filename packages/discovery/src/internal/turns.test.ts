import { describe, expect, test } from 'vitest';
import { Turns } from './ranking.ts';

describe('the order of equals', () => {
  test('is the same each time, and another one at other nodes', () => {
    const names = ['12D3KooWAlpha', '12D3KooWBravo', '12D3KooWCharlie', '12D3KooWDelta'];
    const firsts = new Set<string>();
    for (let node = 0; node < 32; node++) {
      const own = new Turns({ float: () => node / 32, bytes: (length) => new Uint8Array(length) });
      const sorted = names.toSorted((a, b) => own.of(a) - own.of(b));
      expect(names.toSorted((a, b) => own.of(a) - own.of(b))).toEqual(sorted);
      firsts.add(sorted[0]!);
    }
    expect(firsts.size).toBe(4);
  });
});
