import { fc } from '@fast-check/vitest';
import { describe, expect, test } from 'vitest';

import { formats, kinds } from './support/formats.ts';

const seed = 20_240_607;

describe(`every value comes back from its bytes as it was (seed ${seed})`, () => {
  test.for(kinds)('$title', ({ name, values }) => {
    const { encode, decode } = formats[name];
    const comesBack = fc.property(values, (value) => {
      const encoded = encode(value);
      const decoded = decode(encoded);
      expect(decoded).toEqual(value);
      // One value has one encoding, and none of it is a Node.js buffer.
      expect(encode(decoded)).toStrictEqual(encoded);
      expect(encoded.constructor).toBe(Uint8Array);
    });
    fc.assert(comesBack, { seed, numRuns: 300 });
  });
});
