import { describe, expect, test } from 'vitest';

import { errorOf } from '../test/support/errors.ts';
import { bytesOf, hexOf } from '../test/support/vectors.ts';
import {
  encodeCredit,
  encodeSessionFrame,
  joinOpen,
  limits,
  readCredit,
  SessionDecoder,
  sessionFrame,
  sessionHeaderBytes,
  splitOpen,
  writeSessionHeader,
  type SessionFrame,
  type SessionHeader,
} from './index.ts';

const KiB = 1024;
const bodyOf = (payload: Uint8Array, id: number = 1): Uint8Array =>
  encodeSessionFrame({ kind: sessionFrame.body, id, more: false, payload });

/** A decoder and what came out of it. */
function collecting(): { readonly decoder: SessionDecoder; readonly frames: SessionFrame[] } {
  const frames: SessionFrame[] = [];
  return { decoder: new SessionDecoder((frame) => frames.push(frame)), frames };
}

describe('writeSessionHeader()', () => {
  const header: SessionHeader = { length: 5, kind: sessionFrame.open, more: true, id: 0x0102_0304 };

  test('writes eight bytes at the place it is given, and no others', () => {
    const target = new Uint8Array(12).fill(0xff);
    writeSessionHeader(target, 2, header);
    expect(hexOf(target)).toBe('ffff0000058101020304ffff');
  });

  test.for([
    ['length', { length: -1 }],
    ['length', { length: Number.NaN }],
    ['length', { length: 1.5 }],
    ['id', { id: 0 }],
    ['id', { id: 2 ** 32 }],
    ['id', { id: 1.5 }],
    ['kind', { kind: 0 }],
    ['kind', { kind: 7 }],
    ['kind', { kind: 1.5 }],
    ['more', { kind: sessionFrame.end }],
    ['more', { kind: sessionFrame.credit }],
  ] as const)('refuses a wrong %s: %o', ([path, wrong]) => {
    const act = (): void =>
      writeSessionHeader(new Uint8Array(8), 0, { ...header, ...wrong } as SessionHeader);
    expect(errorOf(act)).toMatchObject({ code: 'INVALID_FIELD', data: { path } });
  });

  test('refuses a payload of more than 64 KiB', () => {
    const act = (): void => writeSessionHeader(new Uint8Array(8), 0, { ...header, length: 65_537 });
    expect(errorOf(act)).toEqual({
      code: 'TOO_LARGE',
      data: { what: 'session frame', sizeBytes: 65_537, limitBytes: limits.sessionFrameBytes },
    });
  });

  test.for([-1, 1, 0.5, Number.NaN])('refuses a place that is not inside the target: %o', (offset) => {
    expect(errorOf(() => writeSessionHeader(new Uint8Array(8), offset, header))).toMatchObject({
      code: 'INVALID_FIELD',
      data: { path: 'offset' },
    });
  });
});

describe('a credit', () => {
  test.for([
    [1, '00000001'],
    [64 * KiB, '00010000'],
    [2 ** 32 - 1, 'ffffffff'],
  ] as const)('of %i comes back as it was', ([credit, hex]) => {
    expect(hexOf(encodeCredit(credit))).toBe(hex);
    expect(readCredit(bytesOf(hex))).toBe(credit);
  });

  test.for([0, -1, 1.5, 2 ** 32, Number.NaN])('of %o is not written', (credit) => {
    expect(errorOf(() => encodeCredit(credit))).toMatchObject({
      code: 'INVALID_FIELD',
      data: { path: 'credit' },
    });
  });

  test.for(['', '000001', '0000000001', '00000000'])('of the bytes "%s" is not read', (hex) => {
    expect(errorOf(() => readCredit(bytesOf(hex)))).toMatchObject({
      code: 'MALFORMED',
      data: { what: 'credit' },
    });
  });
});

