// One test per row and event of the specification's table, named after the call. Each shows an effect that a second
// node sees. Requests, gossip, NAT and metrics stand in files of their own; the simulator, which is built on this package,
// has its row in its own tests.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { evmAddressOf, Identity, signMessage, verifySignedMessage } from '../src/index.ts';
import { canIsolate, localStory } from './localNetwork.ts';
import { advertise, createNode, failure, next, offer, pair, question } from './nodes.ts';

describe('identity', () => {
  test('Identity, identity.wallet, peer_id: one key is peer id and wallet, also after a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lloom-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const identity = Identity.generate();
    await identity.save(join(folder, 'key.json'));
    const again = await Identity.load(join(folder, 'key.json'));
    const [node, other] = [await createNode({}, again), await createNode()];
    await other.dialPeer(identity.peerId, node.listenedAddresses());
    expect(other.isConnected(identity.peerId)).toBe(true);
    expect(evmAddressOf(identity.peerId)).toBe(again.wallet.address);
  });

  test('llm_request.sign(&wallet), verify_signed_message(&m)', async () => {
    const identity = Identity.generate();
    const message = await signMessage({ model: 'demo-small', prompt: 'Hello' }, identity.wallet, {});
    expect(await verifySignedMessage(message)).toMatchObject({ signer: identity.evmAddress });
    const forged = { ...message, timestampMs: message.timestampMs - 1 };
    expect(await failure(verifySignedMessage(forged))).toMatchObject({ name: 'IdentityError' });
  });
});

describe('node', () => {
  test('LloomBehaviour::new, with_config: both nodes run with their own configuration', async () => {
    const plain = await createNode();
    const configured = await createNode({ requestTimeoutMs: 30_000, maxRequestSizeBytes: 64 });
    await plain.dialPeer(configured.peerId, configured.listenedAddresses());
    configured.serve(() => undefined);
    const message = await question(plain.identity, configured.peerId);
    const error = await failure(plain.request(configured.peerId, message));
    expect(error).toMatchObject({ code: 'TOO_LARGE', data: { by: 'the peer' } });
  });

  test('fields kad, request_response: the services underneath work between nodes', async () => {
    const [one, other] = await pair();
    expect(one.kad.getMode()).toBe('server');
    await expect(one.requestResponse.request(other.peerId, { type: 'ping' })).resolves.toEqual({
      type: 'pong',
    });
  });

  test.skipIf(!canIsolate)('field mdns: announcements of another node', async () => {
    const { announced, peerIds } = await localStory();
    expect(announced).toContain(peerIds[1]);
  });

  test('field gossipsub: the service underneath hears what another node is subscribed to', async () => {
    const [one, other] = await pair();
    await other.subscribeTopic('lloom/custom/1.0.0');
    await expect
      .poll(() => one.gossipsub.getSubscribers('lloom/custom/1.0.0').map(String))
      .toContain(other.peerId);
  });
});

