import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import { sha256 } from 'multiformats/hashes/sha2';
import type { PeerId } from '@libp2p/interface';
import type { ServiceType } from '@lloom/codec';
import { AddressError } from '@lloom/core';
import { Identity } from '@lloom/identity';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Discovery } from '../src/index.ts';
import { keysOf } from '../src/internal/services.ts';
import { settled } from './machines.ts';
import { addressOf, createNode, createNodeWithoutDht, next, type NodeConfig } from './nodes.ts';

const pricing = { inboundPrice: '500000000000000', outboundPrice: '1000000000000000' };
const offer: ServiceType = { kind: 'executor', models: ['demo-small', 'demo-large'], capacity: 4, pricing };
const validator: ServiceType = { kind: 'validator', stake: '1000000000000000000' };

type Node = Awaited<ReturnType<typeof createNode>>;

const running: { stop(): unknown }[] = [];
const keep = <T extends { stop(): unknown }>(node: T): T => {
  running.push(node);
  return node;
};
const create = async (config?: NodeConfig): Promise<Node> => keep(await createNode(config));

afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()));
});

const discoveryOf = (node: Node): Discovery => node.services.discovery;

/** A node that has joined through the hub. */
async function join(hub: Node, config: NodeConfig = {}): Promise<Node> {
  const node = await create({ start: false, bootstrapPeers: [addressOf(hub)], ...config });
  const joined = next(discoveryOf(node), 'bootstrap:joined');
  await node.start();
  expect(await joined).toMatchObject({ peerIds: [hub.peerId.toString()] });
  return node;
}

/** A node whose offer the hub has heard of. */
async function joinWith(hub: Node, service: ServiceType, config: NodeConfig = {}): Promise<Node> {
  const node = await join(hub, config);
  const advertised = next(discoveryOf(node), 'service:advertised');
  await discoveryOf(node).advertiseService(service);
  expect(await advertised).toMatchObject({ service });
  await heard(hub, node.peerId, keysOf(service, node.peerId.toString()));
  return node;
}

const cidOf = async (key: string): Promise<CID> =>
  CID.createV1(raw.code, await sha256.digest(new TextEncoder().encode(key)));

/** Resolves when a node has heard that a peer provides these keys: nobody confirms that, so it may take a moment. */
async function heard(node: Node, peerId: PeerId, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const cid = await cidOf(key);
    for (let isKnown = false; !isKnown;) {
      await settled();
      for await (const { id } of node.contentRouting.findProviders(cid)) isKnown ||= id.equals(peerId);
    }
  }
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable('it should have been rejected'),
    (error: unknown) => error,
  );
}

const idOf = (node: { readonly peerId: PeerId }): string => node.peerId.toString();
const peerIdsOf = (found: readonly { readonly peerId: string }[]): string[] =>
  found.map(({ peerId }) => peerId).toSorted();

