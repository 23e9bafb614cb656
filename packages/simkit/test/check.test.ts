import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  checkDeterminism,
  createTestNetwork,
  type SimkitError,
  simCheck,
  type TestNetwork,
} from '../src/index.ts';
import { failure } from './nodes.ts';

interface Node {
  stop(): unknown;
}

const createNode = (): Node => ({ stop: () => undefined });
const create = (seed: number): Promise<TestNetwork<Node>> =>
  createTestNetwork({ seed, nodes: 2, createNode });
const fail = async (
  config: Parameters<typeof simCheck<TestNetwork<Node>>>[0],
): Promise<SimkitError<'CHECK_FAILED'>> => (await failure(simCheck(config))) as SimkitError<'CHECK_FAILED'>;

afterEach(() => vi.unstubAllEnvs());

describe('simCheck', () => {
  test('runs the seeds one after the other, stops each network, and tells each digest', async () => {
    const told: [number, string][] = [];
    const networks: TestNetwork<Node>[] = [];
    const { hashes } = await simCheck({
      seeds: 3,
      create,
      scenario: async (network) => {
        expect(networks.every((each) => each.isStopped)).toBe(true);
        networks.push(network);
        await network.runFor(1_000);
        network.trace.note(`${Math.random()}`);
      },
      onSeed: (seed, hash) => told.push([seed, hash]),
    });
    expect(networks.map(({ seed }) => seed)).toEqual([1, 2, 3]);
    expect(told).toEqual([...hashes]);
    expect(new Set(hashes.values()).size).toBe(3);
  });

  test('runs twenty seeds, a list of them, or that of the environment alone', async () => {
    const scenario = (): undefined => undefined;
    expect((await simCheck({ create, scenario })).hashes.size).toBe(20);
    expect([...(await simCheck({ seeds: [9, 4, 9], create, scenario })).hashes.keys()]).toEqual([9, 4]);
    vi.stubEnv('SIM_SEED', '4711');
    expect([...(await simCheck({ seeds: 3, create, scenario })).hashes.keys()]).toEqual([4_711]);
    vi.stubEnv('SIM_SEED', '');
    expect((await simCheck({ seeds: 2, create, scenario })).hashes.size).toBe(2);
  });

  test('ends at the first seed that fails, and says all that is needed to see it again', async () => {
    const cause = new Error('a cat, not a dog');
    const error = await fail({
      create,
      scenario: async (network) => {
        for (let count = 0; count < 50; count += 1) network.trace.note(`event ${count}`);
        await network.runFor(1_500);
        if (network.seed === 3) throw cause;
      },
    });
    expect(error).toMatchObject({ name: 'SimkitError', code: 'CHECK_FAILED', cause });
    const lines = error.message.split('\n');
    expect(lines[0]).toBe('Seed 3 failed after 2 that passed, at 1.500 s of virtual time: a cat, not a dog');
    expect(lines[1]).toBe('The last of 52 events:');
    expect(lines.slice(2, -1)).toEqual(
      Array.from({ length: 25 }, (_, index) => `  0.000000 event ${25 + index}`),
    );
    expect(lines.at(-1)).toBe('To repeat it: SIM_SEED=3 <your test command>');
    expect(error.data).toMatchObject({
      seed: 3,
      passed: 2,
      atMs: 1_500,
      reasons: ['a cat, not a dog'],
      events: 52,
    });
  });

  test('fails with a property that is violated', async () => {
    const scenario = async (network: TestNetwork<Node>): Promise<void> => {
      network.eventually('a miracle', () => false, { withinMs: 5_000 });
      await network.runFor(60_000);
    };
    const error = await fail({ create, scenario });
    expect(error.message).toContain(
      'Seed 1 failed, at 5.000 s of virtual time: "a miracle" had not come true',
    );
    expect(error.cause).toMatchObject({ code: 'PROPERTY_VIOLATED' });
  });

  test('fails with a seed whose network does not stop, and hides no failure behind that', async () => {
    const stop = (): Promise<void> => Promise.reject(new Error('the disk is full'));
    const createStuck = (seed: number): Promise<TestNetwork<Node>> =>
      createTestNetwork({ seed, nodes: 1, createNode: () => ({ stop }) });
    const stopped = await fail({ create: createStuck, scenario: () => undefined });
    expect(stopped.cause).toMatchObject({ code: 'STOP_FAILED' });
    const scenario = (): never => {
      throw new Error('wrong sum');
    };
    const both = await fail({ create: createStuck, scenario });
    expect(both.cause).toMatchObject({ message: 'wrong sum' });
    expect(both.message).toContain('wrong sum\nIt failed to stop as well: ');
    expect(both.message).toContain('the disk is full');
  });

  test('fails with a seed whose network cannot be built', async () => {
    const { setTimeout } = globalThis;
    const error = await fail({
      create: (seed) =>
        createTestNetwork({ seed, nodes: 1, createNode: () => Promise.reject(new Error('no disk')) }),
      scenario: () => undefined,
    });
    expect(error.message).toBe('Seed 1 failed: no disk\nTo repeat it: SIM_SEED=1 <your test command>');
    expect(globalThis.setTimeout).toBe(setTimeout);
  });

  test('ends with its signal, though its scenario waits for ever, and leaves the next one its turn', async () => {
    const controller = new AbortController();
    const aborted = fail({
      create,
      signal: controller.signal,
      scenario: async (network) => {
        void Promise.resolve().then(() => controller.abort(new Error('too late')));
        await network.runUntil(() => false, { timeoutMs: 1e12 });
      },
    });
    const next = aborted.then(() => simCheck({ seeds: 1, create, scenario: () => undefined }));
    expect(await aborted).toMatchObject({ data: { seed: 1, reasons: ['too late'] } });
    await next;
    const again = await fail({ create, signal: controller.signal, scenario: () => undefined });
    expect(again.cause).toMatchObject({ message: 'too late' });
  });

  test('refuses what cannot be run, and a network that has another seed', async () => {
    const scenario = (): undefined => undefined;
    const configs = [
      undefined,
      {},
      { create },
      { create, scenario, seeds: 0 },
      { create, scenario, seeds: 1.5 },
      { create, scenario, seeds: 1e9 },
      { create, scenario, seeds: [] },
      { create, scenario, seeds: [-1] },
      { create, scenario, seeds: ['1'] },
      { create, scenario, seeds: 'all' },
      { create, scenario, onSeed: 5 },
      { create, scenario, signal: {} },
      { create: () => undefined, scenario },
      { create: () => create(7), scenario },
    ];
    for (const config of configs)
      await expect(simCheck(config as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(simCheck({ create: () => create(7), scenario })).rejects.toThrow(
      'got seed 7, want 1: pass it on',
    );
    await expect(checkDeterminism({ create, scenario, runs: 1 })).rejects.toThrow('want runs from 2 to 100');
    vi.stubEnv('SIM_SEED', 'lucky');
    await expect(simCheck({ create, scenario })).rejects.toThrow('got lucky, want SIM_SEED to be a seed');
  });
});

describe('checkDeterminism', () => {
  test('runs each seed as often as it is told, and finds them alike', async () => {
    let runs = 0;
    const scenario = async (network: TestNetwork<Node>): Promise<void> => {
      runs += 1;
      await network.runFor(1_000);
      network.trace.note(`${Math.random()}`);
    };
    const { hashes } = await checkDeterminism({ seeds: 2, runs: 3, create, scenario });
    expect([runs, hashes.size]).toEqual([6, 2]);
  });

  test('says where two runs begin to differ, with the lines before', async () => {
    let runs = 0;
    const scenario = (network: TestNetwork<Node>): void => {
      runs += 1;
      for (let line = 3; line <= 30; line += 1)
        network.trace.note(line < 20 ? `same ${line}` : `${line} of ${runs}`);
    };
    const error = await failure(checkDeterminism({ seeds: [5], create, scenario }));
    expect(error).toMatchObject({
      code: 'NOT_DETERMINISTIC',
      data: { seed: 5, run: 2, line: 20, lines: ['0.000000 20 of 1', '0.000000 20 of 2'], unseen: 0 },
    });
    const lines = error.message.split('\n');
    expect(lines[0]).toBe('Seed 5: run 2 differs from run 1 from line 20 of the trace on:');
    expect(lines.slice(1, 11)).toEqual(
      Array.from({ length: 10 }, (_, index) => `  0.000000 same ${10 + index}`),
    );
    expect(lines.slice(11)).toEqual(['  first: 0.000000 20 of 1', '  other: 0.000000 20 of 2']);
  });

  test('says that one run goes on where the other one is over', async () => {
    let runs = 0;
    const scenario = (network: TestNetwork<Node>): void => {
      runs += 1;
      if (runs === 3) network.trace.note('one more');
    };
    const error = await failure(checkDeterminism({ seeds: 1, runs: 3, create, scenario }));
    expect(error.message).toContain('run 3 differs from run 1 from line 3 of the trace on');
    expect(error.message).toContain('first: (nothing more)\n  other: 0.000000 one more');
  });

  test('says what to raise when the difference may be before what was kept', async () => {
    const short = (seed: number): Promise<TestNetwork<Node>> =>
      createTestNetwork({ seed, nodes: 2, createNode, keptTraceLines: 10 });
    const differAt = (numbers: readonly number[]) => {
      let runs = 0;
      return (network: TestNetwork<Node>): void => {
        runs += 1;
        for (let line = 3; line <= 50; line += 1)
          network.trace.note(numbers.includes(line) ? `${line} of ${runs}` : `line ${line}`);
      };
    };
    const check = (numbers: readonly number[]): Promise<Error> =>
      failure(checkDeterminism({ seeds: 1, create: short, scenario: differAt(numbers) }));
    expect((await check([5])).message).toBe(
      'Seed 1: run 2 differs from run 1; the difference is before the 10 lines that were kept: set keptTraceLines: 50',
    );
    expect((await check([41])).message).toContain('before the 10 lines');
    const late = await check([45]);
    expect(late).toMatchObject({ data: { line: 45, unseen: 40, events: 50 } });
    expect(late.message).toContain(
      'Its first 40 lines were not kept: to compare them too, set keptTraceLines: 50',
    );
  });

  test('tells a scenario that fails from one that differs', async () => {
    const scenario = (): never => {
      throw new Error('wrong sum');
    };
    await expect(checkDeterminism({ create, scenario })).rejects.toMatchObject({ code: 'CHECK_FAILED' });
  });
});