describe('service discovery', () => {
  test('advertise_service(executor), discover_executors', async () => {
    const [executor, client] = await pair();
    await advertise(executor);
    const found = await client.discoverExecutors();
    expect(found).toMatchObject([{ peerId: executor.peerId, info: offer }]);
    expect(client.peerInfo(executor.peerId)).toMatchObject({ services: [offer] });
  });

  test('advertise_service(validator), discover_validators', async () => {
    const [client, , validator] = await pair();
    await advertise(validator, { kind: 'validator', stake: '1000000000000000000' });
    const found = await client.discoverValidators();
    expect(found).toMatchObject([{ peerId: validator.peerId, info: { stake: '1000000000000000000' } }]);
  });

  test('update_service_info, find_model_providers', async () => {
    const [executor, client] = await pair();
    await advertise(executor);
    const updated = next(executor, 'service:advertised');
    await executor.updateServiceInfo({ ...offer, models: ['demo-large'], capacity: 1 });
    await updated;
    expect(await client.findModelProviders('demo-large')).toMatchObject([
      { peerId: executor.peerId, info: { capacity: 1 } },
    ]);
    expect(await client.findModelProviders('demo-small')).toEqual([]);
  });

  test('withdraw_service: who asks learns at once that there is no offer any more', async () => {
    const [executor, client] = await pair();
    await advertise(executor);
    await executor.withdrawService('executor');
    expect(await client.findModelProviders('demo-small')).toEqual([]);
  });

  test('refresh_services', async () => {
    const [executor, client] = await pair();
    expect(await client.findModelProviders('demo-small')).toEqual([]);
    await advertise(executor);
    const discovered = next(client, 'service:discovered', ({ providers }) => providers.length > 0);
    await client.refreshServices();
    expect((await discovered).providers).toMatchObject([{ peerId: executor.peerId }]);
  });

  test('update_executor_info: whoever is said to serve a model is asked, and decides', async () => {
    const [executor, client] = await pair();
    await advertise(executor);
    client.updateExecutorInfo(executor.peerId, ['demo-rumour']);
    // Known by its own word already: what others say of it counts nothing.
    await expect(client.requireModelProviders('demo-rumour')).rejects.toMatchObject({ code: 'NO_PROVIDERS' });
    const other = await createNode();
    for (const address of other.listenedAddresses()) await client.addPeerAddr(other.peerId, address);
    client.updateExecutorInfo(other.peerId, ['demo-rumour']);
    await expect(client.requireModelProviders('demo-rumour')).rejects.toMatchObject({
      code: 'NO_PROVIDERS',
      data: { rejected: [{ peerId: other.peerId, reason: 'NOT_OFFERED' }] },
    });
    await other.advertiseService({ ...offer, models: ['demo-rumour'] });
    // It is in no DHT: it has no peer but this client.
    client.updateExecutorInfo(other.peerId, ['demo-rumour']);
    expect(await client.findModelProviders('demo-rumour')).toMatchObject([{ peerId: other.peerId }]);
  });

  test('select_executor and query_registry, beyond the specification', async () => {
    const [executor, client, validator] = await pair();
    await advertise(validator, { kind: 'validator', stake: '1' });
    await advertise(executor);
    const chosen = await client.selectExecutor({ model: 'demo-small', prefer: 'price' });
    expect([chosen.peerId, chosen.explain().candidates.length]).toEqual([executor.peerId, 1]);
    const query = { type: 'executorInfo', peerId: executor.peerId } as const;
    await client.queryRegistry(validator.peerId, query);
    const answer = await client.queryRegistry(validator.peerId, { type: 'listAllModels' });
    expect(answer).toMatchObject({ type: 'modelList', totalCount: 1 });
  });
});

