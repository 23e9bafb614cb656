import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { sessionProtocol } from '../src/internal/protocolIds.ts';
import { HandSession, inSession, openBytes } from './handSession.ts';
import { question } from './nodes.ts';
import { createPair, outcomeOf, pause, whole, type SimNodeConfig } from './simulation.ts';

const ping = { type: 'ping' } as const;
const garbage = new Uint8Array(200).fill(0x41);

/** A pair of nodes, and what each is told of the other. */
async function createJudging(
  createNetwork: Parameters<typeof createPair>[0],
  { asker = {}, executor = {} }: { asker?: SimNodeConfig; executor?: SimNodeConfig } = {},
) {
  const told = { asker: [] as string[], executor: [] as string[] };
  const noting = (facts: string[]) => ({ report: (_: string, fact: string) => void facts.push(fact) });
  const pair = await createPair(createNetwork, {
    asker: { reputation: noting(told.asker), ...asker },
    executor: { reputation: noting(told.executor), ...executor },
  });
  const signed = () => question(pair.asker.identity, pair.executor.identity);
  const ask = async (config = {}): Promise<string> =>
    outcomeOf(pair.asker.rpc.request(pair.executor.peerId, await signed(), config));
  return { ...pair, told, ask, signed };
}

test('an answer is told once a second at most, a pong never; nothing is told of whoever asks', async ({
  createNetwork,
}) => {
  const { network, asker, executor, told, ask } = await createJudging(createNetwork, {
    executor: { serve: () => whole('done') },
  });
  await network.run(asker.rpc.request(executor.peerId, ping));
  expect(told.asker).toEqual([]);
  for (let times = 0; times < 3; times++) expect(await network.run(ask())).toBe('answered');
  expect(told.asker).toEqual(['SERVED']);
  await network.runFor(1_000);
  await network.run(ask());
  expect(told).toEqual({ asker: ['SERVED', 'SERVED'], executor: [] });
});

test('a request that fails is told, but not one that is given up, refused or out of a hurry', async ({
  createNetwork,
}) => {
  const behaviours = ['throw', 'wait', 'wait'];
  const { network, told, ask } = await createJudging(createNetwork, {
    executor: {
      capacity: 2,
      maxQueuedRequests: 0,
      serve: async (_, { signal }) => {
        if (behaviours.shift() === 'throw') throw new Error('no');
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        return whole('late');
      },
    },
  });
  const controller = new AbortController();
  expect(await network.run(ask())).toBe('REMOTE');
  expect(told.asker).toEqual(['REQUEST_FAILED']);
  const cancelled = ask({ signal: controller.signal });
  const hurried = ask({ timeoutMs: 2_000 });
  await network.runFor(1_500);
  expect(await network.run(ask())).toBe('BUSY');
  controller.abort();
  expect(await network.run(Promise.all([cancelled, hurried]))).toEqual(['CANCELLED', 'TIMEOUT']);
  expect(told).toEqual({ asker: ['REQUEST_FAILED'], executor: [] });
});

test('what is no answer to the question, and what breaks the rules of a session, is told as that', async ({
  createNetwork,
}) => {
  let opened = 0;
  const misbehaveInSession = inSession((session, open) => {
    if (++opened === 1) session.pong(open.id);
    else session.write(garbage);
  });
  const { network, told, ask } = await createJudging(createNetwork, { executor: { misbehaveInSession } });
  expect(await network.run(ask())).toBe('INVALID_RESPONSE');
  expect(told.asker).toEqual(['INVALID_ANSWER']);
  expect(await network.run(ask())).toBe('CONNECTION_CLOSED');
  expect(told.asker).toEqual(['INVALID_ANSWER', 'REQUEST_FAILED', 'PROTOCOL_VIOLATION']);
});

test('a forged question and a broken session are told of the client, an old question is not', async ({
  createNetwork,
}) => {
  let clockSkewMs = -600_000;
  const { network, asker, executor, told, ask, signed } = await createJudging(createNetwork, {
    asker: { clockSkewMs: () => clockSkewMs },
    executor: { serve: () => whole('done') },
  });
  expect(await network.run(ask())).toBe('SIGNATURE_REFUSED');
  expect(told.executor).toEqual([]);
  clockSkewMs = 0;
  const { type, request } = await signed();
  const forged = { type, request: { ...request, expiresMs: request.expiresMs - 1 } };
  expect(await network.run(outcomeOf(asker.rpc.request(executor.peerId, forged)))).toBe('SIGNATURE_REFUSED');
  expect(told.executor).toEqual(['INVALID_REQUEST']);
  const dial = () => asker.node.dialProtocol(executor.node.peerId, sessionProtocol);
  const session = new HandSession(await network.run(dial()));
  session.write(openBytes(1));
  session.write(garbage);
  await network.runFor(1_000);
  expect(told.executor).toEqual(['INVALID_REQUEST', 'PROTOCOL_VIOLATION']);
});

test('a reputation that throws fails no request', async ({ createNetwork }) => {
  const reputation = {
    report: () => {
      throw new Error('full');
    },
  };
  const { network, ask } = await createJudging(createNetwork, {
    asker: { reputation },
    executor: { reputation, serve: () => whole('done') },
  });
  expect(await network.run(ask())).toBe('answered');
});

test('both sides know how many requests are under way with the other, and when the last one ended', async ({
  createNetwork,
}) => {
  const { network, asker, executor, ask } = await createJudging(createNetwork, {
    executor: { serve: () => pause(1_000).then(() => whole('done')) },
  });
  expect(asker.rpc.usageOf(executor.peerId)).toBeUndefined();
  const both = Promise.all([ask(), ask()]);
  await network.runFor(900);
  expect([asker.rpc.usageOf(executor.peerId), executor.rpc.usageOf(asker.peerId)]).toEqual([
    { active: 2 },
    { active: 2 },
  ]);
  await network.run(both);
  await network.runFor(1_000);
  const usages = [asker.rpc.usageOf(executor.peerId), executor.rpc.usageOf(asker.peerId)];
  expect(usages).toEqual([
    { active: 0, lastUsedAt: expect.any(Number) },
    { active: 0, lastUsedAt: expect.any(Number) },
  ]);
  expect(usages[0]!.lastUsedAt! - usages[1]!.lastUsedAt!).toBeGreaterThanOrEqual(50);
});