describe('the payload of an open frame', () => {
  test('is a length, the head and a piece', () => {
    const payload = joinOpen(bytesOf('0801'), bytesOf('aabbcc'));
    expect(hexOf(payload)).toBe('00020801aabbcc');
    const { head, piece } = splitOpen(payload);
    expect([hexOf(head), hexOf(piece)]).toEqual(['0801', 'aabbcc']);
  });

  test('gives views of its bytes, also in the middle of others', () => {
    const inside = bytesOf('ffff0001aabbff').subarray(2, 6);
    const { head, piece } = splitOpen(inside);
    expect([head.buffer, piece.buffer]).toEqual([inside.buffer, inside.buffer]);
    expect([hexOf(head), hexOf(piece)]).toEqual(['aa', 'bb']);
  });

  test('may have an empty head and an empty piece', () => {
    const { head, piece } = splitOpen(joinOpen(new Uint8Array(0), new Uint8Array(0)));
    expect([head.length, piece.length]).toEqual([0, 0]);
  });

  test('has a head of at most 8 KiB', () => {
    const largest = new Uint8Array(8 * KiB).fill(7);
    expect(splitOpen(joinOpen(largest, bytesOf('2a'))).head).toEqual(largest);
    const tooLarge = {
      code: 'TOO_LARGE',
      data: { what: 'open head', sizeBytes: 8 * KiB + 1, limitBytes: limits.openHeadBytes },
    };
    expect(errorOf(() => joinOpen(new Uint8Array(8 * KiB + 1), new Uint8Array(0)))).toEqual(tooLarge);
    expect(errorOf(() => splitOpen(bytesOf('2001')))).toEqual(tooLarge);
  });

  test.for(['', '00', '0001', '000301ff'])('is refused when its head is not all there: "%s"', (hex) => {
    expect(errorOf(() => splitOpen(bytesOf(hex)))).toMatchObject({
      code: 'MALFORMED',
      data: { what: 'open frame' },
    });
  });
});

describe('a decoder of a session', () => {
  test('gives a payload that lies within one chunk as a view of it', () => {
    const { decoder, frames } = collecting();
    const chunk = bodyOf(bytesOf('aabb'));
    decoder.push(chunk);
    expect(frames[0]?.payload.buffer).toBe(chunk.buffer);
    expect(decoder.heldBytes).toBe(0);
  });

  test('gives a payload that came in pieces as bytes of its own', () => {
    const { decoder, frames } = collecting();
    const frame = bodyOf(bytesOf('aabbcc'));
    const first = frame.slice(0, 9);
    decoder.push(first);
    first.fill(0);
    decoder.push(frame.slice(9));
    expect(frames.map(({ payload }) => hexOf(payload))).toEqual(['aabbcc']);
  });

  test('gives plain bytes when it is fed with Node.js buffers', () => {
    const { decoder, frames } = collecting();
    const all = Buffer.concat([bodyOf(bytesOf('aa')), bodyOf(bytesOf('bbcc'))]);
    decoder.push(all.subarray(0, 18));
    decoder.push(all.subarray(18));
    expect(frames.map(({ payload }) => payload.constructor)).toEqual([Uint8Array, Uint8Array]);
  });

  test('takes a payload of exactly 64 KiB', () => {
    const { decoder, frames } = collecting();
    const payload = new Uint8Array(64 * KiB).fill(7);
    const frame = bodyOf(payload);
    for (let at = 0; at < frame.length; at += 1_000) decoder.push(frame.subarray(at, at + 1_000));
    decoder.end();
    expect(Buffer.compare(frames[0]?.payload as Uint8Array, payload)).toBe(0);
  });

  test('knows whether it is inside a frame', () => {
    const { decoder, frames } = collecting();
    const states = ['', '00', '000102000000', '01', 'aa', '000000030000', '0001'].map((piece) => {
      decoder.push(bytesOf(piece));
      return [frames.length, decoder.isInsideFrame];
    });
    expect(states).toEqual([
      [0, false],
      [0, true],
      [0, true],
      [0, true],
      [1, false],
      [1, true],
      [2, false],
    ]);
  });

  test('stores what arrived, not what was announced, and nothing of frames that it skips', () => {
    const { decoder } = collecting();
    const frame = bodyOf(new Uint8Array(64 * KiB));
    decoder.push(frame.subarray(0, 8));
    expect(decoder.heldBytes).toBe(0);
    decoder.push(frame.subarray(8, 9));
    expect(decoder.heldBytes).toBe(4 * KiB);
    decoder.push(frame.subarray(9, 30 * KiB));
    expect(decoder.heldBytes).toBeLessThanOrEqual(60 * KiB);
    decoder.push(frame.subarray(30 * KiB, 63 * KiB));
    expect(decoder.heldBytes).toBeLessThanOrEqual(64 * KiB);
    decoder.push(frame.subarray(63 * KiB));
    expect([decoder.heldBytes, decoder.isInsideFrame]).toEqual([0, false]);
    const unknown = frame.slice();
    unknown[3] = 100;
    decoder.push(unknown.subarray(0, 63 * KiB));
    expect([decoder.heldBytes, decoder.isInsideFrame]).toEqual([0, true]);
  });

  test('gives the frames before a bad one, and then the same error for ever', () => {
    const { decoder, frames } = collecting();
    const chunk = Buffer.concat([bodyOf(bytesOf('aa')), bytesOf('0000000200000000')]);
    const first = errorOf(() => decoder.push(chunk));
    expect(first).toEqual({ code: 'MALFORMED', data: { what: 'session frame', reason: 'its id is 0' } });
    expect(frames).toHaveLength(1);
    expect(errorOf(() => decoder.push(bodyOf(bytesOf('bb'))))).toEqual(first);
    expect(errorOf(() => decoder.end())).toEqual(first);
    expect(frames).toHaveLength(1);
  });

  test('is over when the bytes ended inside a frame', () => {
    const { decoder } = collecting();
    decoder.push(bodyOf(bytesOf('aabb')).subarray(0, sessionHeaderBytes + 1));
    const truncated = errorOf(() => decoder.end());
    expect(truncated).toEqual({ code: 'TRUNCATED', data: { gotBytes: 9, wantedBytes: 10 } });
    expect(errorOf(() => decoder.push(bytesOf('bb')))).toEqual(truncated);
  });

  test('tells when frames were lost because a callback threw', () => {
    const decoder = new SessionDecoder(() => {
      throw new RangeError('mine');
    });
    expect(() => decoder.push(bodyOf(bytesOf('aa')))).toThrow(new RangeError('mine'));
    const lost = { code: 'MALFORMED', data: { reason: 'frames of the bytes before were not taken' } };
    expect(errorOf(() => decoder.push(bodyOf(bytesOf('bb'))))).toMatchObject(lost);
    expect(errorOf(() => decoder.end())).toMatchObject(lost);
  });

  test('refuses bytes that a callback gives it while it still reads others', () => {
    const seen: string[] = [];
    const decoder = new SessionDecoder(({ payload }) => {
      seen.push(hexOf(payload));
      seen.push(errorOf(() => decoder.push(bodyOf(bytesOf('bb')))).code);
    });
    decoder.push(bodyOf(bytesOf('aa')));
    expect(seen).toEqual(['aa', 'MALFORMED']);
  });
});

