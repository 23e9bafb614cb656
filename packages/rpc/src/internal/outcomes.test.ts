import { seededRandom, VirtualClock } from '@lloom/simkit';
import { expect, test } from 'vitest';
import { AnswerRecord } from './answerRecord.ts';
import { Budget } from './budget.ts';
import { nameOf, Outcomes, type Question } from './outcomes.ts';

const digest = `0x${'00'.repeat(32)}` as const;

function question(signer: string, idempotencyKey: string): Question {
  const name = nameOf(signer, idempotencyKey);
  return { name, signer, idempotencyKey, requestDigest: digest, prefixDigest: digest };
}

function outcomes(maxKeys: number, ttlMs = 1_000) {
  const clock = new VirtualClock();
  const forgotten: string[] = [];
  const budget = new Budget(1_000_000);
  const onForgotten = (questions: readonly Question[]): void =>
    void forgotten.push(...questions.map(({ name }) => name));
  const made = new Outcomes({ maxKeys, ttlMs, onForgotten }, clock);
  const add = (signer: string, key: string, bytes = 0): void => {
    const record = new AnswerRecord(bytes + 5, budget);
    record.add('end', new Uint8Array(bytes));
    const isKept = bytes > 0;
    if (!isKept) record.release();
    made.add({
      question: question(signer, key),
      peerId: 'p',
      inChunks: false,
      record: isKept ? record : undefined,
      provableUntilMs: Infinity,
    });
  };
  return { made, clock, forgotten, budget, add };
}

test('an outcome is known until its time is over', async () => {
  const { made, clock, forgotten, add } = outcomes(100);
  add('a', '1');
  await clock.runFor(500);
  add('a', '2');
  await clock.runFor(499);
  expect(made.get('a 1')).toMatchObject({ peerId: 'p' });
  await clock.runFor(1);
  expect(made.get('a 1')).toBeUndefined();
  expect([made.size, forgotten]).toEqual([1, ['a 1']]);
  await clock.runFor(10_000);
  expect(made.get('a 3')).toBeUndefined();
  expect([made.size, forgotten]).toEqual([0, ['a 1', 'a 2']]);
});

test('the oldest is forgotten first: of a signer with a quarter of all, or else of everybody', () => {
  const { made, forgotten, add } = outcomes(8);
  for (const key of ['1', '2', '3']) add('a', key);
  expect(forgotten).toEqual(['a 1']);
  for (const signer of ['b', 'c', 'd', 'e', 'f', 'g']) add(signer, '1');
  expect([made.size, forgotten]).toEqual([8, ['a 1']]);
  add('h', '1');
  expect([made.size, forgotten]).toEqual([8, ['a 1', 'a 2']]);
});

test('answers are dropped from the oldest on, and their outcomes stay', () => {
  const { made, budget, add } = outcomes(100);
  add('a', '1', 100);
  add('a', '2');
  add('a', '3', 200);
  expect(budget.used).toBe(310);
  expect(made.dropAnswer()).toBe(true);
  expect(budget.used).toBe(205);
  expect([made.get('a 1')?.record, made.get('a 3')?.record?.isWhole]).toEqual([undefined, true]);
  expect(made.dropAnswer()).toBe(true);
  expect(made.dropAnswer()).toBe(false);
  expect([made.size, budget.used]).toEqual([3, 0]);
  add('a', '4', 50);
  expect(made.dropAnswer()).toBe(true);
  expect(budget.used).toBe(0);
});

test('whatever comes and goes, it knows what it must, and holds no more', async () => {
  const random = seededRandom('outcomes');
  const { made, clock, budget, add, forgotten } = outcomes(40, 100);
  const alive = new Map<string, { atMs: number; signer: string; bytes: number }>();
  for (let step = 0; step < 5_000; step++) {
    const chance = random.float();
    if (chance < 0.2) await clock.runFor(random.float() * 10);
    else if (chance < 0.3) made.dropAnswer();
    else {
      const signer = `s${Math.floor(random.float() ** 2 * 12)}`;
      made.get('');
      add(signer, `${step}`, random.float() < 0.5 ? 10 : 0);
      alive.set(`${signer} ${step}`, { atMs: clock.elapsed(), signer, bytes: 10 });
    }
    made.get('');
    for (const name of forgotten.splice(0)) {
      const { atMs, signer } = alive.get(name)!;
      alive.delete(name);
      const isOld = clock.elapsed() >= atMs + 100;
      const ofSigner = [...alive.values()].filter((each) => each.signer === signer);
      const isOldest = ofSigner.every((each) => each.atMs >= atMs);
      const isTooMany = ofSigner.length === 10 || alive.size === 40;
      expect(isOld || (isOldest && isTooMany)).toBe(true);
    }
    expect(made.size).toBe(alive.size);
    expect(made.size).toBeLessThanOrEqual(40);
    expect(budget.used).toBeLessThanOrEqual(made.size * 15);
  }
  while (made.dropAnswer());
  expect(budget.used).toBe(0);
});
