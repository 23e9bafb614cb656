import { describe, expect } from 'vitest';
import type { TestNetwork } from '../src/index.ts';
import { test } from '../src/vitest.ts';
import { failure } from './nodes.ts';

interface Ticker {
  ticks: number;
  stop(): void;
}

/** A node that counts seconds. */
function createTicker(): Ticker {
  const ticker = { ticks: 0, stop: () => clearInterval(timer) };
  const timer = setInterval(() => {
    ticker.ticks += 1;
  }, 1_000);
  return ticker;
}

const quiet = (): Ticker => ({ ticks: 0, stop: () => undefined });
const ticksOf = (network: TestNetwork<Ticker>): number => network.node('n0').ticks;

describe('always', () => {
  test('ends the run at the instant that breaks it, with what, when and the seed', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: 1, seed: 42, createNode: createTicker });
    const property = network.always('few ticks', () => ticksOf(network) < 3);
    const error = await failure(network.runFor(60_000));
    expect(error).toMatchObject({
      code: 'PROPERTY_VIOLATED',
      message: '"few ticks" did not hold at 3000 ms of virtual time (seed 42)',
      data: { what: 'few ticks', kind: 'always', atMs: 3_000, seed: 42 },
    });
    expect(property).toMatchObject({ what: 'few ticks', status: 'violated', decidedAtMs: 3_000 });
    expect(network.trace.tail(1)).toEqual(['3.000000 violated: always few ticks']);
  });

  test('ends whatever lets time pass, and is asked no more once it is violated', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: 1, createNode: createTicker });
    const violated = { code: 'PROPERTY_VIOLATED' };
    network.always('not one', () => ticksOf(network) !== 1);
    await expect(network.runUntil(() => ticksOf(network) === 2)).rejects.toMatchObject(violated);
    network.always('not two', () => ticksOf(network) !== 2);
    const acting = network.run(() => new Promise((resolve) => setTimeout(resolve, 5_000)));
    await expect(acting).rejects.toMatchObject(violated);
    await network.runFor(60_000);
  });

  test('is asked before the condition that the same instant fulfils', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 1, createNode: createTicker });
    network.always('no tick', () => ticksOf(network) === 0);
    const waiting = network.runUntil(() => ticksOf(network) === 1);
    await expect(waiting).rejects.toMatchObject({ code: 'PROPERTY_VIOLATED' });
  });

  test('is not asked before its time', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 1, createNode: createTicker });
    const property = network.always('ticks', () => ticksOf(network) >= 5, { fromMs: 5_000 });
    await network.runFor(10_000);
    expect(property.status).toBe('pending');
    property.end();
    expect(property).toMatchObject({ status: 'holds', decidedAtMs: 10_000 });
  });

  test('is asked every so many ms, also when nothing happens', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 1, createNode: quiet });
    const asked: number[] = [];
    const ask = (): boolean => asked.push(network.clock.elapsed()) > 0;
    network.always('asked', ask, { fromMs: 1_500, everyMs: 1_000 });
    await network.runFor(2_000);
    network.at(3_200, () => undefined);
    await network.runFor(2_500);
    expect(asked).toEqual([1_500, 2_500, 3_500, 4_500]);
  });

  test('holds when its network is stopped', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 1, createNode: createTicker });
    const property = network.always('ticks', () => true);
    const late = network.eventually('a minute', () => false, { withinMs: 60_000 });
    await network.runFor(1_000);
    await network.stop();
    expect([property.status, property.decidedAtMs]).toEqual(['holds', 1_000]);
    expect([late.status, late.decidedAtMs]).toEqual(['pending', undefined]);
    expect(() => network.always('more', () => true)).toThrow('the network is stopped');
  });
});

describe('eventually', () => {
  test('holds from the first yes on, whatever comes then', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 1, createNode: createTicker });
    const property = network.eventually('two ticks', () => ticksOf(network) === 2, { withinMs: 2_000 });
    await network.runFor(60_000);
    expect(property).toMatchObject({ status: 'holds', decidedAtMs: 2_000 });
  });

  test('ends the run at its last moment when it has not come true', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 1, createNode: createTicker });
    await network.runFor(1_000);
    const property = network.eventually('a hundred', () => ticksOf(network) > 99, {
      withinMs: 2_500,
      everyMs: 700,
    });
    const error = await failure(network.runFor(60_000));
    expect(error.message).toBe('"a hundred" had not come true at 3500 ms of virtual time (seed 1)');
    expect([property.status, property.decidedAtMs, network.clock.elapsed()]).toEqual([
      'violated',
      3_500,
      3_500,
    ]);
  });

  test('is not decided as long as time stands still, or once it is ended', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 1, createNode: createTicker });
    const property = network.eventually('never', () => false, { withinMs: 1_000 });
    expect(property.status).toBe('pending');
    property.end();
    await network.runFor(60_000);
    expect(property.status).toBe('pending');
  });
});

