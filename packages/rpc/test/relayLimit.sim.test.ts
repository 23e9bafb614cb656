import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { question } from './nodes.ts';
import {
  createPair,
  nodes,
  outcomeOf,
  pause,
  readAll,
  ways,
  whole,
  words,
  type SimNode,
} from './simulation.ts';

/** About what a token of these tests takes with its frame. */
const tokenBytes = 1_000;
const relayBytes = 64 * 1024;

/** A relay that lets so many bytes through to each peer in all, and what has gone by the handler's count. */
const relayOf = (bytes: number) => {
  let sent = 0;
  return {
    budget: { bytesLeft: () => bytes - sent },
    send: (added: number) => {
      sent += added;
    },
  };
};

const token = 'x'.repeat(tokenBytes);

describe.each(ways)('over $fidelity links by $carrier', (way) => {
  test('an answer that a relay would cut ends typed before the cut, and every token that was shown is signed', async ({
    createNetwork,
  }) => {
    const relay = relayOf(relayBytes);
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: {
        relayBudget: relay.budget,
        segmentTokens: 10,
        serve: async function* (_, { signal }) {
          for (let count = 0; count < 200; count++) {
            await pause(10);
            signal.throwIfAborted();
            relay.send(tokenBytes);
            yield token;
          }
        },
      },
    });
    const message = await network.run(question(asker.identity, executor.identity));
    const answer = asker.rpc.stream(executor.peerId, message, { retry: {} });
    const outcome = await network.run(readAll(answer).catch((error: unknown) => error));
    const { soFar } = answer;
    const shown = soFar.content.length / tokenBytes;
    const data = { failure: 'RELAY_LIMIT', tokens: shown, signedTokens: shown };
    expect(outcome).toMatchObject({ code: 'PARTIAL_ANSWER', data });
    expect(shown).toBeGreaterThan(40);
    expect(shown).toBeLessThan(relayBytes / tokenBytes);
    await network.runFor(10_000);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('an answer in one piece that does not fit is refused, and so is a request before it is sent', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      asker: { relayBudget: { bytesLeft: () => 100_000 } },
      executor: { relayBudget: { bytesLeft: () => 20_000 }, serve: () => whole('x'.repeat(30_000)) },
    });
    const ask = async (prompt: string): Promise<string> => {
      const message = await question(asker.identity, executor.identity, { prompt });
      return outcomeOf(asker.rpc.request(executor.peerId, message));
    };
    expect(await network.run(ask('small'))).toBe('RELAY_LIMIT');
    const large = ask('x'.repeat(95_000));
    expect(await network.run(large)).toBe('RELAY_LIMIT');
  });
});

test('another executor finishes what the relay of the first would have cut', async ({ createNetwork }) => {
  const relay = relayOf(12_000);
  const find = (): string => network.node('near').peerId;
  const near = words(0, 0);
  const network = await createNetwork<SimNode>({
    nodes: ['asker', 'far', 'near'],
    createNode: nodes({
      asker: { alternatives: { find, search: async () => find() } },
      far: {
        relayBudget: relay.budget,
        segmentTokens: 2,
        serve: async function* () {
          for (let count = 0; count < 10; count++) {
            relay.send(tokenBytes);
            yield `${token} `;
            await pause(10);
          }
        },
      },
      near: {
        canContinue: true,
        serve: async function* (request, context) {
          for (let count = context.prefix?.text.split(' ').length ?? 1; count <= 10; count++)
            yield `${token} `;
          yield* near(request, context) as AsyncIterable<string>;
        },
      },
    }),
  });
  const asker = network.node('asker');
  const message = await network.run(question(asker.identity, network.node('far').identity));
  const answer = asker.rpc.stream(network.node('far').peerId, message, { retry: {} });
  expect(await network.run(readAll(answer))).toBe(`${token} `.repeat(10));
  const { shares } = await answer.result;
  expect(shares.map(({ unsignedTokens }) => unsignedTokens)).toEqual([0, 0]);
  expect(shares.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(10);
});