describe('a star of five nodes', () => {
  let hub: Node;
  let first: Node;
  let second: Node;
  let client: Node;

  beforeEach(async () => {
    hub = await create();
    first = await joinWith(hub, offer);
    [second, client] = await Promise.all([
      joinWith(hub, { kind: 'executor', models: ['demo-small'], capacity: 1 }),
      join(hub),
      joinWith(hub, validator),
    ]);
  });

  it('finds providers by model, with their prices and addresses', async () => {
    const found = await discoveryOf(client).findModelProviders('demo-small');
    expect(peerIdsOf(found)).toEqual([idOf(first), idOf(second)].toSorted());
    expect(found.find(({ peerId }) => peerId === idOf(first))).toEqual({
      peerId: idOf(first),
      addresses: first.getMultiaddrs().map((address) => address.toString()),
      info: offer,
      heardAt: expect.any(Number) as number,
      agentVersion: expect.stringContaining('js-libp2p') as string,
    });
    expect(peerIdsOf(await discoveryOf(client).requireModelProviders('demo-large'))).toEqual([idOf(first)]);
    expect(await discoveryOf(client).findModelProviders('nobody-has-it')).toEqual([]);
    expect(await errorOf(discoveryOf(client).requireModelProviders('nobody-has-it'))).toMatchObject({
      code: 'NO_PROVIDERS',
    });
    // A provider finds the others, never itself.
    expect(peerIdsOf(await discoveryOf(first).findModelProviders('demo-small'))).toEqual([idOf(second)]);
  });

  it('finds executors and validators, also as they are confirmed, and again', async () => {
    expect(await discoveryOf(client).discoverExecutors()).toHaveLength(2);
    expect(await discoveryOf(client).discoverExecutors({ limit: 1 })).toHaveLength(1);
    const found: string[] = [];
    for await (const { peerId } of discoveryOf(client).executors()) found.push(peerId);
    expect(found).toHaveLength(2);
    expect((await discoveryOf(client).discoverValidators()).map(({ info }) => info)).toEqual([validator]);
    const discovered: object[] = [];
    discoveryOf(client).addEventListener('service:discovered', ({ detail }) => discovered.push(detail));
    await discoveryOf(client).refreshServices();
    expect(discovered).toHaveLength(2);
    expect(discovered).toContainEqual({
      service: { kind: 'validator' },
      providers: [expect.objectContaining({ info: validator })],
    });
  });

  it('tells an updated offer, and a withdrawn one at once', async () => {
    const smaller: ServiceType = { kind: 'executor', models: ['demo-small'], capacity: 2 };
    const advertised = next(discoveryOf(first), 'service:advertised');
    await discoveryOf(first).updateServiceInfo(smaller);
    await advertised;
    const described = await discoveryOf(client).describeService(first.peerId);
    expect(described?.services).toEqual([smaller]);
    // The hub still names it for the model that it gave up; whoever asks it learns better.
    expect(await errorOf(discoveryOf(client).requireModelProviders('demo-large'))).toMatchObject({
      data: { asked: 1, rejected: [{ peerId: idOf(first), reason: 'NOT_OFFERED' }] },
    });
    const withdrawal = discoveryOf(first).withdrawService('executor');
    const empty = await discoveryOf(client).describeService(first.peerId);
    expect(empty?.services).toEqual([]);
    expect(empty?.sequence).toBeGreaterThan(described?.sequence ?? Number.NaN);
    await withdrawal;
    expect(peerIdsOf(await discoveryOf(client).findModelProviders('demo-small'))).toEqual([idOf(second)]);
  });

  it('loses nobody else when a provider is gone', async () => {
    await first.stop();
    expect(peerIdsOf(await discoveryOf(client).findModelProviders('demo-small'))).toEqual([idOf(second)]);
  });

  it('finds an executor in place of another one, and can dial it by its id alone', async () => {
    const query = { peerId: idOf(first), model: 'demo-small' };
    // Whether it has told the client already is a matter of whom the client has met.
    await first.stop();
    expect(await discoveryOf(client).findAlternative(query)).toBe(idOf(second));
    expect(discoveryOf(client).alternativeTo(query)).toBe(idOf(second));
    await client.hangUp(second.peerId);
    expect((await client.dial(second.peerId)).remotePeer.equals(second.peerId)).toBe(true);
    expect(discoveryOf(client).alternativeTo({ ...query, exclude: [idOf(second)] })).toBeUndefined();
  });

  it('tells the peers of the DHT as it meets them', async () => {
    const newcomer = await create({ start: false, bootstrapPeers: [addressOf(hub)] });
    const met = new Set<string>();
    const events = discoveryOf(newcomer).events();
    await newcomer.start();
    for await (const event of events) {
      if (event.type === 'routing:updated') met.add(event.peerId);
      if (met.has(idOf(hub)) && met.size > 2) break;
    }
    expect(met.has(idOf(newcomer))).toBe(false);
  });
});

describe('joining', () => {
  it('explains addresses that cannot be', async () => {
    const address =
      '/ip4/bootstrap1.lloom.network/tcp/4001/p2p/12D3KooWH3uVF6wv47WnArKHk5ZDVmGb6CVbEDqVyemfPnCaQnQM';
    const node = await create();
    expect(() => discoveryOf(node).addBootstrapPeer(address)).toThrow('/dns4/bootstrap1.lloom.network');
    expect(await errorOf(create({ bootstrapPeers: [address] }))).toSatisfy((error) => AddressError.is(error));
  });
});

describe('a node without a DHT', () => {
  it('says so, and still describes itself to whoever asks', async () => {
    const bare = keep(await createNodeWithoutDht());
    const node = await create();
    await bare.services.discovery.advertiseService(validator);
    expect(await errorOf(bare.services.discovery.discoverExecutors())).toMatchObject({ code: 'NO_DHT' });
    expect(await errorOf(bare.services.discovery.kadBootstrap())).toMatchObject({ code: 'NO_DHT' });
    const connected = new Promise((resolve) => {
      node.addEventListener('peer:connect', resolve, { once: true });
    });
    bare.services.discovery.addBootstrapPeer(addressOf(node));
    await bare.services.discovery.bootstrap();
    await connected;
    expect((await discoveryOf(node).describeService(bare.peerId))?.services).toEqual([validator]);
    expect(await bare.services.discovery.describeService(node.peerId)).toBeUndefined();
    await bare.services.discovery.withdrawService('validator');
    expect((await discoveryOf(node).describeService(bare.peerId))?.services).toEqual([]);
  });
});

describe('stopping', () => {
  it('works before anything has begun, and twice', async () => {
    const node = await create({
      start: false,
      bootstrapPeers: [`/ip4/127.0.0.1/tcp/1/p2p/${Identity.generate().peerId}`],
    });
    await node.stop();
    await node.start();
    await Promise.all([node.stop(), node.stop()]);
    expect(discoveryOf(node).snapshot().running).toBe(false);
  });
});