test('several are asked in one instant, and all that are violated then know it', async ({
  createNetwork,
}) => {
  const network = await createNetwork({ nodes: 1, createNode: createTicker });
  const isYoung = (): boolean => ticksOf(network) < 2;
  const properties = ['first', 'second'].map((what) => network.always(what, isYoung));
  const other = network.always('third', () => true);
  await expect(network.runFor(60_000)).rejects.toThrow('"first" did not hold at 2000 ms');
  expect([...properties, other].map(({ status }) => status)).toEqual(['violated', 'violated', 'pending']);
});

test('what a condition throws violates it, with the reason', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 1, createNode: createTicker });
  const cause = new Error('no such field');
  const ask = (): boolean => {
    throw cause;
  };
  network.eventually('a field', ask, { withinMs: 5_000 });
  const error = await failure(network.runFor(1));
  expect(error.message).toBe(
    'Cannot ask whether "a field" holds at 0 ms of virtual time (seed 1): no such field',
  );
  expect(error.cause).toBe(cause);
  network.always('later', (async () => true) as never);
  await expect(network.runFor(1)).rejects.toThrow('want a condition that answers at once');
});

test('nothing that is asked changes what happens, or when a run ends', async ({ createNetwork }) => {
  const hashes: string[] = [];
  for (const everyMs of [undefined, 0, 7]) {
    const network = await createNetwork({ nodes: 3, seed: 5, createNode: createTicker });
    const note = (): void => network.trace.note(`${Math.random()}`);
    for (const atMs of [500, 1_500, 2_500]) network.at(atMs, note);
    if (everyMs !== undefined) network.always('time passes', () => true, { everyMs });
    if (everyMs !== undefined) network.eventually('a year', () => false, { withinMs: 1e10, everyMs });
    await network.runUntil(() => network.clock.elapsed() > 2_100);
    note();
    hashes.push(network.trace.hash());
    await network.stop();
  }
  expect(new Set(hashes).size).toBe(1);
});

test('what cannot be asked is refused, and so is one too many', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 1, createNode: quiet });
  const yes = (): boolean => true;
  const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
  const attempts: (() => unknown)[] = [
    () => network.always('', yes),
    () => network.always(5 as never, yes),
    () => network.always('x'.repeat(201), yes),
    () => network.always('no condition', 'yes' as never),
    () => network.always('from', yes, { fromMs: Number.NaN }),
    () => network.always('every', yes, { everyMs: 0.1 }),
    () => network.always('every', yes, { everyMs: Infinity }),
    () => network.eventually('within', yes, {} as never),
    () => network.eventually('within', yes, undefined as never),
    () => network.eventually('within', yes, { withinMs: -1 }),
  ];
  for (const attempt of attempts) expect(attempt).toThrow(refused);
  const first = network.always('0', yes);
  for (let count = 1; count < 1_000; count += 1) network.always(`${count}`, yes);
  expect(() => network.always('one more', yes)).toThrow('want at most 1000 that are not decided');
  first.end();
  network.always('another', yes);
  await network.runFor(10);
});

test('a property that ends itself, or asks for another one, does so', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 1, createNode: createTicker });
  const asked: string[] = [];
  const property = network.always('once', () => {
    asked.push('once');
    property.end();
    network.always('then', () => asked.push('then') > 0, { everyMs: 1_000 });
    return false;
  });
  await network.runFor(1_000);
  expect([property.status, asked]).toEqual(['holds', ['once', 'then', 'then']]);
});

test('a run with properties that never end can be stopped', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 1, createNode: quiet });
  network.always('every ms', () => true, { everyMs: 1 });
  const error = failure(network.runFor(1e15));
  await network.stop();
  expect(await error).toMatchObject({ code: 'STOPPED' });
});
