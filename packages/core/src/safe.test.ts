import { runInNewContext } from 'node:vm';

import { expect, test, vi } from 'vitest';

import { safe } from './index.ts';

type Report = (error: unknown) => void;

test('safe() passes the arguments on and gives nothing back', () => {
  const callback = vi.fn<(left: number, right: string) => string>(() => 'nobody reads this');
  const wrapped = safe(callback, vi.fn<Report>());
  expect(wrapped(1, 'a')).toBeUndefined();
  expect(callback).toHaveBeenCalledWith(1, 'a');
});

test('safe() reports what the callback throws, whatever it is', () => {
  for (const thrown of [new Error('thrown'), 'a text', undefined]) {
    const onError = vi.fn<Report>();
    safe(() => {
      // oxlint-disable-next-line typescript/only-throw-error -- callbacks of others do
      throw thrown;
    }, onError)();
    expect(onError.mock.calls).toEqual([[thrown]]);
  }
});

test('safe() reports what the callback rejects with', async () => {
  const error = new Error('rejected');
  const onError = vi.fn<Report>();
  safe(() => Promise.reject(error), onError)();
  expect(onError).not.toHaveBeenCalled();
  await Promise.resolve();
  await Promise.resolve();
  expect(onError.mock.calls).toEqual([[error]]);
});

test('safe() reports the rejection of a promise of another realm', async () => {
  const reject = runInNewContext('(error) => Promise.reject(error)') as (error: Error) => unknown;
  const error = new Error('elsewhere');
  const reported = new Promise<unknown>((resolve) => safe(() => reject(error), resolve)());
  expect(await reported).toBe(error);
});

test('safe() lets nothing escape, even when the report throws', async () => {
  const onError = (): never => {
    throw new Error('report');
  };
  const wrapped = safe((act: () => unknown) => act(), onError);
  const throwing = (): never => {
    throw new Error('callback');
  };
  expect(() => wrapped(throwing)).not.toThrow();
  // A rejection that escaped would end the run.
  wrapped(() => Promise.reject(new Error('later')));
  await new Promise(setImmediate);
});

test('safe() reports nothing when all is well', async () => {
  const onError = vi.fn<Report>();
  safe(() => Promise.resolve(1), onError)();
  safe(() => ({}), onError)();
  safe(() => null, onError)();
  await new Promise(setImmediate);
  expect(onError).not.toHaveBeenCalled();
});
