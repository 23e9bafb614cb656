// What `exportState()` tells of nodes that are fresh, busy and stopped, and what it never tells. One relay, an executor behind it
// and a client serve all tests.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Identity, LloomBehaviour, type NetworkConfig, type NodeState } from '../src/index.ts';
import { next, question } from './nodes.ts';
import { expectValid } from './stateSchema.ts';

const privateKey = 'f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff01';
const secrets = {
  prompt: 'sentinel of the prompt',
  answer: 'sentinel of the answer',
  message: 'sentinel of the message',
  metadata: 'sentinel of the metadata',
  reason: 'sentinel of the reason',
  environment: 'sentinel of the environment',
  token: 'sentinel-of-the-token',
  folder: 'sentinel-of-the-folder',
};

/** What must be in no state: each secret as it is, and as somebody may have written it by accident. */
function forbidden(): string[] {
  const forms = (bytes: Buffer): string[] => [
    ...(['hex', 'base64', 'base64url', 'latin1'] as const).map((encoding) => bytes.toString(encoding)),
    BigInt(`0x${bytes.toString('hex')}`).toString(),
    [...bytes].join(','),
  ];
  const texts = Object.values(secrets).map((secret) => Buffer.from(secret));
  return [Buffer.from(privateKey, 'hex'), ...texts].flatMap((bytes) => forms(bytes));
}

const folder = mkdtemp(join(tmpdir(), `${secrets.folder}-`));
const states = new Map<string, NodeState>();
const nodes: LloomBehaviour[] = [];

async function start(config: NetworkConfig, identity = Identity.generate()): Promise<LloomBehaviour> {
  const node = await LloomBehaviour.create(identity, { addressPolicy: 'loopback', ...config });
  nodes.push(node);
  return node;
}

const addressesOf = (node: LloomBehaviour): string[] =>
  node.listenedAddresses().map((address) => `${address}/p2p/${node.peerId}`);

beforeAll(async () => {
  vi.stubEnv('LLOOM_SENTINEL', secrets.environment);
  const nat = { enableHolePunching: false };
  const relay = await start({});
  states.set('fresh', relay.exportState());
  await relay.enableRelayServer();
  const executor = await start({ listenAddresses: [], packages: { nat } });
  const reserved = next(executor, 'relay:reserved');
  await executor.enableRelayClient({ relays: addressesOf(relay) });
  await reserved;
  const release = Promise.withResolvers<void>();
  executor.serve(async function* () {
    yield secrets.answer;
    await release.promise;
    yield { inboundTokens: 1, totalCost: '1' };
  });
  await executor.advertiseService({ kind: 'executor', models: ['demo-small'], capacity: 4 });

  const identity = Identity.fromPrivateKey(`0x${privateKey}`);
  const client = await start(
    { listenAddresses: [], datastorePath: await folder, packages: { nat } },
    identity,
  );
  await client.dialPeerThroughRelay(executor.peerId, addressesOf(relay)[0]!);
  await client.serveMetrics({ token: secrets.token });
  await client.banPeer(Identity.generate().peerId, 60_000, secrets.reason);
  for (const node of [client, executor]) await node.subscribeTopic('sentinels/1.0.0');
  const topic = client.publishMessage('sentinels/1.0.0', Buffer.from(secrets.message), { timeoutMs: 60_000 });
  topic.catch(() => undefined);
  const request = await question(identity, executor.peerId, { prompt: secrets.prompt });
  const answer = client.stream(executor.peerId, request, { metadata: { note: secrets.metadata } });
  const chunks = answer[Symbol.asyncIterator]();
  await chunks.next();
  states.set('asking', client.exportState());
  states.set('serving', executor.exportState());
  states.set('relaying', relay.exportState());
  release.resolve();
  while ((await chunks.next()).done !== true);
  await client.stop({ drainMs: 0 });
  states.set('stopped', client.exportState());
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await Promise.all(nodes.map((node) => node.stop({ drainMs: 0 })));
  await rm(await folder, { recursive: true });
});

const stateOf = (name: string): NodeState => {
  const state = states.get(name);
  if (state === undefined) throw new Error(`There is no ${name} node`);
  return state;
};

const all = ['fresh', 'asking', 'serving', 'relaying', 'stopped'];

test.each(all)('the state of a node that is %s fits the schema', (name) => {
  expectValid(stateOf(name));
});

test.each(all)('the state of a node that is %s holds no key, content, token, path or reason', (name) => {
  const text = JSON.stringify(stateOf(name)).toLowerCase();
  expect(forbidden().filter((secret) => text.includes(secret.toLowerCase()))).toEqual([]);
});

test('a node without a tracer can be told of traces as well, so that nobody counts a refusal', () => {
  expect(stateOf('fresh').protocols).toContain('/lloom/relay-trace/1.0.0');
});

test('who asks, serves and relays is told', () => {
  const [asking, serving, relaying] = [stateOf('asking'), stateOf('serving'), stateOf('relaying')];
  const [client, executor, relay] = [asking, serving, relaying].map(({ node }) => node.peerId);
  expect(asking).toMatchObject({
    config: { datastore: 'folder', packageFields: ['nat.enableHolePunching'] },
    rpc: { pending: [{ peerId: executor, method: 'llmRequest', attempt: 1 }] },
    bans: [{ by: 'user' }],
  });
  expect(asking.metrics.network.activeRequests).toBe(1);
  const ways = asking.connections.map(({ peerId, relayed }) => ({ peerId, relayed }));
  expect(ways).toContainEqual({ peerId: executor, relayed: true });
  expect(serving).toMatchObject({
    rpc: { activeInbound: 1 },
    nat: { isRelayClient: true, relays: [{ relay, state: 'reserved' }] },
    discovery: { advertisements: [{ service: { models: ['demo-small'] } }] },
  });
  expect(relaying.nat.isRelayServer).toBe(true);
  expect(new Set(relaying.connections.map(({ peerId }) => peerId))).toEqual(new Set([client, executor]));
});

test('a node that is stopped says so, and what it counted', () => {
  const stopped = stateOf('stopped');
  expect(stopped.node.state).toBe('stopped');
  expect(stopped.connections).toEqual([]);
  expect(stopped.rpc.pending).toEqual([]);
  expect(stopped.metrics.network.messagesSent).toBeGreaterThan(0);
});
