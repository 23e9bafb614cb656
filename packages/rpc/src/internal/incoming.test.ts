import { CodecError } from '@lloom/codec';
import { seededRandom } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { pattern } from '../../test/sessionProbes.ts';
import { IncomingMessages, initialCreditBytes } from './incoming.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const pieceBytes = 64 * kibibyte;
const windowBytes = 384 * kibibyte;

describe('what may be sent', () => {
  test('is 256 KiB before anything is granted; one byte more breaks the session', () => {
    const incoming = new IncomingMessages('request', 10 * mebibyte);
    for (let sent = 0; sent < initialCreditBytes; sent += pieceBytes)
      expect(incoming.add(pattern(pieceBytes), true)).toBeUndefined();
    expect(() => incoming.add(new Uint8Array(1), true)).toThrow(RangeError);
  });

  test('is as much more as was granted, and no byte beyond', () => {
    const incoming = new IncomingMessages('request', 10 * mebibyte);
    let granted = initialCreditBytes;
    let sent = 0;
    for (; sent < 3 * mebibyte; sent += pieceBytes) {
      incoming.add(pattern(pieceBytes), true);
      granted += incoming.hold(pieceBytes);
    }
    while (sent + pieceBytes <= granted) {
      incoming.add(pattern(pieceBytes), true);
      sent += pieceBytes;
    }
    expect(() => incoming.add(pattern(granted - sent + 1), true)).toThrow(RangeError);
  });

  test('is granted when it runs low for the first time, then as it is used, and never less than 96 KiB', () => {
    const random = seededRandom('grants');
    const incoming = new IncomingMessages('answer', 100 * mebibyte);
    let [granted, sent, taken, grants, furthest] = [initialCreditBytes, 0, 0, 0, 0];
    while (sent < 20 * mebibyte) {
      const size = Math.min(1 + Math.floor(random.float() * 4 * kibibyte), granted - sent);
      incoming.add(new Uint8Array(size), false);
      sent += size;
      while (taken < sent && (granted === sent || random.float() < 0.5)) {
        const bytes = Math.min(sent - taken, 1 + Math.floor(random.float() * 16 * kibibyte));
        taken += bytes;
        const isLow = granted > initialCreditBytes || granted - sent < initialCreditBytes / 2;
        const more = incoming.take(bytes);
        if (more === 0) continue;
        expect({ isLow, isWorthIt: more >= 96 * kibibyte }).toEqual({ isLow: true, isWorthIt: true });
        grants++;
        granted += more;
        furthest = Math.max(furthest, granted - taken);
      }
    }
    expect(furthest).toBe(windowBytes);
    expect(grants).toBeLessThanOrEqual((20 * mebibyte) / (96 * kibibyte));
  });

  test('is 256 KiB for a reader that takes nothing, whatever the sizes of messages', () => {
    const random = seededRandom('unread');
    for (let time = 0; time < 100; time++) {
      const incoming = new IncomingMessages('answer', 100 * mebibyte);
      let credit = initialCreditBytes;
      const largest = random.float() * 60_000;
      for (let left = 0; credit > 0;) {
        if (left === 0) left = 1 + Math.floor(random.float() * largest);
        const size = Math.min(left, credit);
        left -= size;
        credit -= size;
        if (incoming.add(new Uint8Array(size), left > 0) === undefined) credit += incoming.hold(size);
      }
      expect(() => incoming.add(new Uint8Array(1), false)).toThrow(RangeError);
    }
  });

  test('ends when nobody takes anything, and goes on when somebody does', () => {
    const incoming = new IncomingMessages('answer', 100 * mebibyte);
    let credit = initialCreditBytes;
    for (let round = 0; round < 5; round++) {
      for (let left = credit; left > 0; left -= pieceBytes) incoming.add(new Uint8Array(pieceBytes), false);
      credit = incoming.take(credit);
      expect(credit).toBe(windowBytes);
    }
    for (; credit > 0; credit -= pieceBytes) incoming.add(new Uint8Array(pieceBytes), false);
    expect(() => incoming.add(new Uint8Array(1), false)).toThrow(RangeError);
  });
});

