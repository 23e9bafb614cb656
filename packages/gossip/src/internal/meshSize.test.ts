import { describe, expect, test } from 'vitest';
import { meshParameters } from './meshSize.ts';

describe('the size of a mesh', () => {
  test.for([
    [1, 1, { D: 1, Dlo: 1, Dhi: 1, Dscore: 1, Dout: 0 }],
    [2, 4, { D: 2, Dlo: 2, Dhi: 4, Dscore: 2, Dout: 0 }],
    [3, 6, { D: 3, Dlo: 2, Dhi: 6, Dscore: 2, Dout: 1 }],
    [6, 12, { D: 6, Dlo: 4, Dhi: 12, Dscore: 4, Dout: 2 }],
    [8, 12, { D: 8, Dlo: 6, Dhi: 12, Dscore: 6, Dout: 2 }],
    [64, 128, { D: 64, Dlo: 43, Dhi: 128, Dscore: 43, Dout: 4 }],
  ] as const)('of %i and at most %i is told to gossipsub in its own words', ([target, high, expected]) => {
    expect(meshParameters({ target, high })).toEqual(expected);
  });

  test('holds what gossipsub demands, whatever it is', () => {
    for (let target = 1; target <= 256; target++) {
      const { D, Dlo, Dhi, Dscore, Dout } = meshParameters({ target, high: target });
      expect(D).toBe(target);
      expect(Dlo >= 1 && Dlo <= D && D <= Dhi).toBe(true);
      expect(Dout >= 0 && Dout < Dlo && Dout <= D / 2).toBe(true);
      expect(Dscore >= 1 && Dscore <= D).toBe(true);
    }
  });
});
