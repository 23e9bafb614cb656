import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import { sha256 } from 'multiformats/hashes/sha2';
import { byteStream, lpStream } from '@libp2p/utils';
import type { PeerId, Stream } from '@libp2p/interface';
import { encodeDescriptorRequest, type ServiceType } from '@lloom/codec';
import { AddressError } from '@lloom/core';
import { Identity } from '@lloom/identity';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Discovery, DiscoveryError } from '../src/index.ts';
import { keysOf } from '../src/internal/services.ts';
import { descriptorFrame, tampered } from './fakes.ts';
import { settled } from './machines.ts';
import {
  addressOf,
  createNode,
  createNodeWithoutDht,
  createStranger,
  next,
  type NodeConfig,
} from './nodes.ts';

const protocol = '/lloom/descriptor/1.0.0';
const pricing = { inboundPrice: '500000000000000', outboundPrice: '1000000000000000' };
const offer: ServiceType = { kind: 'executor', models: ['demo-small', 'demo-large'], capacity: 4, pricing };
const validator: ServiceType = { kind: 'validator', stake: '1000000000000000000' };

type Node = Awaited<ReturnType<typeof createNode>>;
type Stranger = Awaited<ReturnType<typeof createStranger>>;

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
  await heard(hub, node.peerId, keysOf(service));
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

/** A stranger that says in the DHT that it provides a model, and answers with whatever `answer` does. */
async function joinAsLiar(
  hub: Node,
  identity: Identity,
  answer: (stream: Stream) => Promise<void>,
): Promise<Stranger> {
  const liar = keep(await createStranger(identity));
  await liar.handle(protocol, (stream) => answer(stream));
  await liar.dial(hub.getMultiaddrs());
  const cid = await cidOf('lloom/model/demo-small');
  for (let told = 0; told === 0;) {
    await settled();
    for await (const event of liar.services.dht.provide(cid)) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') told++;
    }
  }
  await heard(hub, liar.peerId, ['lloom/model/demo-small']);
  return liar;
}

/** Answers a descriptor request with these bytes. */
const answering = (frame: () => Promise<Uint8Array>) => async (stream: Stream) => {
  const frames = lpStream(stream);
  await frames.read();
  await frames.write(await frame());
  await stream.close();
};

describe('peers that lie', () => {
  const other = Identity.generate();
  const past = { now: () => 1_000_000, elapsed: () => 0, setTimeout: () => 0, clearTimeout: () => {} };
  const signed = (own: Identity, wrong: Parameters<typeof descriptorFrame>[2] = {}) =>
    descriptorFrame(own.peerId, [offer], { signer: own.signer(), ...wrong });

  const lies: [what: string, frame: (own: Identity) => Promise<Uint8Array>, reason: string][] = [
    ['signed by another', (own) => signed(own, { signer: other.signer() }), 'WRONG_SIGNER'],
    ['about another', (own) => signed(own, { descriptor: { peerId: other.peerId } }), 'WRONG_PEER'],
    ['stale', (own) => signed(own, { signer: own.signer({}, { clock: past }) }), 'EXPIRED'],
    ['forged', async (own) => tampered(await signed(own)), 'BAD_SIGNATURE'],
    ['addressed anew', (own) => signed(own, { envelope: { to: `0x${'1'.repeat(40)}` } }), 'BAD_SIGNATURE'],
    ['garbled', async () => new Uint8Array(100).fill(255), 'MALFORMED'],
    ['oversized', async () => new Uint8Array(70_000), 'UNREACHABLE'],
  ];

  it('are refused, whatever is wrong with their descriptor', async () => {
    const hub = await create();
    const wanted = new Map<string, string>();
    for (const [, frame, reason] of lies) {
      const own = Identity.generate();
      await joinAsLiar(
        hub,
        own,
        answering(() => frame(own)),
      );
      wanted.set(own.peerId, reason);
    }
    const client = await join(hub);
    const error = await errorOf(discoveryOf(client).requireModelProviders('demo-small'));
    const { asked, rejected } = (error as DiscoveryError<'NO_PROVIDERS'>).data;
    expect(asked).toBe(lies.length);
    expect(new Map(rejected.map(({ peerId, reason }) => [peerId, reason]))).toEqual(wanted);
    for (const [peerId, reason] of wanted) {
      const code = reason === 'UNREACHABLE' ? 'DESCRIPTOR_UNREACHABLE' : 'DESCRIPTOR_REFUSED';
      expect(await errorOf(discoveryOf(client).describeService(peerId))).toMatchObject({ code });
    }
  });

  it('cost nothing to those who do not', async () => {
    const hub = await create();
    const silent = await joinAsLiar(hub, Identity.generate(), () => new Promise(() => {}));
    const resetting = await joinAsLiar(hub, Identity.generate(), async (stream) =>
      stream.abort(new Error('no')),
    );
    const honest = await joinWith(hub, offer);
    const client = await join(hub, { descriptorTimeoutMs: 500 });
    const found: string[] = [];
    for await (const { peerId } of discoveryOf(client).modelProviders('demo-small')) {
      found.push(peerId);
      break;
    }
    expect(found).toEqual([idOf(honest)]);
    await discoveryOf(honest).withdrawService('executor');
    const error = await errorOf(discoveryOf(client).requireModelProviders('demo-small'));
    const { rejected } = (error as DiscoveryError<'NO_PROVIDERS'>).data;
    expect(new Map(rejected.map(({ peerId, reason }) => [peerId, reason]))).toEqual(
      new Map([
        [idOf(silent), 'UNREACHABLE'],
        [idOf(resetting), 'UNREACHABLE'],
        [idOf(honest), 'NOT_OFFERED'],
      ]),
    );
  });
});

