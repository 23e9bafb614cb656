import { describe, expect, test } from 'vitest';

import {
  CodecError,
  decodeAnswerChunk,
  decodeAnswerEnd,
  decodeErrorFrame,
  decodeRequestFrame,
  decodeRequestMessage,
  decodeResponseFrame,
  encodeAnswerChunk,
  encodeAnswerEnd,
  encodeErrorFrame,
  encodeRequestFrame,
  encodeRequestMessage,
  encodeResponseFrame,
  joinRequestFrame,
  joinResponseFrame,
  splitRequestFrame,
  splitResponseFrame,
  type RequestFrame,
  type RequestHead,
  type ResponseFrame,
} from '../src/index.ts';
import { errorOf } from './support/errors.ts';
import { mutated, targets, validBytes, type Target } from './support/fuzz.ts';
import { randomFrom } from './support/random.ts';
import { bytesOf, golden, hexOf, regressions } from './support/vectors.ts';

const seed = 20_240_612;
const head: RequestHead = { stream: false, metadata: {} };

const encodePart = (frame: ResponseFrame): Uint8Array => {
  if (frame.type === 'chunk') return encodeAnswerChunk(frame);
  return frame.type === 'end' ? encodeAnswerEnd(frame) : encodeErrorFrame(frame);
};
const decoders = { chunk: decodeAnswerChunk, end: decodeAnswerEnd, error: decodeErrorFrame } as const;

/** A request frame read in two steps. */
function requestInParts(bytes: Uint8Array): RequestFrame {
  const split = splitRequestFrame(bytes);
  return { ...split.head, request: decodeRequestMessage(split.body) };
}

/** A frame of an answer read in two steps. */
function responseInParts(bytes: Uint8Array): ResponseFrame {
  const { kind, bytes: part } = splitResponseFrame(bytes);
  return decoders[kind](part);
}

interface Outcome {
  readonly value?: unknown;
  readonly error?: object;
}

/** What a call gives, or the code and data of its error; where bytes are no message, the place is left out. */
function outcomeOf(act: () => unknown): Outcome {
  try {
    return { value: act() };
  } catch (error) {
    if (!CodecError.is(error)) throw error;
    const { code, data } = error;
    return { error: CodecError.is(error, 'MALFORMED') ? { code, what: error.data.what } : { code, data } };
  }
}

/** Calls `same` with mutated bytes of a target; it says whether two ways of reading them come to the same. */
function mutations(target: Target, count: number, same: (bytes: Uint8Array) => boolean): void {
  const random = randomFrom(seed);
  const valid = validBytes(target, seed);
  for (let index = 0; index < count; index++) {
    const bytes = mutated(valid, random);
    if (!same(bytes)) throw new Error(`${target.title}, input ${index}: ${hexOf(bytes)} is read in two ways`);
  }
}

const framesIn = (vectors: typeof golden, name: string): typeof golden =>
  vectors.filter(({ message }) => message === name);

describe('a frame that is joined from its parts has the same bytes as one that is written whole', () => {
  test.for(framesIn(golden, 'RequestFrame'))('$message: $title', ({ hex, value }) => {
    const { request, ...rest } = value as RequestFrame;
    const body = encodeRequestMessage(request);
    expect(hexOf(joinRequestFrame(rest, body))).toBe(hex);
    expect(hexOf(encodeRequestFrame(value as RequestFrame))).toBe(hex);
    const split = splitRequestFrame(bytesOf(hex));
    expect(split.head).toEqual(rest);
    expect(split.body).toStrictEqual(body);
    expect(requestInParts(bytesOf(hex))).toEqual(value);
  });

  test.for(framesIn(golden, 'ResponseFrame'))('$message: $title', ({ hex, value }) => {
    const frame = value as ResponseFrame;
    const part = encodePart(frame);
    expect(hexOf(joinResponseFrame(frame.type, part))).toBe(hex);
    expect(hexOf(encodeResponseFrame(frame))).toBe(hex);
    expect(splitResponseFrame(bytesOf(hex))).toStrictEqual({ kind: frame.type, bytes: part });
    expect(responseInParts(bytesOf(hex))).toEqual(value);
  });
});

describe('a frame that is read in parts comes to what it comes to when it is read whole', () => {
  test.for(framesIn(regressions, 'RequestFrame'))('$message: $title', ({ hex }) => {
    const bytes = bytesOf(hex);
    expect(outcomeOf(() => requestInParts(bytes))).toEqual(outcomeOf(() => decodeRequestFrame(bytes)));
  });

  test.for(framesIn(regressions, 'ResponseFrame'))('$message: $title', ({ hex }) => {
    const bytes = bytesOf(hex);
    expect(outcomeOf(() => responseInParts(bytes))).toEqual(outcomeOf(() => decodeResponseFrame(bytes)));
  });

  const inParts = (title: string): ((bytes: Uint8Array) => unknown) | undefined => {
    if (title.startsWith('RequestFrame')) return requestInParts;
    return title.startsWith('ResponseFrame') ? responseInParts : undefined;
  };

  test.for(targets.filter(({ title }) => inParts(title) !== undefined))(
    `mutated ones of $title, as far as they are valid (seed ${seed})`,
    (target) => {
      let valid = 0;
      mutations(target, 1_500, (bytes) => {
        const whole = outcomeOf(() => target.decode(bytes));
        const parts = outcomeOf(() => inParts(target.title)?.(bytes));
        // Of two faults the first that is seen differs: what is in the parts is looked at later.
        if (whole.error !== undefined) return true;
        valid += 1;
        return JSON.stringify(parts) === JSON.stringify(whole);
      });
      expect(valid).toBeGreaterThan(200);
    },
  );
});

