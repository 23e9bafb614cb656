import { seededRandom } from '@lloom/simkit';
import { expect, test } from 'vitest';
import { AnswerRecord } from './answerRecord.ts';
import { Budget } from './budget.ts';
import type { AnswerKind } from './exchange.ts';

const bytes = (size: number, fill = size): Uint8Array => new Uint8Array(size).fill(fill & 0xff);

/** All that a record holds. */
function messages(record: AnswerRecord): [AnswerKind, string][] {
  const found: [AnswerKind, string][] = [];
  for (let at = 0; at < record.end;) {
    const { kind, message, next } = record.read(at);
    found.push([kind, Buffer.from(message).toString('hex')]);
    at = next;
  }
  return found;
}

test('a record gives back each message as it was said', () => {
  const random = seededRandom('record');
  const budget = new Budget(100_000_000);
  for (let round = 0; round < 50; round++) {
    const record = new AnswerRecord(1_000_000, budget);
    const said: [AnswerKind, string][] = [];
    const count = 1 + Math.floor(random.float() * 40);
    for (let index = 0; index < count; index++) {
      const isLast = index === count - 1;
      const kind = isLast ? (random.float() < 0.5 ? 'end' : 'error') : 'chunk';
      const message = random.bytes(Math.floor(random.float() ** 4 * 20_000));
      expect(record.add(kind, message)).toBe(true);
      said.push([kind, Buffer.from(message).toString('hex')]);
    }
    expect(messages(record)).toEqual(said);
    record.close();
    expect(messages(record)).toEqual(said);
    const again = AnswerRecord.from(Uint8Array.from(record.bytes), budget)!;
    expect(messages(again)).toEqual(said);
    record.release();
    again.release();
  }
  expect(budget.used).toBe(0);
});

test('what comes after the limit ends it: nothing is kept, and nothing is held', () => {
  const budget = new Budget(10_000);
  const record = new AnswerRecord(1_000, budget);
  expect(record.add('chunk', bytes(900))).toBe(true);
  expect(budget.used).toBe(1_000);
  expect(record.add('chunk', bytes(91))).toBe(false);
  expect([record.isWhole, record.end, budget.used]).toEqual([false, 0, 0]);
  expect(record.add('end', bytes(1))).toBe(false);
  record.close();
  record.release();
  expect(budget.used).toBe(0);
});

test('what has no room with all others ends it, too', () => {
  const budget = new Budget(3_000);
  const record = new AnswerRecord(100_000, budget);
  expect(record.add('chunk', bytes(1_000))).toBe(true);
  expect(record.add('chunk', bytes(2_500))).toBe(false);
  expect([record.isWhole, budget.used]).toEqual([false, 0]);
});

test('a limit of 0 keeps nothing', () => {
  const record = new AnswerRecord(0, new Budget(1_000));
  expect(record.isWhole).toBe(false);
  expect(record.add('end', bytes(1))).toBe(false);
});

test('an answer that has ended holds little more than it says', () => {
  const budget = new Budget(1_000_000);
  const inPieces = new AnswerRecord(100_000, budget);
  for (let piece = 0; piece < 300; piece++) inPieces.add('chunk', bytes(20));
  inPieces.close();
  expect(budget.used).toBeLessThanOrEqual((300 * 25 * 8) / 7);
  const whole = new AnswerRecord(100_000, budget);
  const before = budget.used;
  whole.add('end', bytes(2_000));
  expect(budget.used - before).toBe(2_005);
});

test('one that is kept no more can be read to its end by whoever has begun', () => {
  const budget = new Budget(10_000);
  const record = new AnswerRecord(1_000, budget);
  record.add('chunk', bytes(10));
  record.add('end', bytes(20));
  const { next } = record.read(0);
  record.release();
  record.release();
  expect(budget.used).toBe(0);
  expect(record.read(next)).toMatchObject({ kind: 'end', message: bytes(20) });
});

test('bytes that are no record are refused', () => {
  const budget = new Budget(10_000);
  for (const wrong of [bytes(3, 0), bytes(5, 9), new Uint8Array([0, 2, 0, 0, 0, 1])])
    expect(() => AnswerRecord.from(wrong, budget)).toThrow(RangeError);
  const record = new AnswerRecord(1_000, budget);
  record.add('end', bytes(20));
  expect(() => record.read(1)).toThrow(RangeError);
  expect(() => record.read(record.end)).toThrow(RangeError);
  record.release();
  expect(budget.used).toBe(0);
});