describe('joining', () => {
  it('waits for a bootstrap peer that is not there yet, then publishes', async () => {
    const identity = Identity.generate();
    const reserved = await create({ identity });
    const address = addressOf(reserved);
    const port = Number(/tcp\/(\d+)/.exec(address)?.[1]);
    await reserved.stop();

    const node = await create({ start: false, bootstrapPeers: [address] });
    const retrying = next(discoveryOf(node), 'bootstrap:retrying');
    await node.start();
    await discoveryOf(node).advertiseService(offer);
    expect(await retrying).toMatchObject({
      error: {
        code: 'BOOTSTRAP_FAILED',
        data: { failures: [{ address, reason: expect.stringContaining('ECONNREFUSED') as string }] },
      },
    });
    expect(await errorOf(discoveryOf(node).bootstrap())).toMatchObject({ code: 'BOOTSTRAP_FAILED' });

    const advertised = next(discoveryOf(node), 'service:advertised');
    const hub = await create({ identity, port });
    await advertised;
    await heard(hub, node.peerId, keysOf(offer));
    const client = await join(hub);
    expect(peerIdsOf(await discoveryOf(client).findModelProviders('demo-small'))).toEqual([idOf(node)]);

    const rejoined = next(discoveryOf(node), 'bootstrap:joined');
    await hub.stop();
    await create({ identity, port });
    await rejoined;
  });

  it('enters the DHT also when the first ping failed', async () => {
    const hub = await create();
    const ping = '/ipfs/ping/1.0.0';
    let pings = 0;
    await hub.unhandle(ping);
    await hub.handle(ping, async (stream) => {
      if (pings++ === 0) return stream.abort(new Error('not now'));
      stream.send((await byteStream(stream).read({ bytes: 32 })).subarray());
      return stream.close();
    });
    await joinWith(hub, offer);
    expect(pings).toBeGreaterThan(1);
  });

  it('does not depend on addresses that the peer store forgets', async () => {
    const hub = await create();
    const node = await create({ peerStore: { maxAddressAge: 1, maxPeerAge: 1 } });
    discoveryOf(node).addBootstrapPeer(addressOf(hub));
    await discoveryOf(node).bootstrap();
    await node.hangUp(hub.peerId);
    await discoveryOf(node).bootstrap();
    expect(node.getConnections(hub.peerId)).toHaveLength(1);
  });

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

describe('whoever asks badly', () => {
  it('is cut off, and harms nobody', async () => {
    const node = await create({ descriptorTimeoutMs: 300 });
    await discoveryOf(node).advertiseService(validator);
    const stranger = keep(await createStranger());
    await stranger.dial(node.getMultiaddrs());
    const open = async (): Promise<Stream> => stranger.dialProtocol(node.peerId, protocol);
    const ended = (stream: Stream): Promise<unknown> =>
      new Promise((resolve) => {
        if (stream.status !== 'open') resolve(stream.status);
        else stream.addEventListener('close', () => resolve(stream.status), { once: true });
      });

    // Says nothing; says too much; says what is no request; says half of it.
    const silent = await open();
    expect(await ended(silent)).toBe('reset');
    for (const bytes of [new Uint8Array(10_000), new Uint8Array([2, 8, 9]), new Uint8Array([200])]) {
      const stream = await open();
      stream.send(bytes);
      if (stream.status === 'open') await stream.close().catch(() => {});
      expect(await ended(stream)).toBe('reset');
    }

    // Never ends its own side, although it has been answered.
    const greedy = await open();
    const frames = lpStream(greedy);
    await frames.write(encodeDescriptorRequest());
    expect((await frames.read()).byteLength).toBeGreaterThan(100);
    expect(await ended(greedy)).toBe('reset');

    // Opens more streams than one connection may have.
    const many = await Promise.all(Array.from({ length: 20 }, () => open().catch(() => undefined)));
    const statuses = await Promise.all(many.map(async (stream) => stream && ended(stream)));
    expect(statuses.every((status) => status === undefined || status === 'reset')).toBe(true);

    const client = await create();
    discoveryOf(client).addBootstrapPeer(addressOf(node));
    await discoveryOf(client).bootstrap();
    expect((await discoveryOf(client).describeService(node.peerId))?.services).toEqual([validator]);
  });
});

describe('stopping', () => {
  it('ends everything that is under way, and everything works after the next start', async () => {
    const hub = await create();
    await joinAsLiar(hub, Identity.generate(), () => new Promise(() => {}));
    const node = await joinWith(hub, validator);
    const ends = Promise.all([
      errorOf(discoveryOf(node).findModelProviders('demo-small')),
      errorOf(discoveryOf(node).refreshServices()),
    ]);
    await node.stop();
    for (const error of await ends) expect(error).toMatchObject({ code: 'STOPPED' });
    expect(discoveryOf(node).snapshot()).toMatchObject({ running: false, bootstrap: { state: 'stopped' } });
    const advertised = next(discoveryOf(node), 'service:advertised');
    await node.start();
    await discoveryOf(node).updateServiceInfo({ ...validator, stake: '2' });
    await advertised;
    await heard(hub, node.peerId, keysOf(validator));
    const client = await join(hub);
    expect((await discoveryOf(client).discoverValidators()).map(({ info }) => info)).toEqual([
      { ...validator, stake: '2' },
    ]);
  });

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
