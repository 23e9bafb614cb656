import { expect, test } from 'vitest';

import { randomFrom } from './support/random.ts';
import { fuzzSessions } from './support/session.ts';

test.for([1, 2, 3, 4])(
  '250,000 mutated sequences of frames end in frames or a CodecError, however they are cut (seed %i)',
  (seed) => {
    const { whole, refused } = fuzzSessions(randomFrom(seed), 250_000);
    expect(Math.min(whole, refused)).toBeGreaterThan(10_000);
  },
);
