import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { MemoryDatastore } from 'datastore-core';
import { Key } from 'interface-datastore';
import { describe, expect } from 'vitest';
import { Refusal } from '../src/errors.ts';
import type { Handler, RpcEvents } from '../src/index.ts';
import { ask, createByHand } from './byHand.ts';
import { pause, whole, words, type SimNode, type SimNodeConfig } from './simulation.ts';

/** A datastore that takes its time, or fails, as a test wants it to. */
class TestDatastore extends MemoryDatastore {
  putMs = 0;
  failure: Error | undefined;

  override async put(key: Key, value: Uint8Array): Promise<Key> {
    if (this.putMs > 0) await pause(this.putMs);
    if (this.failure !== undefined) throw this.failure;
    return super.put(key, value) as Key;
  }

  override async *query(...args: Parameters<MemoryDatastore['query']>) {
    if (this.failure !== undefined) throw this.failure;
    yield* super.query(...args);
  }

  get keys(): string[] {
    // What it holds by key is its own, and enough to look at.
    return [...(this as unknown as { data: Map<string, Uint8Array> }).data.keys()];
  }
}

/** An executor that can crash and come back with what it had written down. */
async function createJournaled(
  createNetwork: NetworkFixture['createNetwork'],
  given: Omit<SimNodeConfig, 'serve'> & { readonly serve: Handler },
) {
  const datastore = new TestDatastore();
  const calls: string[] = [];
  const config = {
    ...given,
    datastore,
    serve: ((request, context) => {
      calls.push(request.request.payload.idempotencyKey);
      return given.serve(request, context);
    }) satisfies Handler,
  };
  const world = await createByHand(createNetwork, config);
  const { network, asker, connect } = world;
  const executor = (): SimNode => network.node('executor');
  const lost: RpcEvents['request:lost'][] = [];
  const listen = (): void =>
    executor().rpc.addEventListener('request:lost', ({ detail }) => lost.push(detail));
  listen();
  /** Ends the process and starts another one. */
  const restart = async (how: 'crash' | 'stop' = 'crash', isListening = true): Promise<void> => {
    if (how === 'stop') await network.run(executor().stop());
    network.crash('executor');
    await network.restart('executor');
    if (isListening) listen();
    await network.runFor(1_100);
  };
  let { hand } = world;
  /** Asks, over a new session when there is none, and gives what was told within some time. */
  const say = async (idempotencyKey = 'k', withinMs = 1_000): Promise<string[]> => {
    if (!hand.session.isOpen) hand = await connect();
    const id = hand.ask(await ask(asker.identity, executor().identity, { idempotencyKey }));
    await network.runFor(withinMs);
    return hand.told(id);
  };
  return { ...world, datastore, calls, lost, restart, say, config };
}