describe(`a part by itself is read as it is inside a frame (seed ${seed})`, () => {
  const inFrames: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
    RequestMessage: (bytes) => decodeRequestFrame(joinRequestFrame(head, bytes)).request,
    AnswerChunk: (bytes) => decodeResponseFrame(joinResponseFrame('chunk', bytes)),
    AnswerEnd: (bytes) => decodeResponseFrame(joinResponseFrame('end', bytes)),
    ErrorFrame: (bytes) => decodeResponseFrame(joinResponseFrame('error', bytes)),
  };

  test.for(targets.filter(({ title }) => title in inFrames))('mutated ones of $title', (target) => {
    let refused = 0;
    mutations(target, 2_000, (bytes) => {
      const alone = outcomeOf(() => target.decode(bytes));
      const inFrame = outcomeOf(() => inFrames[target.title]?.(bytes));
      if (alone.error !== undefined) refused += 1;
      return JSON.stringify(alone) === JSON.stringify(inFrame);
    });
    expect(refused).toBeGreaterThan(125);
  });
});

describe('the body of a request', () => {
  const noMessage = bytesOf('ffffff00');

  test('may be any bytes, which come back as a view', () => {
    const bytes = joinRequestFrame({ ...head, timeoutMs: 5 }, noMessage);
    const { head: back, body } = splitRequestFrame(bytes);
    expect(back).toEqual({ ...head, timeoutMs: 5 });
    expect(body).toStrictEqual(noMessage);
    expect(body.buffer).toBe(bytes.buffer);
  });

  test('may be empty, which is another thing than none', () => {
    const bytes = joinRequestFrame(head, new Uint8Array(0));
    expect(hexOf(bytes)).toBe('08013a00');
    expect(splitRequestFrame(bytes).body).toHaveLength(0);
    expect(errorOf(() => splitRequestFrame(bytesOf('0801')))).toEqual({
      code: 'UNKNOWN_VARIANT',
      data: { union: 'RequestFrame.request', fields: [] },
    });
  });

  test('may be large', () => {
    const large = new Uint8Array(3 * 1024 * 1024).fill(7);
    expect(Buffer.compare(splitRequestFrame(joinRequestFrame(head, large)).body, large)).toBe(0);
  });

  test('is joined when it comes in several fields, wherever they stand', () => {
    const { head: back, body } = splitRequestFrame(bytesOf('3a01aa08013a02bbcc1805'));
    expect(back).toEqual({ stream: true, metadata: {} });
    expect(hexOf(body)).toBe('aabbcc');
  });

  test('is not looked for inside other fields', () => {
    // An entry of the metadata that has a field 7 of its own.
    const { head: back, body } = splitRequestFrame(bytesOf('080132060a016b3a01ff3a01aa'));
    expect(back).toEqual({ stream: false, metadata: { k: '' } });
    expect(hexOf(body)).toBe('aa');
  });
});

describe('what is in a frame of an answer', () => {
  test.for(['chunk', 'end', 'error'] as const)('may be any bytes in a %s', (kind) => {
    const bytes = joinResponseFrame(kind, bytesOf('ffffff00'));
    expect(splitResponseFrame(bytes)).toStrictEqual({ kind, bytes: bytesOf('ffffff00') });
    expect(splitResponseFrame(bytes).bytes.buffer).toBe(bytes.buffer);
  });

  test('is that of the last kind, joined when it comes in several fields', () => {
    const back = splitResponseFrame(bytesOf('0a01aa1201bb0a01cc6201ff0a01dd'));
    expect([back.kind, hexOf(back.bytes)]).toEqual(['chunk', 'ccdd']);
  });

  test('is refused when it is of no kind that is known, by its number', () => {
    const unknown = (fields: number[]): object => ({
      code: 'UNKNOWN_VARIANT',
      data: { union: 'ResponseFrame', fields },
    });
    expect(errorOf(() => splitResponseFrame(bytesOf('62036e6577')))).toEqual(unknown([12]));
    expect(errorOf(() => splitResponseFrame(new Uint8Array(0)))).toEqual(unknown([]));
    expect(errorOf(() => splitResponseFrame(bytesOf('0801')))).toEqual(unknown([1]));
  });

  test('is not put into a kind that there is not', () => {
    const act = (): Uint8Array => joinResponseFrame('middle' as never, new Uint8Array(0));
    expect(errorOf(act)).toMatchObject({ code: 'INVALID_FIELD', data: { path: 'kind' } });
  });
});

test('a part is not written as one of another kind', () => {
  const end: ResponseFrame = { type: 'end' };
  for (const encode of [encodeAnswerChunk, encodeErrorFrame]) {
    expect(errorOf(() => encode(end as never))).toMatchObject({
      code: 'INVALID_FIELD',
      data: { path: 'ResponseFrame' },
    });
  }
});

const malformed = (what: string): Outcome => ({ error: { code: 'MALFORMED', what } });

test('frames of more than 65,536 fields are refused, also unread ones', () => {
  const many = Buffer.from('7800'.repeat(65_537), 'hex');
  expect(outcomeOf(() => splitRequestFrame(many))).toEqual(malformed('RequestFrame'));
  expect(outcomeOf(() => splitResponseFrame(many))).toEqual(malformed('ResponseFrame'));
});

test.for(['ff', '3a05aa', '3b', '00', '04'])('bytes that are no fields are refused: "%s"', (hex) => {
  const bytes = bytesOf(hex);
  expect(outcomeOf(() => splitRequestFrame(bytes))).toEqual(malformed('RequestFrame'));
  expect(outcomeOf(() => splitResponseFrame(bytes))).toEqual(malformed('ResponseFrame'));
});
