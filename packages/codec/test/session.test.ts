import { describe, expect, test } from 'vitest';

import { encodeSessionFrame, SessionDecoder, type SessionFrame } from '../src/index.ts';
import { errorOf, type ErrorShape } from './support/errors.ts';
import { randomFrom } from './support/random.ts';
import { fuzzSessions } from './support/session.ts';
import { bytesOf, hexOf, session } from './support/vectors.ts';

const seed = 20_240_611;

/** All frames of some bytes that come in pieces of `length`, and the error that ended them. */
function readAll(bytes: Uint8Array, length: number): { frames: object[]; error?: ErrorShape } {
  const frames: object[] = [];
  const decoder = new SessionDecoder((frame) => frames.push({ ...frame, payload: hexOf(frame.payload) }));
  class Ended extends Error {}
  const act = (): void => {
    for (let at = 0; at < bytes.length; at += length) decoder.push(bytes.slice(at, at + length));
    decoder.end();
    throw new Ended();
  };
  try {
    return { frames, error: errorOf(act) };
  } catch (error) {
    if (error instanceof Ended) return { frames };
    throw error;
  }
}

describe('one table of frames of a session', () => {
  const written = session.filter(({ error, skips }) => error === undefined && skips !== true);

  test.for(written)('writes $title', ({ frames = [], bytes }) => {
    const encoded = frames.map(({ payload, ...rest }) =>
      encodeSessionFrame({ ...rest, payload: bytesOf(payload) } satisfies SessionFrame),
    );
    expect(hexOf(Buffer.concat(encoded))).toBe(bytes);
  });

  test.for(session)('reads $title', ({ frames = [], bytes, error }) => {
    const wanted = error === undefined ? { frames } : { frames, error };
    for (const length of [bytes.length, 1, 2, 3, 5, 9]) {
      expect(readAll(bytesOf(bytes), Math.max(1, length))).toEqual(wanted);
    }
  });
});

// session.long.test.ts has 1,000,000.
test(`20,000 mutated sequences of frames end in frames or a CodecError, however they are cut (seed ${seed})`, () => {
  const { frames, whole, refused } = fuzzSessions(randomFrom(seed), 20_000);
  expect(frames).toBeGreaterThan(20_000);
  expect(Math.min(whole, refused)).toBeGreaterThan(2_000);
});
