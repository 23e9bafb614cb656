import { fc } from '@fast-check/vitest';
import { describe, expect, test } from 'vitest';

import { encodeFrame, FrameDecoder, limits } from '../src/index.ts';
import { errorOf, type ErrorShape } from './support/errors.ts';
import { bytesOf, framing, hexOf } from './support/vectors.ts';

const seed = 20_240_608;
const MiB = 1024 * 1024;

interface Reading {
  readonly messages: readonly string[];
  readonly error?: ErrorShape;
}

/** Everything that comes out of some pieces, and the error that ended it. */
function readAll(pieces: readonly Uint8Array[], limitBytes: number = limits.messageBytes): Reading {
  const decoder = new FrameDecoder({ maxFrameBytes: limitBytes });
  const messages: string[] = [];
  const act = (): void => {
    // A copy of each piece that is overwritten afterwards: nothing may depend on bytes that were given back.
    for (const piece of pieces) {
      const copy = piece.slice();
      for (const message of decoder.push(copy)) messages.push(hexOf(message));
      copy.fill(0xee);
    }
    decoder.end();
    throw new Ended();
  };
  try {
    return { messages, error: errorOf(act) };
  } catch (error) {
    if (error instanceof Ended) return { messages };
    throw error;
  }
}

class Ended extends Error {}

