import { expect, test } from 'vitest';
import { Refusal } from '../src/index.ts';
import { TestTracer } from './onlooking.ts';
import { World, type Line } from './sessionServices.ts';
import { outcomeOf } from './simulation.ts';

const secret = 'the answer to somebody';

/** A client and an executor whose logs are read. */
async function create() {
  const world = new World({ isTraced: true });
  const tracer = new TestTracer();
  const [client, executor] = [await world.add('client', { tracer }), await world.add('server', { tracer })];
  const message = await client.identity.sign(
    { model: 'm', prompt: 'a question', idempotencyKey: 'mine' },
    { to: executor.identity.evmAddress },
  );
  const ask = async (): Promise<string> => {
    const call = outcomeOf(client.rpc.request(executor.peerId, { type: 'llmRequest', request: message }));
    await world.settle();
    return call;
  };
  const linesOf = ({ peerId }: { peerId: string }): Line[] => world.lines.filter(({ by }) => by === peerId);
  return { world, client, executor, ask, linesOf };
}

test('the lines of a request at both nodes have its key and its trace, from its beginning to what it failed with', async () => {
  const { world, client, executor, ask, linesOf } = await create();
  executor.rpc.serve(() => {
    throw new Error(secret);
  });
  expect(await ask()).toBe('REMOTE');
  const [{ fields: { traceId } = {} } = {} as Line] = world.lines;
  expect(traceId).toMatch(/^[\da-f]{32}$/);
  const joined = { method: 'llmRequest', key: 'mine', traceId };
  const why = { code: 'REMOTE', reason: 'the handler failed' };
  expect(linesOf(client)).toMatchObject([
    { text: 'a request of this node begins %o', fields: { ...joined, peerId: executor.peerId } },
    { text: 'a request of this node ended %o', fields: { ...joined, outcome: 'REMOTE', ...why } },
  ]);
  expect(linesOf(executor)).toMatchObject([
    { text: 'a request of a peer begins %o', fields: { ...joined, peerId: client.peerId } },
    { text: 'a request could not be answered', fields: { ...joined, peerId: client.peerId } },
    { text: 'a request of a peer ended %o', fields: { ...joined, outcome: 'failed', ...why } },
  ]);
  expect(new Set(linesOf(executor).map(({ fields }) => fields?.['requestId'])).size).toBe(1);
});

test('a request that is refused says why at both nodes, in no words of a handler or a question', async () => {
  const { world, client, executor, ask, linesOf } = await create();
  executor.rpc.serve(() => {
    throw new Refusal('PRICE_EXCEEDED', secret);
  });
  expect(await ask()).toBe('PRICE_EXCEEDED');
  await executor.rpc.drain(0);
  const ends = [...linesOf(executor).slice(-1), ...linesOf(client).slice(-1)].map(({ fields }) => fields);
  expect(ends).toMatchObject([{ outcome: 'refused', code: 'PRICE_EXCEEDED' }, { code: 'PRICE_EXCEEDED' }]);
  world.lines.length = 0;
  expect(await ask()).toBe('BUSY');
  const why = { code: 'BUSY', reason: 'this node stops' };
  expect(linesOf(executor)).toMatchObject([{ text: 'a request of a peer was refused %o', fields: why }]);
  expect(linesOf(client)[1]).toMatchObject({ fields: why });
  expect(JSON.stringify(world.lines)).not.toMatch(/a question|the answer/);
});
