// What each role's preset brings about on nodes over TCP. One node of each role serves the tests.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Identity, isPublic, LloomBehaviour, type NetworkConfig, type NodePorts } from '../src/index.ts';
import { client, executor, relay, validator } from '../src/presets/index.ts';
import { advertise, failure, next, question } from './nodes.ts';

const local = { addressPolicy: 'loopback' } as const;
const nodes: LloomBehaviour[] = [];

async function start(config: NetworkConfig & NodePorts) {
  const identity = Identity.generate();
  const node = await LloomBehaviour.create(identity, config);
  nodes.push(node);
  return Object.assign(node, { identity });
}

let hub: Awaited<ReturnType<typeof start>>;
let bootstrapPeers: string[];

beforeAll(async () => {
  hub = await start(validator(relay(local)));
  bootstrapPeers = hub.listenedAddresses().map((address) => `${address}/p2p/${hub.peerId}`);
});
afterAll(() => Promise.all(nodes.map(async (node) => node.stop({ drainMs: 0 }))));

test('a client asks an executor that can only be reached through the relay, and takes no place there itself', async () => {
  const nat = { enableHolePunching: false, relayClient: { relays: bootstrapPeers } };
  const rpc = { capacity: 1, maxQueuedRequests: 1 };
  const config = { ...local, listenAddresses: [], bootstrapPeers, packages: { nat, rpc } };
  const hidden = await start(executor(config));
  const reserved = next(hidden, 'relay:reserved');
  await hidden.enableRelayClient({ relays: bootstrapPeers });
  await reserved;
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  hidden.serve(async function* () {
    await released;
    yield 'From behind the relay.';
    yield { inboundTokens: 1, totalCost: '1' };
  });
  await hidden.bootstrap();
  await advertise(hidden);

  const asker = await start(
    client({ ...local, bootstrapPeers, packages: { nat: { enableHolePunching: false } } }),
  );
  expect(asker.listenedAddresses()).toEqual([]);
  expect(asker.explainNat()).toMatchObject({ isAutonatEnabled: false, isRelayClient: false, relays: [] });
  await asker.bootstrap();
  const [provider] = await asker.requireModelProviders('demo-small', { maxAgeMs: 0 });
  expect(provider?.peerId).toBe(hidden.peerId);
  const ask = async () => asker.stream(hidden.peerId, await question(asker.identity, hidden.peerId)).result;
  const [running, waiting] = [ask(), ask()];
  // One runs, one waits, and what goes beyond is told so.
  const load = (): object => hidden.requestResponse.load;
  await expect.poll(load, { timeout: 20_000 }).toMatchObject({ freeSlots: 0, queueDepth: 1 });
  expect(await failure(ask())).toMatchObject({ code: 'BUSY' });
  release();
  expect((await Promise.all([running, waiting])).map(({ content }) => content)).toEqual([
    'From behind the relay.',
    'From behind the relay.',
  ]);
  expect(hub.explainNat().isRelayServer).toBe(true);
});

test('a validator keeps wide meshes', () => {
  const { opts } = hub.gossipsub as unknown as { readonly opts: { readonly D: number } };
  expect(opts.D).toBe(64);
});

test('a relay that wants to be public first relays as soon as somebody has found it to be', async () => {
  const autonat = { onlyGlobalIps: false };
  const nat = { autonat, relayServer: { onlyIfPublic: true } };
  const doubting = await start(relay({ ...local, packages: { nat } }));
  const unwilling = await start(relay({ ...local, packages: { nat } }));
  await unwilling.disableRelayServer();
  expect(doubting.explainNat().isRelayServer).toBe(false);
  const found = [doubting, unwilling].map(async (node) =>
    next(node, 'nat:changed', ({ status }) => isPublic(status)),
  );
  await doubting.dialPeer(unwilling.peerId, unwilling.listenedAddresses());
  await Promise.all(found);
  expect([doubting, unwilling].map((node) => node.explainNat().isRelayServer)).toEqual([true, false]);
});
