import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { RpcEvents } from '../src/index.ts';
import { createWorld, errorOf } from './callWorld.ts';
import { whole, type SimNode } from './simulation.ts';

/** Hears every event of a node, and acts on none. */
function lookOn({ rpc }: SimNode): string[] {
  const heard: string[] = [];
  rpc.forwardTo({
    emit: (type: keyof RpcEvents) => heard.push(type),
    isObserved: () => false,
    isHeard: () => true,
    whenObserved: () => undefined,
  });
  return heard;
}

const ping = { type: 'ping' } as const;

describe('who only looks on', () => {
  test('hears of pings and requests, and changes nothing about their answers', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: { serve: () => whole('done') } } });
    const { network, asker, id } = world;
    const [served, asked] = [lookOn(network.node('a')), lookOn(asker)];
    expect(await network.run(asker.rpc.request(id('a'), ping))).toEqual({ type: 'pong' });
    expect(await network.run(asker.rpc.stream(id('a'), await world.question('a')).result)).toMatchObject({
      content: 'done',
    });
    expect(served).toEqual(['request:received', 'request:received']);
    expect(asked).toEqual(['response:received', 'response:received']);
    await world.end();
  });

  test('is not waited for when nobody serves', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: {} } });
    const { network, asker, id } = world;
    const served = lookOn(network.node('a'));
    const request = asker.rpc.stream(id('a'), await world.question('a')).result;
    expect((await network.run(errorOf(request))).code).toBe('NO_HANDLER');
    expect(served).toEqual(['request:received']);
    expect(world.elapsed()).toBeLessThan(1_000);
    await world.end();
  });
});
