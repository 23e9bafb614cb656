import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Refusal, type Handler } from '../src/index.ts';
import { createWorld, silent, watched } from './callWorld.ts';
import { outcomeOf, readAll, whole } from './simulation.ts';

const done: Handler = () => whole('done');

describe('an executor that says nothing', () => {
  test('is known to have the requests, is avoided after a while, and is not gone to by those that fail', async ({
    createNetwork,
  }) => {
    const mute = watched(silent);
    const world = await createWorld(createNetwork, {
      executors: { mute: { serve: mute.serve }, works: { serve: done } },
    });
    const { network, asker, id } = world;
    const ask = async (name: string, timeoutMs: number): Promise<string> => {
      const message = await world.question(name);
      return outcomeOf(
        readAll(asker.rpc.stream(id(name), message, { timeoutMs, retry: { maxAttempts: 2 } })),
      );
    };
    const asked = [ask('mute', 20_000), ask('mute', 20_000)];
    await network.runFor(4_900);
    expect(asker.rpc.performanceOf(id('mute'))).toEqual({ underWay: 2 });
    await network.runFor(1_000);
    expect(asker.rpc.performanceOf(id('mute'))).toEqual({ underWay: 2, isAvoided: true });
    expect(await network.run(Promise.all(asked))).toEqual(['answered', 'answered']);
    expect(asker.rpc.performanceOf(id('mute'))).toEqual({ isAvoided: true });
    await network.runFor(15_000);
    expect(asker.rpc.performanceOf(id('mute'))).toBeUndefined();
    await world.end();
  });

  test('is asked instead of another one only when nobody else is known', async ({ createNetwork }) => {
    const mute = watched(silent);
    const refuses: Handler = () => {
      throw new Refusal('BUSY', 'not now');
    };
    const world = await createWorld(createNetwork, {
      executors: { mute: { serve: mute.serve }, refuses: { serve: refuses }, works: { serve: done } },
    });
    const { network, asker, directory, id } = world;
    const call = { timeoutMs: 30_000, retry: { maxAttempts: 2 } };
    const ask = async (name: string): Promise<string> =>
      outcomeOf(readAll(asker.rpc.stream(id(name), await world.question(name), call)));
    directory.known = [id('mute')];
    const first = ask('mute');
    await network.runFor(6_000);
    directory.known = [id('mute'), id('works')];
    expect(await network.run(ask('refuses'))).toBe('answered');
    expect(mute.calls).toHaveLength(1);
    directory.known = [id('mute')];
    const last = ask('refuses');
    await network.runFor(1_000);
    expect(mute.calls).toHaveLength(2);
    await network.run(Promise.all([first, last]));
    await world.end();
  });
});

test('an executor that refuses its model three times in a row is avoided, until it answers', async ({
  createNetwork,
}) => {
  let isServed = false;
  const serve: Handler = () => {
    if (!isServed) throw new Refusal('MODEL_UNAVAILABLE', 'not here');
    return whole('done');
  };
  const world = await createWorld(createNetwork, { executors: { a: { serve } } });
  const { network, asker, id } = world;
  const ask = async (): Promise<string> =>
    outcomeOf(readAll(asker.rpc.stream(id('a'), await world.question('a'))));
  for (let time = 0; time < 3; time++) {
    expect(asker.rpc.performanceOf(id('a'))).toBeUndefined();
    expect(await network.run(ask())).toBe('MODEL_UNAVAILABLE');
  }
  expect(asker.rpc.performanceOf(id('a'))).toEqual({ isAvoided: true });
  isServed = true;
  expect(await network.run(ask())).toBe('answered');
  expect(asker.rpc.performanceOf(id('a'))).not.toHaveProperty('isAvoided');
  await world.end();
});
