import { describe, expect, it } from 'vitest';
import { settled } from '../../test/machines.ts';
import { Gate } from './gate.ts';

describe('Gate', () => {
  it('lets so many in, and the others in order', async () => {
    const gate = new Gate(2);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const results = [0, 1, 2, 3].map((n) =>
      gate.run(async () => {
        begun.push(n);
        await new Promise<void>((resolve) => ends.push(resolve));
        return n;
      }),
    );
    await settled();
    expect(begun).toEqual([0, 1]);
    ends[1]?.();
    await settled();
    expect(begun).toEqual([0, 1, 2]);
    for (let n = 0; n < 4; n++) {
      ends[n]?.();
      await settled();
    }
    expect(await Promise.all(results)).toEqual([0, 1, 2, 3]);
  });

  it('goes on after work that fails', async () => {
    const gate = new Gate(1);
    const failing = gate.run(() => Promise.reject(new Error('no')));
    const next = gate.run(() => Promise.resolve('yes'));
    await expect(failing).rejects.toThrow('no');
    await expect(next).resolves.toBe('yes');
  });
});
