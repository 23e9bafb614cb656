import { expect, test } from 'vitest';
import { advertise, createNetwork, createNode, failure, next, question, type Node } from './nodes.ts';

/** A node that another one knows, but is not connected to. */
async function createAcquaintance(of: Node): Promise<Node> {
  const node = await createNode();
  for (const address of node.listenedAddresses()) await of.addPeerAddr(node.peerId, address);
  return node;
}

test('a node that stops ends a streamed answer in full, refuses more, is found no more, and dials nobody', async () => {
  const { nodes, validator } = await createNetwork(2);
  const [serving, client] = nodes as [Node, Node];
  const release = Promise.withResolvers<void>();
  serving.serve(async function* () {
    yield 'to be ';
    await release.promise;
    yield 'or not';
    yield { inboundTokens: 4, totalCost: '8' };
  });
  await advertise(serving);
  expect(await client.findModelProviders('demo-small')).toMatchObject([{ peerId: serving.peerId }]);

  // A node with a pool dials whom it knows.
  const [before, during] = [await createAcquaintance(serving), await createNode()];
  const dialled = next(before, 'connection:established');
  serving.setConnectionPool({ minConnections: 50 });
  expect(await dialled).toMatchObject({ peerId: serving.peerId });

  const answer = client.stream(serving.peerId, await question(client.identity, serving.peerId));
  const chunks = answer[Symbol.asyncIterator]();
  let text = (await chunks.next()).value?.text ?? '';
  const withdrawn = next(serving, 'service:withdrawn');
  const closed = Promise.all(
    [client, validator, before].map((node) =>
      next(node, 'connection:closed', ({ peerId }) => peerId === serving.peerId),
    ),
  );
  const established: string[] = [];
  during.addEventListener('connection:established', ({ detail }) => established.push(detail.peerId));
  const stopped = serving.stop({ drainMs: 20_000 });
  await withdrawn;
  for (const address of during.listenedAddresses()) await serving.addPeerAddr(during.peerId, address);
  serving.setConnectionPool({ minConnections: 60 });

  expect(await failure(client.request(serving.peerId, { type: 'ping' }))).toMatchObject({ code: 'BUSY' });
  expect(await client.findModelProviders('demo-small', { maxAgeMs: 0 })).toEqual([]);
  release.resolve();
  for (let chunk = await chunks.next(); chunk.done !== true; chunk = await chunks.next())
    text += chunk.value.text;
  const { content, totalCost } = await answer.result;
  expect([text, content, totalCost]).toEqual(['to be or not', 'to be or not', '8']);
  await stopped;
  await closed;
  expect([client, validator, before].map((node) => node.isConnected(serving.peerId))).toEqual([
    false,
    false,
    false,
  ]);
  // Others may come by: ports are given again.
  expect(established).not.toContain(serving.peerId);
});

test('a handler that hangs keeps a node from stopping for the shortest time that was given, and is told', async () => {
  const { nodes } = await createNetwork(2);
  const [serving, client] = nodes as [Node, Node];
  const [begun, told] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  serving.serve(async (_request, { signal }) => {
    signal.addEventListener('abort', () => told.resolve());
    begun.resolve();
    await new Promise(() => undefined);
  });
  const request = failure(client.request(serving.peerId, await question(client.identity, serving.peerId)));
  await begun.promise;
  for (const given of [Infinity, NaN, 86_400_001, -5, 0.5, '5', 'x', null]) {
    const error = await failure(serving.stop({ drainMs: given as number }));
    expect(error).toMatchObject({ name: 'ConfigError', data: { problems: [{ path: 'stop.drainMs' }] } });
  }
  expect(await failure(serving.stop(null as never))).toMatchObject({ name: 'ConfigError' });
  expect(await client.request(serving.peerId, { type: 'ping' })).toMatchObject({ type: 'pong' });
  const patient = serving.stop({ drainMs: 86_400_000 });
  await serving.stop({ drainMs: 200 });
  await patient;
  await told.promise;
  expect(await request).toMatchObject({ name: 'RpcError', data: { peerId: serving.peerId } });
  await expect.poll(() => client.isConnected(serving.peerId)).toBe(false);
});
