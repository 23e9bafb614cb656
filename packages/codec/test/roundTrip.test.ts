import { test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';

import { formats, kinds } from './support/formats.ts';

const seed = 20_240_607;

describe(`every value comes back from its bytes as it was (seed ${seed})`, () => {
  for (const { title, name, values } of kinds) {
    const { encode, decode } = formats[name];

    test.prop([values], { seed, numRuns: 300 })(title, (value) => {
      const encoded = encode(value);
      expect(decode(encoded)).toEqual(value);
      // The same value has one encoding, and no slice of a Node.js buffer leaks out.
      expect(encode(decode(encoded))).toStrictEqual(encoded);
      expect(encoded.constructor).toBe(Uint8Array);
    });
  }
});