/** `bytes` cut at every one of `cuts`. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

const join = (pieces: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces));

describe('one table of frames', () => {
  const sound = framing.filter(({ error }) => error === undefined);

  test.for(sound)('writes $title', ({ messages = [], bytes }) => {
    expect(hexOf(join(messages.map((message) => encodeFrame(bytesOf(message)))))).toBe(bytes);
  });

  test.for(framing)('reads $title', ({ messages = [], bytes, limitBytes, error }) => {
    const wanted = error === undefined ? { messages } : { messages, error };
    const all = bytesOf(bytes);
    expect(readAll([all], limitBytes)).toEqual(wanted);
    // And the same when every byte comes alone.
    expect(readAll(split(all, [...all.keys()]), limitBytes)).toEqual(wanted);
  });
});

describe(`any split of the bytes gives the same (seed ${seed})`, () => {
  const cuts = fc.array(fc.nat(), { maxLength: 12 });

  test('messages', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 });
    const comeBack = fc.property(messages, cuts, (contents, at) => {
      const bytes = join(contents.map((content) => encodeFrame(content)));
      expect(readAll(split(bytes, at))).toEqual({ messages: contents.map(hexOf) });
    });
    fc.assert(comeBack, { seed, numRuns: 1_000 });
  });

  test('messages and error of any bytes', () => {
    const small = fc.nat({ max: 12 });
    const anything = fc.array(fc.oneof(small, fc.nat({ max: 255 })), { maxLength: 80 });
    const agree = fc.property(anything, cuts, fc.nat({ max: 300 }), (content, at, limitBytes) => {
      const bytes = new Uint8Array(content);
      const whole = readAll([bytes], limitBytes);
      const pieces = readAll(split(bytes, at), limitBytes);
      expect(pieces).toEqual(whole);
    });
    fc.assert(agree, { seed, numRuns: 2_000 });
  });
});

describe('the limit', () => {
  test('lets exactly 10 MiB through', () => {
    const message = new Uint8Array(10 * MiB).fill(7);
    const decoder = new FrameDecoder();
    const frame = encodeFrame(message);
    expect(frame.length).toBe(10 * MiB + 4);
    const read = split(frame, [3, 70_000, 9 * MiB]).flatMap((piece) => [...decoder.push(piece)]);
    expect(read).toHaveLength(1);
    expect(Buffer.compare(read[0] as Uint8Array, message)).toBe(0);
    decoder.end();
  });

  test('refuses to write 10 MiB and 1 byte', () => {
    expect(errorOf(() => encodeFrame(new Uint8Array(10 * MiB + 1)))).toEqual({
      code: 'TOO_LARGE',
      data: { what: 'message', sizeBytes: 10 * MiB + 1, limitBytes: 10 * MiB },
    });
  });

  test('is checked on the length alone, before a byte of the body is there', () => {
    const decoder = new FrameDecoder();
    expect([...decoder.push(bytesOf('818080'))]).toEqual([]);
    expect(errorOf(() => [...decoder.push(bytesOf('05'))]).code).toBe('TOO_LARGE');
    expect(decoder.isInsideFrame).toBe(true);
  });

  test('can be raised up to what four bytes of length can say', () => {
    for (const maxFrameBytes of [2 ** 28 - 1, 2 ** 40, Number.POSITIVE_INFINITY]) {
      const decoder = new FrameDecoder({ maxFrameBytes });
      expect([...decoder.push(bytesOf('ffffff7f'))]).toEqual([]);
    }
    expect(encodeFrame(new Uint8Array(11 * MiB), 12 * MiB)).toHaveLength(11 * MiB + 4);
  });

  test.for([Number.NaN, -1, 1.5, '10', {}, null])('cannot be %o', (limit) => {
    const wrong = limit as unknown as number;
    // An absent limit is the usual one; nothing else stands for it.
    const config = limit === null ? {} : { maxFrameBytes: wrong };
    const act = (): unknown =>
      limit === null ? encodeFrame(new Uint8Array(1), wrong) : new FrameDecoder(config);
    expect(errorOf(act)).toMatchObject({
      code: 'INVALID_FIELD',
      data: { wanted: 'a whole number of bytes' },
    });
  });
});

describe('a decoder', () => {
  test('gives a message that lies within its piece as a view of it', () => {
    const piece = bytesOf('0201020305');
    const [message] = new FrameDecoder().push(piece);
    expect(message?.buffer).toBe(piece.buffer);
  });

  test('gives a message that came in pieces as bytes of its own', () => {
    const decoder = new FrameDecoder();
    const piece = bytesOf('03');
    expect([...decoder.push(piece), ...decoder.push(bytesOf('0a0b'))]).toEqual([]);
    const last = bytesOf('0c');
    const [message] = decoder.push(last);
    last.fill(0);
    expect(hexOf(message as Uint8Array)).toBe('0a0b0c');
  });

  test('knows whether it is inside a frame', () => {
    const decoder = new FrameDecoder();
    const states = ['', '80', '01', '00'.repeat(127), '00', '00'].map((piece) => {
      const count = [...decoder.push(bytesOf(piece))].length;
      return [count, decoder.isInsideFrame];
    });
    expect(states).toEqual([
      [0, false],
      [0, true],
      [0, true],
      [0, true],
      [1, false],
      [1, false],
    ]);
  });

  test('makes messages one by one, as they are taken', () => {
    const decoder = new FrameDecoder();
    const messages = decoder.push(bytesOf('01aa01bbff'));
    expect(hexOf(messages.next().value as Uint8Array)).toBe('aa');
    expect(hexOf(messages.next().value as Uint8Array)).toBe('bb');
    expect(messages.next()).toEqual({ done: true, value: undefined });
    expect(errorOf(() => decoder.end()).code).toBe('TRUNCATED');
  });

  test('throws the same error for ever after the first', () => {
    const decoder = new FrameDecoder();
    const first = errorOf(() => [...decoder.push(bytesOf('8000'))]);
    expect(first.code).toBe('MALFORMED');
    expect(errorOf(() => decoder.push(bytesOf('012a')))).toEqual(first);
    expect(errorOf(() => decoder.end())).toEqual(first);
  });

  test('tells when messages were left behind rather than losing them in silence', () => {
    const left = { code: 'MALFORMED', data: { reason: 'messages of the bytes before were not taken' } };
    const never = new FrameDecoder();
    never.push(bytesOf('012a'));
    expect(errorOf(() => never.end())).toMatchObject(left);
    const tooFew = new FrameDecoder();
    const [first] = tooFew.push(bytesOf('012a012b'));
    expect(first).toEqual(bytesOf('2a'));
    expect(errorOf(() => tooFew.push(bytesOf('00')))).toMatchObject(left);
    const exact = new FrameDecoder();
    const [only] = exact.push(bytesOf('012a'));
    expect(only).toEqual(bytesOf('2a'));
    expect(() => exact.end()).not.toThrow();
  });
});