describe('a request that was accepted before a crash', () => {
  test('is lost when it was not answered to its end: told once, refused from then on, and never run again', async ({
    createNetwork,
  }) => {
    const { network, asker, calls, lost, restart, say } = await createJournaled(createNetwork, {
      serve: words(100, 100),
    });
    const startMs = network.clock.now();
    expect((await say('k', 500)).length).toBeGreaterThan(2);
    await restart();
    const { evmAddress, peerId } = asker.identity;
    expect(lost).toEqual([
      {
        signer: evmAddress.toLowerCase(),
        idempotencyKey: 'k',
        peerId,
        acceptedAt: expect.any(Number) as number,
      },
    ]);
    expect(lost[0]!.acceptedAt - startMs).toBeLessThan(500);
    expect(await say()).toEqual(['REQUEST_LOST']);
    await restart();
    expect(await say()).toEqual(['REQUEST_LOST']);
    expect([lost.length, calls]).toEqual([1, ['k']]);
  });

  test('is answered with the same bytes when it had been', async ({ createNetwork }) => {
    const { calls, lost, restart, say } = await createJournaled(createNetwork, { serve: words(3, 10) });
    const told = await say();
    expect(told).toEqual(['word0 ', 'word1 ', 'word2 ', 'end']);
    await restart();
    expect(await say()).toEqual(told);
    await restart();
    expect(await say()).toEqual(told);
    expect([lost, calls]).toEqual([[], ['k']]);
  });

  test('is lost when the node was stopped in the midst of it', async ({ createNetwork }) => {
    const { calls, lost, restart, say } = await createJournaled(createNetwork, { serve: words(100, 100) });
    await say('k', 500);
    await restart('stop');
    expect(lost).toMatchObject([{ idempotencyKey: 'k' }]);
    expect(await say()).toEqual(['REQUEST_LOST']);
    expect(calls).toEqual(['k']);
  });

  test('is told as lost after the next start when nobody listened', async ({ createNetwork }) => {
    const { lost, restart, say } = await createJournaled(createNetwork, { serve: words(100, 100) });
    await say('k', 500);
    await restart('crash', false);
    expect(lost).toEqual([]);
    expect(await say()).toEqual(['REQUEST_LOST']);
    await restart();
    expect(lost).toMatchObject([{ idempotencyKey: 'k' }]);
  });

  test('is run after it when it had only waited for a slot', async ({ createNetwork }) => {
    const { network, asker, executor, hand, calls, lost, restart, say } = await createJournaled(
      createNetwork,
      {
        capacity: 1,
        serve: words(10, 100),
      },
    );
    hand.ask(await ask(asker.identity, executor.identity, { idempotencyKey: 'runs' }));
    hand.ask(await ask(asker.identity, executor.identity, { idempotencyKey: 'waits' }));
    await network.runFor(500);
    await restart();
    expect(lost).toMatchObject([{ idempotencyKey: 'runs' }]);
    expect((await say('waits', 2_000)).at(-1)).toBe('end');
    expect(calls).toEqual(['runs', 'waits']);
  });

  for (const days of [-400, 400])
    test(`is known after it, also when the clock is ${days} days off`, async ({ createNetwork }) => {
      const { calls, lost, restart, say, config } = await createJournaled(createNetwork, {
        signatures: 'ignore',
        serve: ({ request }) => (request.payload.idempotencyKey === 'k' ? whole('done') : undefined),
      });
      expect(await say()).toEqual(['done', 'end']);
      await say('unanswered');
      Object.assign(config, { clockSkewMs: days * 86_400_000 });
      await restart();
      expect(lost).toMatchObject([{ idempotencyKey: 'unanswered' }]);
      expect(await say()).toEqual(['done', 'end']);
      expect(await say('unanswered')).toEqual(['REQUEST_LOST']);
      expect(calls).toEqual(['k', 'unanswered']);
    });
});

describe('what is written down', () => {
  test('is there before the handler is called', async ({ createNetwork }) => {
    const { network, asker, executor, hand, calls, datastore } = await createJournaled(createNetwork, {
      serve: () => whole('done'),
    });
    datastore.putMs = 1_000;
    const id = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(900);
    expect([calls, datastore.keys]).toEqual([[], []]);
    await network.runFor(300);
    expect([calls, datastore.keys.length]).toEqual([['k'], 1]);
    expect(hand.told(id)).toEqual(['done', 'end']);
    await network.runFor(1_000);
    executor.expectNothingLeft();
  });

  test('is nothing of a request that is cancelled meanwhile, or that was refused', async ({
    createNetwork,
  }) => {
    const { network, asker, executor, hand, calls, datastore, say } = await createJournaled(createNetwork, {
      serve: () => {
        throw new Refusal('MODEL_UNAVAILABLE', 'not here');
      },
    });
    datastore.putMs = 1_000;
    const id = hand.ask(await ask(asker.identity, executor.identity));
    await network.runFor(500);
    hand.cancel(id);
    await network.runFor(3_000);
    expect([calls, datastore.keys]).toEqual([[], []]);
    expect(await say('refused', 3_000)).toEqual(['MODEL_UNAVAILABLE']);
    expect(datastore.keys).toEqual([]);
    executor.expectNothingLeft();
  });

  test('is forgotten when its time is over', async ({ createNetwork }) => {
    const { network, calls, datastore, say } = await createJournaled(createNetwork, {
      idempotencyTtlMs: 60_000,
      serve: () => whole('done'),
    });
    await say('a');
    await network.runFor(60_000);
    await say('b');
    expect(datastore.keys).toHaveLength(1);
    await say('a');
    expect(calls).toEqual(['a', 'b', 'a']);
  });

  test('and is damaged is dropped, and harms nothing else', async ({ createNetwork }) => {
    const { datastore, restart, say } = await createJournaled(createNetwork, { serve: () => whole('done') });
    for (const key of ['a', 'b', 'c']) await say(key);
    const [first, second, third] = datastore.keys.map((key) => new Key(key));
    const value = datastore.get(second!) as Uint8Array;
    await datastore.put(first!, Uint8Array.from(value));
    await datastore.put(
      third!,
      value.map((byte, at) => (at === value.length - 1 ? byte ^ 1 : byte)),
    );
    await datastore.put(new Key('/lloom/rpc/executions/1/short'), new Uint8Array(3));
    await restart();
    expect(datastore.keys).toEqual([second!.toString()]);
    expect(await say('b')).toEqual(['done', 'end']);
  });
});