describe('a message', () => {
  test('in one piece is what came, without a copy', () => {
    const incoming = new IncomingMessages('answer', mebibyte);
    const piece = pattern(100);
    expect(incoming.add(piece, false)).toBe(piece);
    expect(incoming.gatheredBytes).toBe(0);
  });

  test('in pieces is gathered, and forgotten when it is whole', () => {
    const incoming = new IncomingMessages('answer', mebibyte);
    expect(incoming.add(pattern(100, 1), true)).toBeUndefined();
    expect(incoming.add(new Uint8Array(0), true)).toBeUndefined();
    expect(incoming.gatheredBytes).toBe(100);
    const whole = incoming.add(pattern(50, 2), false);
    expect(Buffer.compare(whole!, Buffer.concat([pattern(100, 1), pattern(50, 2)]))).toBe(0);
    expect(incoming.gatheredBytes).toBe(0);
    expect(incoming.add(pattern(3), false)).toEqual(pattern(3));
  });

  test.each([
    ['at once', 700 * kibibyte, 1],
    ['in three', 250 * kibibyte, 3],
  ])('beyond the limit is refused with both sizes, %s', (_, bytes, count) => {
    const limitBytes = 700 * kibibyte - 1;
    const incoming = new IncomingMessages('request', limitBytes);
    let failure: unknown;
    try {
      for (let message = 0; message < count; message++)
        for (let left = bytes; left > 0; left -= pieceBytes) {
          const piece = pattern(Math.min(left, pieceBytes));
          incoming.add(piece, left > pieceBytes);
          if (left > pieceBytes) incoming.hold(piece.length);
          else incoming.take(bytes);
        }
    } catch (error) {
      failure = error;
    }
    expect(CodecError.is(failure, 'TOO_LARGE')).toBe(true);
    const { data } = failure as CodecError<'TOO_LARGE'>;
    expect(data).toMatchObject({ what: 'request', limitBytes });
    expect(data.sizeBytes - limitBytes).toBeLessThanOrEqual(pieceBytes);
  });
});

test('whatever sizes messages have and however they are read, a sender is never stopped for good, nor runs far ahead', () => {
  for (let seed = 1; seed <= 15; seed++) {
    const random = seededRandom(`incoming/${seed}`);
    const largest = [1_000, 100_000, 2 * mebibyte][seed % 3]!;
    const incoming = new IncomingMessages('answer', Number.MAX_SAFE_INTEGER);
    const unread: number[] = [];
    let [credit, left, unreadBytes] = [initialCreditBytes, 0, 0];
    let [messages, most] = [0, 0];
    while (messages < 40) {
      const mayWrite = credit > 0;
      if (mayWrite && random.float() < 0.6) {
        if (left === 0) left = 1 + Math.floor(random.float() * largest);
        const size = Math.min(left, credit, pieceBytes);
        credit -= size;
        left -= size;
        const whole = incoming.add(new Uint8Array(size), left > 0);
        if (whole === undefined) {
          credit += incoming.hold(size);
        } else {
          messages++;
          unread.push(whole.length);
          unreadBytes += whole.length;
        }
      } else if (unread.length > 0) {
        const size = unread.shift()!;
        unreadBytes -= size;
        credit += incoming.take(size);
      } else {
        if (!mayWrite) throw new Error(`seed ${seed}: nothing is unread, and nothing may be sent`);
      }
      most = Math.max(most, unreadBytes + incoming.gatheredBytes);
    }
    // What is complete counts in full, and what is gathered is at most one message.
    expect(most, `seed ${seed}`).toBeLessThanOrEqual(windowBytes + 2 * largest);
  }
});
