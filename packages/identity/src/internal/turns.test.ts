import { expect, test } from 'vitest';
import { Turns } from './turns.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a turn has room for so many, and the others go in the next ones, in their order', async () => {
  const turns = new Turns();
  const done: number[] = [];
  for (let count = 0; count < 70; count++) {
    const turn = turns.take('native');
    if (turn === undefined) done.push(count);
    else void turn.then(() => done.push(count));
  }
  expect(done).toHaveLength(32);
  await nextTurn();
  expect(done).toHaveLength(64);
  await nextTurn();
  expect(done).toEqual(Array.from({ length: 70 }, (_, count) => count));
});

test('a new turn has all of its room again, and what JavaScript computes has less', async () => {
  const turns = new Turns();
  for (let turn = 0; turn < 3; turn++) {
    expect([turns.take('pure'), turns.take('pure')]).toEqual([undefined, undefined]);
    const third = turns.take('pure');
    expect(third).toBeInstanceOf(Promise);
    await third;
    await nextTurn();
    await nextTurn();
  }
});
