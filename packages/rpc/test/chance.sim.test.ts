import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { expectStory } from './chance.ts';
import { question } from './nodes.ts';
import { createPair, ends, outcomeOf, readAll, textOf, wayOf, ways, whole, words } from './simulation.ts';

for (const way of ways)
  test(`over ${way.fidelity} links by ${way.carrier} that lose up to a tenth of everything, every request is answered, whole and proven`, async ({
    createNetwork,
  }) => {
    for (const [index, lossRatio] of [0, 0.025, 0.05, 0.1].entries()) {
      const seed = index + 1;
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        seed,
        link: { delayMs: 50, jitterMs: 10, lossRatio },
        executor: {
          serve: (request, context) => (context.stream ? words(10, 20)(request, context) : whole(textOf(10))),
        },
      });
      const ask = async (count: number): Promise<string> => {
        const message = await question(asker.identity, executor.identity);
        if (count % 2 === 0) return readAll(asker.rpc.stream(executor.peerId, message));
        const { response } = await asker.rpc.request(executor.peerId, message);
        return response.payload.content;
      };
      const texts = await network.run(Promise.all(Array.from({ length: 12 }, (_, count) => ask(count))), {
        timeoutMs: 120_000,
      });
      expect(new Set(texts), `seed ${seed}`).toEqual(new Set([textOf(10)]));
      expect(ends(asker), `seed ${seed}`).toEqual(Array.from({ length: 12 }, () => 'answered'));
      await network.runFor(10_000);
      asker.expectNothingLeft();
      executor.expectNothingLeft();
      await network.stop();
    }
  });

test('a request that is sent at a random moment of a partition ends once, whenever it heals', async ({
  createNetwork,
}) => {
  for (let seed = 1; seed <= 6; seed++) {
    const { network, asker, executor } = await createPair(createNetwork, {
      seed,
      carrier: wayOf(seed).carrier,
      link: { delayMs: 50, lossRatio: 0.05 },
      executor: { serve: words(5, 100) },
    });
    const outcomes: Promise<string>[] = [];
    const lift = network.partition(['asker'], ['executor']);
    network.at(5_000 + seed * 1_000, lift);
    for (let atMs = 0; atMs < 30_000; atMs += 1_000)
      network.at(atMs, () => {
        const ask = async (): Promise<string> => {
          const message = await question(asker.identity, executor.identity);
          return readAll(asker.rpc.stream(executor.peerId, message));
        };
        outcomes.push(outcomeOf(ask()));
      });
    await network.runFor(200_000);
    const codes = await Promise.all(outcomes);
    expect(codes, `seed ${seed}`).toHaveLength(30);
    expect(new Set(codes), `seed ${seed}`).toEqual(new Set(['DIAL_FAILED', 'answered']));
    asker.expectNothingLeft();
    executor.expectNothingLeft();
    await network.stop();
  }
});

test('whatever befalls nodes and links, each request ends exactly once, nothing of it is left, and a story is the same when it is told again', async ({
  createNetwork,
}) => {
  const codes = new Set<string>();
  for (let seed = 1; seed <= 5; seed++) {
    const first = await expectStory(createNetwork, seed);
    for (const code of first.codes) codes.add(code);
    // One by each carrier.
    if (seed <= 2) expect(await expectStory(createNetwork, seed)).toEqual(first);
  }
  for (const code of [
    'answered',
    'BUSY',
    'REMOTE',
    'CANCELLED',
    'TIMEOUT',
    'CONNECTION_CLOSED',
    'DIAL_FAILED',
  ])
    expect(codes).toContain(code);
});
