import { describe, expect, it } from 'vitest';
import { settled } from '../../test/machines.ts';
import { Lanes } from './lanes.ts';

/** Two at a time in each lane; work that ends when the test says so. */
function createLanes() {
  const lanes = new Lanes(2);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const run = async (name: string, signal = new AbortController().signal): Promise<string> =>
    lanes.run(name.charAt(0), { signal }, async () => {
      begun.push(name);
      await new Promise<void>((resolve) => ends.set(name, resolve));
      return name;
    });
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.();
    await settled();
  };
  return { lanes, begun, run, end };
}

describe('Lanes', () => {
  it('let so many of each lane in, the others in order, and forget a lane in which nothing is under way', async () => {
    const { lanes, begun, run, end } = createLanes();
    const results = Promise.all(['a1', 'a2', 'a3', 'a4', 'b1'].map((name) => run(name)));
    await settled();
    expect([begun, lanes.size]).toEqual([['a1', 'a2', 'b1'], 2]);
    await end('a2');
    await end('b1');
    expect([begun.slice(3), lanes.size]).toEqual([['a3'], 1]);
    for (const name of ['a1', 'a3', 'a4']) await end(name);
    expect([await results, lanes.size]).toEqual([['a1', 'a2', 'a3', 'a4', 'b1'], 0]);
  });

  it('go on without whoever gives up, also in the moment in which its turn comes', async () => {
    const { lanes, begun, run, end } = createLanes();
    const [early, late] = [new AbortController(), new AbortController()];
    const first = [run('a1'), run('a2')];
    const given = [run('a3', early.signal), run('a4', late.signal)].map((waiting) =>
      expect(waiting).rejects.toThrow('enough'),
    );
    const last = run('a5');
    early.abort(new Error('enough'));
    await settled();
    late.signal.addEventListener('abort', () => void end('a1'));
    late.abort(new Error('enough'));
    await settled();
    await Promise.all(given);
    expect(begun).toEqual(['a1', 'a2', 'a5']);
    for (const name of ['a2', 'a5']) await end(name);
    await Promise.all([...first, last]);
    await expect(run('a6', early.signal)).rejects.toThrow('enough');
    expect(lanes.size).toBe(0);
  });

  it('go on after work that fails', async () => {
    const lanes = new Lanes(1);
    const { signal } = new AbortController();
    const failing = lanes.run('a', { signal }, () => Promise.reject(new Error('no')));
    const next = lanes.run('a', { signal }, () => Promise.resolve('yes'));
    await expect(failing).rejects.toThrow('no');
    expect([await next, lanes.size]).toEqual(['yes', 0]);
  });
});
