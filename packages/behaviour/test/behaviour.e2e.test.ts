import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from '@lloom/inspector/vitest';
import { systemClock } from '@lloom/core';
import { expect, onTestFinished } from 'vitest';
import {
  Identity,
  LloomBehaviour,
  verifySignedMessage,
  type LloomEvent,
  type LogRecord,
} from '../src/index.ts';
import { nodeMachine } from '../src/machines/index.ts';
import { createNetwork, createNode, failure, question, wholeAnswer } from './nodes.ts';

const executor = (models: string[]) =>
  ({ kind: 'executor', models, capacity: 2, pricing: { inboundPrice: '1', outboundPrice: '2' } }) as const;

/** Resolves with the first event of a type. */
function once<T extends LloomEvent['type']>(
  node: LloomBehaviour,
  type: T,
): Promise<Extract<LloomEvent, { type: T }>> {
  return new Promise((resolve) => {
    node.addEventListener(
      type,
      ({ detail }) => resolve({ type, ...detail } as unknown as Extract<LloomEvent, { type: T }>),
      { once: true },
    );
  });
}

/**
 * Resolves with the peers that are left when a node has no connection to `peerId` any more. Two nodes that look for
 * each other at once have two connections for a while, and lose one after the other.
 */
async function untilDisconnected(node: LloomBehaviour, peerId: string): Promise<string[]> {
  for await (const { type } of node.events()) {
    if (type === 'connection:closed' && !node.isConnected(peerId)) break;
  }
  return node.connectedPeers();
}

test('a client that knows one address finds an executor, asks it, and proves its answer', async () => {
  const { nodes } = await createNetwork(3);
  const [serving, other, client] = nodes as [(typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0]];
  serving.serve(async function* () {
    yield 'to be ';
    yield 'or not';
    yield { inboundTokens: 4, totalCost: '8' };
  });
  const published = Promise.all([once(serving, 'service:advertised'), once(other, 'service:advertised')]);
  await serving.advertiseService(executor(['demo-small']));
  await other.advertiseService(executor(['demo-large']));
  await published;

  const [provider, ...more] = await client.findModelProviders('demo-small');
  expect(provider).toMatchObject({ peerId: serving.peerId, info: executor(['demo-small']) });
  expect(more).toEqual([]);

  const answer = client.stream(serving.peerId, await question(client.identity, serving.peerId));
  let text = '';
  for await (const chunk of answer) text += chunk.text;
  const whole = await answer.result;
  expect([text, whole.totalCost]).toEqual(['to be or not', '8']);
  await expect(verifySignedMessage(whole.parts)).resolves.toMatchObject({
    signers: [serving.identity.evmAddress],
  });
});

test('a model that nobody serves ends in NO_PROVIDERS', async () => {
  const { nodes } = await createNetwork(1);
  const error = await failure(nodes[0]!.requireModelProviders('no-such-model', { timeoutMs: 5_000 }));
  expect(error).toMatchObject({ name: 'DiscoveryError', code: 'NO_PROVIDERS' });
});

test('an executor that stops withdraws its offer, ends what it works on, and refuses more', async () => {
  const { nodes } = await createNetwork(2);
  const [serving, client] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
  const release = Promise.withResolvers<void>();
  const handling = Promise.withResolvers<void>();
  serving.serve(async function* () {
    handling.resolve();
    await release.promise;
    yield 'finished';
  });
  const published = once(serving, 'service:advertised');
  await serving.advertiseService(executor(['demo-small']));
  await published;
  const answer = client.stream(serving.peerId, await question(client.identity, serving.peerId)).result;
  await handling.promise;
  const withdrawn = once(serving, 'service:withdrawn');
  const disconnected = untilDisconnected(client, serving.peerId);
  const stopped = serving.stop({ drainMs: 10_000 });
  await withdrawn;
  expect(await failure(client.request(serving.peerId, { type: 'ping' }))).toMatchObject({ code: 'BUSY' });
  release.resolve();
  expect((await answer).content).toBe('finished');
  await stopped;
  expect(await disconnected).not.toContain(serving.peerId);
});