test('a large payload that comes in pieces is handed on in pieces when that is wanted, and nothing is held', () => {
  const payload = Uint8Array.from({ length: 5_000 }, (_, index) => index % 251);
  const { body, end, open } = sessionFrame;
  const written = [
    { kind: open, id: 1, more: true, payload: payload.subarray(0, 10) },
    { kind: body, id: 1, more: true, payload },
    { kind: body, id: 2, more: false, payload },
    { kind: body, id: 2, more: false, payload: payload.subarray(0, 100) },
    { kind: end, id: 1, more: false, payload },
  ] as const;
  const bytes = new Uint8Array(Buffer.concat(written.map((frame) => encodeSessionFrame(frame))));
  const read = (length: number) => {
    const messages: string[] = [];
    const parts = new Map<number, number[]>();
    const take = ({ kind, id, more, payload: piece }: SessionFrame): void => {
      parts.set(id, [...(parts.get(id) ?? []), ...piece]);
      if (more) return;
      messages.push(`${kind} ${id} ${hexOf(Uint8Array.from(parts.get(id) ?? []))}`);
      parts.delete(id);
    };
    const decoder = new SessionDecoder(take, { splitAboveBytes: 1_000 });
    let heldBytes = 0;
    for (let at = 0; at < bytes.length; at += length) {
      decoder.push(bytes.slice(at, at + length));
      heldBytes = Math.max(heldBytes, decoder.heldBytes);
    }
    decoder.end();
    return { messages, heldBytes };
  };
  const whole = read(bytes.length);
  expect(whole.messages.map((message) => message.slice(0, 3))).toEqual(['2 2', '2 2', '3 1']);
  for (const length of [1, 7, 8, 999, 1_000, 4_999, 5_008, 6_000]) {
    const { messages, heldBytes } = read(length);
    expect(messages).toEqual(whole.messages);
    expect(heldBytes).toBeLessThanOrEqual(128);
  }
});