test('a request that was lost, forgotten and answered anew is answered after another start', async ({
  createNetwork,
}) => {
  const { calls, network, restart, say } = await createJournaled(createNetwork, {
    serve: words(3, 100),
    idempotencyTtlMs: 2_000,
  });
  await say('k', 200);
  await restart('crash', false);
  await network.runFor(2_000);
  const told = await say();
  expect(told.at(-1)).toBe('end');
  // Only now somebody wants to hear of the first time.
  network.node('executor').rpc.addEventListener('request:lost', () => undefined);
  await network.runFor(100);
  await restart();
  expect(await say()).toEqual(told);
  expect(calls).toEqual(['k', 'k']);
});

describe('a datastore that fails', () => {
  test('lets nothing run that it cannot note, until it works again', async ({ createNetwork }) => {
    const { executor, calls, datastore, say } = await createJournaled(createNetwork, {
      serve: () => whole('done'),
    });
    datastore.failure = new Error('the disk is full');
    expect(await say()).toEqual(['BUSY']);
    expect(calls).toEqual([]);
    datastore.failure = undefined;
    expect(await say()).toEqual(['done', 'end']);
    executor.expectNothingLeft();
  });

  test('when the node starts lets nothing run either, until it can be read', async ({ createNetwork }) => {
    const { calls, datastore, lost, restart, say } = await createJournaled(createNetwork, {
      serve: words(100, 100),
    });
    await say('k', 500);
    datastore.failure = new Error('the disk is away');
    await restart();
    expect(await say('other')).toEqual(['BUSY']);
    datastore.failure = undefined;
    expect(await say('other')).toEqual(['BUSY']);
    expect((await say('other')).length).toBeGreaterThan(3);
    expect(await say()).toEqual(['REQUEST_LOST']);
    expect(calls).toEqual(['k', 'other']);
    expect(lost).toMatchObject([{ idempotencyKey: 'k' }]);
  });

  test('when the node starts lets no middleware take a request along until it can be read', async ({
    createNetwork,
  }) => {
    const { network, asker, executor, calls, datastore, connect, restart, say } = await createJournaled(
      createNetwork,
      { serve: words(100, 100) },
    );
    await say('k', 500);
    datastore.failure = new Error('the disk is away');
    await restart();
    datastore.failure = undefined;
    network.node('executor').rpc.use({
      inbound: async (_call, next) => {
        await pause(1_000);
        await next();
      },
    });
    const hand = await connect();
    // The first one has the notes read; the second one comes before they are.
    const [other, again] = [
      hand.ask(await ask(asker.identity, executor.identity, { idempotencyKey: 'other' })),
      hand.ask(await ask(asker.identity, executor.identity)),
    ];
    await network.runFor(3_000);
    expect([hand.told(other), hand.told(again)]).toEqual([['BUSY'], ['BUSY']]);
    expect(calls).toEqual(['k']);
  });

  test('at the end of a request harms no answer; whether it was answered is not known after a crash', async ({
    createNetwork,
  }) => {
    const { calls, datastore, restart, say } = await createJournaled(createNetwork, {
      serve: async () => {
        datastore.failure = new Error('the disk is full');
        return whole('done');
      },
    });
    expect(await say()).toEqual(['done', 'end']);
    datastore.failure = undefined;
    await restart();
    expect(await say()).toEqual(['REQUEST_LOST']);
    expect(calls).toEqual(['k']);
  });
});
