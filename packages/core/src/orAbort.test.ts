import { describe, expect, it } from 'vitest';
import { orAbort } from './orAbort.ts';

describe('orAbort', () => {
  it('is what the promise comes to', async () => {
    const { signal } = new AbortController();
    await expect(orAbort(Promise.resolve(1), signal)).resolves.toBe(1);
    await expect(orAbort(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
  });

  it('rejects as soon as the signal fires, and hears the promise no more', async () => {
    const controller = new AbortController();
    const { promise, reject } = Promise.withResolvers<never>();
    const waiting = orAbort(promise, controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    reject(new Error('too late'));
    await expect(orAbort(Promise.reject(new Error('unheard')), controller.signal)).rejects.toThrow('enough');
  });
});