test('an executor runs at most a few MiB ahead of a reader that pauses', async () => {
  const { nodes } = await createNetwork(2);
  const [serving, client] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
  const piece = 'x'.repeat(16 * 1024);
  let produced = 0;
  serving.serve(async function* () {
    for (; produced < 600; produced++) yield piece;
  });
  const answer = client.stream(serving.peerId, await question(client.identity, serving.peerId));
  let [read, mostAhead] = [0, 0];
  for await (const _chunk of answer) {
    mostAhead = Math.max(mostAhead, produced - ++read);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(read).toBe(600);
  expect(mostAhead * piece.length).toBeLessThan(6 * 1024 * 1024);
});

test('every call of the node that stops ends, and stopping twice is stopping once', async () => {
  const node = await createNode();
  await Promise.all([node.stop(), node.stop()]);
  await node.stop();
  expect(() => node.sendRequest(Identity.generate().peerId, { type: 'ping' })).toThrow(
    expect.objectContaining({ code: 'STOPPED' }),
  );
});

test('a port that is taken is told as LISTEN_FAILED, and nothing is left running', async () => {
  const first = await createNode();
  const [address] = first.listenedAddresses();
  const error = await failure(createNode({ listenAddresses: [address!] }));
  expect(error).toMatchObject({
    name: 'BehaviourError',
    code: 'LISTEN_FAILED',
    data: { addresses: [address], reason: 'the port is in use' },
  });
});

test('a configuration is refused with every problem at once', async () => {
  const config = { maxConnections: 0, kadProtocol: 'kad', addressPolicy: 'anything', requestTimeout: 5 };
  const error = await failure(LloomBehaviour.create(Identity.generate(), config as object));
  expect((error as Error).message).toMatch(/maxConnections.*kadProtocol.*addressPolicy.*requestTimeout/);
});

test('under the policy loopback nothing listens beyond the own machine', async () => {
  const error = await failure(createNode({ listenAddresses: ['/ip4/0.0.0.0/tcp/0'] }));
  expect(error).toMatchObject({
    name: 'ConfigError',
    message: expect.stringContaining('network.listenAddresses'),
  });
});

test('the specification’s own bootstrap address is refused with the address that was meant', async () => {
  const node = await createNode();
  const address =
    '/ip4/bootstrap1.lloom.network/tcp/4001/p2p/12D3KooWH3uVF6wv47WnArKHk5ZDVmGb6CVbEDqVyemfPnCaQnQM';
  expect(() => node.addBootstrapPeer(address)).toThrow(
    expect.objectContaining({
      code: 'INVALID_MULTIADDR',
      data: expect.objectContaining({ suggestion: address.replace('ip4', 'dns4') }),
    }),
  );
});

test('a datastore keeps used nonces over a restart, and serves one node at a time', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lloom-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const identity = Identity.generate();
  const config = { datastorePath: join(folder, 'store') };
  const before = await createNode(config, identity);
  before.serve((_request, { channel }) => channel.fail('heard'));
  expect(await failure(createNode(config))).toMatchObject({ code: 'DATASTORE_FAILED' });

  const client = await createNode();
  await client.dialPeer(before.peerId, before.listenedAddresses());
  const message = await question(client.identity, before.peerId);
  expect(await failure(client.request(before.peerId, message))).toMatchObject({ code: 'REMOTE' });
  await before.stop();

  const after = await createNode(config, identity);
  after.serve((_request, { channel }) => channel.fail('heard again'));
  await client.dialPeer(after.peerId, after.listenedAddresses());
  expect(await failure(client.request(after.peerId, message))).toMatchObject({
    code: 'SIGNATURE_REFUSED',
    data: { reason: 'REPLAYED' },
  });
});

test('an answer from before a restart is given again, and not made again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lloom-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const identity = Identity.generate();
  const config = { datastorePath: join(folder, 'store') };
  const client = await createNode();
  const contents: string[] = [];
  for (const content of ['first', 'second']) {
    const node = await createNode(config, identity);
    node.serve(() => wholeAnswer(content));
    await client.dialPeer(node.peerId, node.listenedAddresses());
    const message = await question(client.identity, node.peerId, { idempotencyKey: 'one and the same' });
    contents.push((await client.request(node.peerId, message)).response.payload.content);
    await node.stop();
  }
  expect(contents).toEqual(['first', 'first']);
});

test('events of every package come out of one place, as listeners and as an iterable', async () => {
  const [one, other] = await Promise.all([createNode(), createNode()]);
  const events = one.events();
  await one.dialPeer(other.peerId, other.listenedAddresses());
  await one.request(other.peerId, { type: 'ping' });
  const types = new Set<string>();
  for await (const event of events) {
    types.add(event.type);
    if (event.type === 'response:received') break;
  }
  expect([...types]).toEqual(expect.arrayContaining(['connection:established', 'response:received']));
});

test('no more is logged in a second than a node is told', async () => {
  const levels: string[] = [];
  // A second that does not end.
  const clock = { ...systemClock, elapsed: () => 0 };
  const log = ({ level }: LogRecord): void => void levels.push(level);
  const node = await createNode({
    logLevel: 'trace',
    maxLogRecordsPerSecond: 3,
    listenAddresses: [],
    log,
    clock,
  });
  node.libp2p.logger.forComponent('lloom:test').error('it is told, whatever else is');
  expect(levels.filter((level) => level === 'debug' || level === 'trace')).toHaveLength(3);
  expect(levels).toContain('error');
});

test('the machines of every package can be inspected through one port', async ({ machines }) => {
  const seen = new Set<string>();
  const inspect = (event: { type: string }): void => {
    machines.inspect(event as never);
    const { actorRef } = event as { actorRef?: { id: string } };
    if (actorRef !== undefined) seen.add(actorRef.id.split(/[ :-]/)[0]!);
  };
  const node = await createNode({ inspect });
  await node.stop();
  expect(machines.coverage(nodeMachine).missed).toHaveLength(5);
  expect(seen.has('node')).toBe(true);
});
