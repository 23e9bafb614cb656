import { describe, expect, test } from 'vitest';
import { Source } from './source.ts';

const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  const turn = new Promise((resolve) => setImmediate(() => resolve('not yet')));
  return (await Promise.race([promise.catch(() => undefined), turn])) !== 'not yet';
};

describe('a source that is left', () => {
  test('runs the end of a generator that stands at a yield at once, and only once', async () => {
    const ends: string[] = [];
    const source = new Source(
      (async function* () {
        try {
          yield 1;
          yield 2;
        } finally {
          ends.push('end');
        }
      })(),
    );
    const read = source.read(() => new Promise<void>(() => undefined));
    expect(await settled(read)).toBe(false);
    await Promise.all([source.leave(), source.leave()]);
    expect(ends).toEqual(['end']);
    expect(await settled(read)).toBe(true);
  });

  test('runs the end of a generator that waits when it has what it waits for', async () => {
    const [ends, wait]: [string[], PromiseWithResolvers<void>] = [[], Promise.withResolvers()];
    const source = new Source(
      (async function* () {
        try {
          await wait.promise;
          yield 1;
          yield 2;
        } finally {
          ends.push('end');
        }
      })(),
    );
    const read = source.read(() => undefined);
    const left = source.leave();
    expect([await settled(left), await settled(read), ends]).toEqual([false, false, []]);
    wait.resolve();
    await Promise.all([left, read]);
    expect(ends).toEqual(['end']);
  });

  test('lets go with its next value when it cannot be told', async () => {
    const next = Promise.withResolvers<IteratorResult<number>>();
    const source = new Source({ [Symbol.asyncIterator]: () => ({ next: () => next.promise }) });
    const read = source.read(() => {
      throw new Error('nobody wants it');
    });
    await source.leave();
    expect(await settled(read)).toBe(false);
    next.resolve({ value: 1 });
    await expect(read).rejects.toThrow('nobody wants it');
  });

  test('is told although it does not listen, and whatever it says to that', async () => {
    let returns = 0;
    const source = new Source({
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<number>>(() => undefined),
        return: () => {
          returns++;
          throw new Error('no');
        },
      }),
    });
    const read = source.read(() => undefined);
    await source.leave();
    await read;
    expect(returns).toBe(1);
  });
});

test('a source is left when what takes its values fails, and not when it has ended or has thrown', async () => {
  let returns = 0;
  const of = (next: () => Promise<IteratorResult<number>>): Source<number> =>
    new Source<number>({
      [Symbol.asyncIterator]: () => ({
        next,
        return: () => {
          returns++;
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    });
  const one = of(() => Promise.resolve({ value: 1 }));
  await expect(one.read(() => Promise.reject(new Error('full')))).rejects.toThrow('full');
  await one.leave();
  expect(returns).toBe(1);
  const ended = of(() => Promise.resolve({ done: true, value: undefined }));
  await ended.read(() => undefined);
  await ended.leave();
  const broken = of(() => Promise.reject(new Error('broken')));
  await expect(broken.read(() => undefined)).rejects.toThrow('broken');
  await broken.leave();
  expect(returns).toBe(1);
});
