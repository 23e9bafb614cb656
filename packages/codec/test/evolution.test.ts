import { fc } from '@fast-check/vitest';
import { describe, expect, test } from 'vitest';

import { formats, kinds } from './support/formats.ts';
import { asNewer } from './support/newer.ts';
import { randomFrom } from './support/random.ts';

const seed = 20_240_609;

describe(`fields of a newer version are ignored at every depth (seed ${seed})`, () => {
  test.for(kinds)('in $title', ({ name, values }) => {
    const { encode, decode } = formats[name];
    let longer = 0;
    const ignored = fc.property(values, fc.nat(), (value, start) => {
      const bytes = encode(value);
      const newer = asNewer(name, bytes, randomFrom(start));
      longer += newer.length > bytes.length ? 1 : 0;
      expect(decode(newer)).toEqual(value);
    });
    fc.assert(ignored, { seed, numRuns: 100 });
    expect(longer).toBeGreaterThan(40);
  });

  test('in DescriptorRequest', () => {
    const { encode, decode } = formats.DescriptorRequest;
    const newer = asNewer('DescriptorRequest', encode(undefined), () => 0.4);
    expect(newer.length).toBeGreaterThan(encode(undefined).length);
    expect(() => decode(newer)).not.toThrow();
  });
});
