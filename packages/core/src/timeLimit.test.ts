import { describe, expect, it } from 'vitest';
import type { Clock } from './ports.ts';
import { withinTime, withSignal } from './timeLimit.ts';

/** Time that passes when the test says so. */
class OneTimer implements Pick<Clock, 'setTimeout' | 'clearTimeout'> {
  pending: (() => void) | undefined;

  setTimeout(fn: () => void): number {
    this.pending = fn;
    return 1;
  }

  clearTimeout(): void {
    this.pending = undefined;
  }
}

const begin = () => {
  const clock = new OneTimer();
  const outer = new AbortController();
  return { clock, outer, limit: { clock, ms: 50, signal: outer.signal } };
};
const never = (): Promise<never> => new Promise(() => undefined);
const untilTold = (signal: AbortSignal): Promise<string> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve('told'), { once: true }));

describe('a time limit', () => {
  it('gives what the work comes to, and leaves no timer', async () => {
    const { clock, limit } = begin();
    expect(await withSignal(limit, async () => 'done')).toBe('done');
    expect(await withinTime(limit, async () => 'done')).toBe('done');
    expect(clock.pending).toBeUndefined();
  });

  it('tells the work when its time is over, and waits for how it ends', async () => {
    const { clock, limit } = begin();
    const work = withSignal(limit, untilTold);
    clock.pending?.();
    expect(await work).toBe('told');
  });

  it('does not wait for work that goes on in spite of it', async () => {
    const { clock, limit } = begin();
    const work = withinTime(limit, never);
    clock.pending?.();
    await expect(work).rejects.toThrow('the time of 50 ms is over');
    expect(clock.pending).toBeUndefined();
  });

  it('ends with the reason of a signal that fires first, or has fired', async () => {
    const { limit, outer } = begin();
    const work = withinTime(limit, never);
    outer.abort(new Error('given up'));
    await expect(work).rejects.toThrow('given up');
    await expect(withinTime(limit, never)).rejects.toThrow('given up');
  });
});
