import { describe, expect, it } from 'vitest';
import { Waiters } from './waiters.ts';

const nothing = (): void => {};

describe('Waiters', () => {
  it('ends every wait at once', async () => {
    const waiters = new Waiters('act');
    const both = Promise.all([waiters.next(undefined, nothing), waiters.next(undefined, nothing)]);
    waiters.settle();
    await both;
    const failing = waiters.next(undefined, nothing);
    waiters.settle(new Error('no'));
    await expect(failing).rejects.toThrow('no');
  });

  it('hears what happens while it begins', async () => {
    const waiters = new Waiters('act');
    await waiters.next(undefined, () => waiters.settle());
  });

  it('ends one wait when its signal fires, and begins nothing when it already has', async () => {
    const waiters = new Waiters('act');
    const controller = new AbortController();
    const cancelled = waiters.next(controller.signal, nothing);
    const other = waiters.next(undefined, nothing);
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED', data: { act: 'act' } });
    let begun = false;
    const early = waiters.next(controller.signal, () => (begun = true));
    await expect(early).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(begun).toBe(false);
    waiters.settle();
    await other;
  });

  it('tells those who wait that the service stops', async () => {
    const waiters = new Waiters('act');
    const waiting = waiters.next(undefined, nothing);
    waiters.stop();
    await expect(waiting).rejects.toMatchObject({ code: 'STOPPED', data: { act: 'act' } });
  });
});