describe('peers', () => {
  test('add_bootstrap_peer, bootstrap, kad_bootstrap', async () => {
    const validator = await createNode();
    const node = await createNode();
    for (const address of validator.listenedAddresses())
      node.addBootstrapPeer(`${address}/p2p/${validator.peerId}`);
    await node.bootstrap();
    await node.kadBootstrap();
    expect(validator.isConnected(node.peerId)).toBe(true);
  });

  test('peer_info, connected_peers, is_connected', async () => {
    const [one, other] = [await createNode(), await createNode()];
    expect(one.peerInfo(other.peerId)).toBeUndefined();
    await one.dialPeer(other.peerId, other.listenedAddresses());
    await one.request(other.peerId, { type: 'ping' });
    expect(one.connectedPeers()).toEqual([other.peerId]);
    expect(one.isConnected(other.peerId)).toBe(true);
    expect(one.peerInfo(other.peerId)).toMatchObject({ peerId: other.peerId });
  });

  test('dial_peer, disconnect_peer', async () => {
    const [one, other] = [await createNode(), await createNode()];
    const established = next(other, 'connection:established');
    await one.dialPeer(other.peerId, other.listenedAddresses());
    expect((await established).endpoint.direction).toBe('inbound');
    const closed = next(other, 'connection:closed');
    await one.disconnectPeer(other.peerId);
    await closed;
    expect(other.isConnected(one.peerId)).toBe(false);
  });

  test('set_connection_limits', async () => {
    const [busy, first, second] = [await createNode(), await createNode(), await createNode()];
    busy.setConnectionLimits({ maxConnections: 1 });
    expect(busy.connectionLimits).toMatchObject({ maxConnections: 1, maxInboundConnections: 1 });
    await first.dialPeer(busy.peerId, busy.listenedAddresses());
    await first.request(busy.peerId, { type: 'ping' });
    const refused = failure(
      second
        .dialPeer(busy.peerId, busy.listenedAddresses())
        .then(() => second.request(busy.peerId, { type: 'ping' })),
    );
    expect(await refused).toBeInstanceOf(Error);
    expect(busy.connectedPeers()).toHaveLength(1);
  });

  test('add_peer_addr, listened_addresses', async () => {
    const [one, other] = [await createNode(), await createNode()];
    for (const address of other.listenedAddresses()) await one.addPeerAddr(other.peerId, address);
    await expect(one.request(other.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
    await other.removePeerAddr(one.peerId);
    await one.removePeerAddr(other.peerId, other.listenedAddresses()[0]);
  });

  test('ban_peer, unban_peer', async () => {
    const [one, other] = [await createNode(), await createNode()];
    await one.dialPeer(other.peerId, other.listenedAddresses());
    const closed = next(other, 'connection:closed');
    await one.banPeer(other.peerId, 3_600_000, 'a test');
    expect(await closed).toMatchObject({ peerId: one.peerId });
    expect(one.bannedPeers()).toMatchObject([{ peerId: other.peerId, reason: 'a test', by: 'user' }]);
    expect(await failure(one.dialPeer(other.peerId, other.listenedAddresses()))).toMatchObject({
      code: 'BANNED',
      data: { reason: 'a test' },
    });
    const refused = other
      .dialPeer(one.peerId, one.listenedAddresses())
      .then(() => other.request(one.peerId, { type: 'ping' }));
    expect(await failure(refused)).toBeInstanceOf(Error);
    await one.unbanPeer(other.peerId);
    await one.dialPeer(other.peerId, other.listenedAddresses());
    await expect(other.request(one.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
  });

  test('set_connection_pool: a pool dials whom it knows, and closes what nobody uses', async () => {
    const [one, other] = [await createNode(), await createNode()];
    for (const address of other.listenedAddresses()) await one.addPeerAddr(other.peerId, address);
    const established = next(other, 'connection:established');
    one.setConnectionPool({ minConnections: 1 });
    expect(await established).toMatchObject({ peerId: one.peerId, endpoint: { direction: 'inbound' } });
    expect(one.connectionPool).toMatchObject({ minConnections: 1, maxConnections: 100 });
    const closed = next(one, 'connection:closed');
    one.setConnectionPool({ minConnections: 0, idleTimeoutMs: 1 });
    expect(await closed).toMatchObject({ peerId: other.peerId, cause: { code: 'IDLE' } });
    await expect.poll(() => other.isConnected(one.peerId)).toBe(false);
    one.setConnectionPool(undefined);
    expect(one.connectionPool).toBeUndefined();
  });

  test('set_connection_pool: a pool keeps executors that discovery has found, and says why', async () => {
    const [executor, client] = await pair();
    await advertise(executor);
    client.setConnectionPool({ minConnections: 0, roles: { executor: 1 } });
    await expect
      .poll(() => client.explainPeer(executor.peerId).protectedBy, { timeout: 10_000 })
      .toContain('role');
    expect(client.peerInfo(executor.peerId)).toMatchObject({ roles: ['executor'] });
    expect(executor.isConnected(client.peerId)).toBe(true);
  });

  test('maintain_connection, release_connection', async () => {
    const [one, other] = [
      await createNode({ packages: { peers: { redialMinDelayMs: 20 } } }),
      await createNode({ packages: { peers: { disconnectCooldownMs: 0 } } }),
    ];
    for (const address of other.listenedAddresses()) await one.addPeerAddr(other.peerId, address);
    const first = next(other, 'connection:established');
    await one.maintainConnection(other.peerId);
    await first;
    expect(one.maintainedPeers()).toEqual([other.peerId]);
    expect(one.explainPeer(other.peerId).protectedBy).toContain('maintained');
    // Whatever the other side does, the connection comes back.
    const again = next(other, 'connection:established');
    await other.disconnectPeer(one.peerId);
    expect(await again).toMatchObject({ peerId: one.peerId });
    await one.releaseConnection(other.peerId);
    expect(one.maintainedPeers()).toEqual([]);
    await expect.poll(() => one.isConnected(other.peerId)).toBe(true);
  });

  test('reputations, beyond the specification: what a peer does is held against it, and forgiven', async () => {
    const [one, other] = [await createNode(), await createNode()];
    await one.dialPeer(other.peerId, other.listenedAddresses());
    const closed = next(other, 'connection:closed');
    for (let times = 0; times < 3; times++) one.reportPeer(other.peerId, 'PROTOCOL_VIOLATION');
    await closed;
    expect(one.reputationOf(other.peerId)).toBe(-100);
    expect(one.explainPeer(other.peerId)).toMatchObject({ ban: { by: 'reputation' } });
    await one.unbanPeer(other.peerId);
    expect(one.reputationOf(other.peerId)).toBe(0);
  });
});

describe('events', () => {
  test('RequestReceived, ResponseReceived', async () => {
    const [one, other] = await pair();
    const events = Promise.all([next(other, 'request:received'), next(one, 'response:received')]);
    await one.request(other.peerId, { type: 'ping' });
    const [received, answered] = await events;
    expect(received).toMatchObject({ peerId: one.peerId, request: { type: 'ping' } });
    expect(answered).toMatchObject({ peerId: other.peerId, response: { type: 'pong' } });
  });

  test('RequestFailed', async () => {
    const [one, other] = await pair();
    const failed = next(one, 'request:failed');
    const requestId = one.sendRequest(other.peerId, await question(one.identity, other.peerId));
    expect(await failed).toMatchObject({ requestId, peerId: other.peerId, error: { code: 'NO_HANDLER' } });
  });

  test('ConnectionEstablished, ConnectionClosed', async () => {
    const [one, other] = [await createNode(), await createNode()];
    const established = next(other, 'connection:established');
    await one.dialPeer(other.peerId, other.listenedAddresses());
    expect(await established).toMatchObject({
      peerId: one.peerId,
      endpoint: { direction: 'inbound', transport: 'tcp', relayed: false },
    });
    const endpoint = { direction: 'outbound', transport: 'tcp', relayed: false };
    const [closedHere, closed] = [one, other].map((node) => next(node, 'connection:closed'));
    await one.disconnectPeer(other.peerId);
    expect(await closedHere).toMatchObject({
      peerId: other.peerId,
      endpoint,
      cause: { code: 'DISCONNECTED' },
    });
    // Why is never transmitted.
    expect(await closed).toMatchObject({ peerId: one.peerId, endpoint: { direction: 'inbound' } });
  });

  test('RoutingUpdated', async () => {
    const validator = await createNode();
    const updated = next(validator, 'routing:updated');
    const node = await createNode({
      bootstrapPeers: validator.listenedAddresses().map((a) => `${a}/p2p/${validator.peerId}`),
    });
    expect((await updated).peerId).toBe(node.peerId);
  });

  test('ServiceDiscovered', async () => {
    const [executor, client] = await pair();
    await advertise(executor);
    const discovered = next(client, 'service:discovered');
    await client.findModelProviders('demo-small');
    expect(await discovered).toMatchObject({
      service: { kind: 'executor', model: 'demo-small' },
      providers: [{ peerId: executor.peerId }],
    });
  });

  test.skipIf(!canIsolate)('PeerDiscovered, PeerExpired', async () => {
    const { expired, found, peerIds } = await localStory();
    expect([found[0], expired]).toEqual([peerIds[1], peerIds[1]]);
  });
});
