import { Identity } from '@lloom/identity';
import { MemoryDatastore } from 'datastore-core';
import { describe, expect, test, vi } from 'vitest';
import { wire, type OwnPorts, type Services } from './wiring.ts';

/** The ports of a node whose services are these. */
function portsOf(services: object, own: OwnPorts = {}) {
  const identity = Identity.generate();
  const signing = { signer: identity.signer(), verifier: identity.verifier() };
  return wire(signing, () => services as Services, own);
}

test('addresses that strangers name are dialled as theirs, so that the address policy applies to them', async () => {
  const dialPeer = vi.fn<Services['peers']['dialPeer']>();
  const ports = portsOf({ peers: { dialPeer } });
  const { signal } = new AbortController();
  await ports.discovery.dialer?.dial('peer-1', ['/ip4/10.0.0.1/tcp/1'], { signal, toldBy: 'peers' });
  expect(dialPeer).toHaveBeenCalledWith('peer-1', ['/ip4/10.0.0.1/tcp/1'], { signal, toldBy: 'peers' });
});

test('what a peer offers is told by discovery', () => {
  const ports = portsOf({ discovery: { servicesOf: () => [{ kind: 'validator', stake: '1' }] } });
  expect(ports.peers.services?.('peer-1')).toEqual([{ kind: 'validator', stake: '1' }]);
});

test('what a peer is, is what it has proven to offer', async () => {
  const provider = { peerId: 'peer-2', addresses: ['/ip4/192.0.2.1/tcp/1'], info: { kind: 'validator' } };
  const discovery = {
    servicesOf: () => [{ kind: 'validator' }, { kind: 'executor' }, { kind: 'executor' }],
    executors: async function* () {},
    rendezvousPeers: async function* (name: string) {
      yield { peerId: `friend of ${name}`, addresses: [] };
    },
    validators: vi.fn<(config: object) => AsyncIterable<object>>(async function* () {
      yield provider;
    }),
  };
  const { roles } = portsOf({ discovery }).peers;
  expect(roles?.rolesOf('peer-1')).toEqual(['validator', 'executor']);
  const { signal } = new AbortController();
  const find = async (role: 'executor' | 'validator' | 'relay') => {
    const found: unknown[] = [];
    for await (const candidate of roles!.find(role, { signal })) found.push(candidate);
    return found;
  };
  const { peerId, addresses } = provider;
  expect([await find('executor'), await find('validator'), await find('relay')]).toEqual([
    [],
    [{ peerId, addresses }],
    [{ peerId: 'friend of lloom/relay/1.0.0', addresses: [] }],
  ]);
  expect(discovery.validators).toHaveBeenCalledWith(expect.objectContaining({ signal }));
});

test('needed are those in a mesh of gossip, one bootstrap peer that is connected, and relays', async () => {
  const relays = new Set(['peer-5']);
  const meshes = new Map([
    ['one', ['peer-1', 'peer-2']],
    ['two', ['peer-2', 'peer-3']],
  ]);
  const gossipsubMeshPeers = vi.fn<(topic: string) => readonly string[]>((topic) => meshes.get(topic) ?? []);
  const bootstrapPeers = [7, 8, 9].map((number) => `/ip4/192.0.2.1/tcp/1/p2p/peer-${number}`);
  const ports = portsOf({
    gossip: { subscribedTopics: () => [...meshes.keys()], gossipsubMeshPeers },
    discovery: { bootstrapPeers: () => bootstrapPeers },
    peers: { connectedPeers: () => ['peer-8', 'peer-9'] },
    nat: { isNeeded: (peerId: string) => relays.has(peerId) },
  });
  const needed = (): string[] =>
    Array.from({ length: 9 }, (_, at) => `peer-${at + 1}`).filter(
      (peerId) => ports.peers.usage?.isNeeded?.(peerId) === true,
    );
  expect(needed()).toEqual(['peer-1', 'peer-2', 'peer-3', 'peer-5', 'peer-8']);
  expect(gossipsubMeshPeers).toHaveBeenCalledTimes(2);
  await Promise.resolve();
  meshes.delete('one');
  bootstrapPeers.length = 0;
  relays.clear();
  expect(needed()).toEqual(['peer-2', 'peer-3']);
});

test('what peers do to requests, announcements and descriptors makes their reputation', () => {
  const reportPeer = vi.fn<Services['peers']['reportPeer']>();
  const ports = portsOf({ peers: { reportPeer, reputationOf: () => -12 } });
  ports.rpc.reputation?.report('peer-1', 'SERVED');
  ports.discovery.reputation?.report('peer-2', 'INVALID_DESCRIPTOR');
  ports.gossip.reputation?.report('peer-3', 'FLOOD');
  expect(reportPeer.mock.calls).toEqual([
    ['peer-1', 'SERVED'],
    ['peer-2', 'INVALID_DESCRIPTOR'],
    ['peer-3', 'FLOOD'],
  ]);
  expect(ports.gossip.score?.scoreOf('peer-1')).toBe(-12);
});

test('connections that requests need are known as that', () => {
  const ports = portsOf({ rpc: { usageOf: () => ({ active: 2 }) } });
  expect(ports.peers.usage?.usageOf('peer-1')).toEqual({ active: 2 });
});

test('banned peers leave the routing table that dead ones leave', () => {
  const routingTable = { has: async () => true, remove: async () => undefined };
  const ports = portsOf({}, { routingTable });
  expect(ports.peers.routingTable).toBe(routingTable);
  expect(ports.discovery.routingTable).toBe(routingTable);
});

test('an offer says how busy the node is with requests when it is asked, not when it was built', () => {
  const rpc = { load: { capacity: 4, freeSlots: 4, queueDepth: 0 } };
  const ports = portsOf({ rpc });
  rpc.load = { capacity: 4, freeSlots: 0, queueDepth: 2 };
  expect(ports.discovery.load?.load).toEqual({ capacity: 4, freeSlots: 0, queueDepth: 2 });
});

test('a choice goes by what requests have told, by round trips while they have told nothing, and by what is held of peers', () => {
  const told = { fast: { latencyMs: 90, tokensPerSecond: 30 }, slow: { tokensPerSecond: 5 } };
  const rpc = { performanceOf: (peerId: string) => told[peerId as keyof typeof told] };
  const connections = [{ rttMs: 12 }, {}, { rttMs: 7 }];
  const peerInfo = vi.fn<(peerId: string) => object>((peerId) => ({
    connections: peerId === 'new' ? [{}] : connections,
  }));
  const held: Record<string, number> = { slow: -30, banned: -100 };
  const reputationOf = (peerId: string): number => held[peerId] ?? 0;
  const peers = { connectedPeers: () => ['fast', 'slow', 'met', 'new'], peerInfo, reputationOf };
  const { experience } = portsOf({ rpc, peers }).discovery;
  expect(experience?.performanceOf('fast')).toEqual(told.fast);
  expect(experience?.performanceOf('slow')).toEqual({ tokensPerSecond: 5, reputation: -30, roundTripMs: 7 });
  expect(experience?.performanceOf('met')).toEqual({ roundTripMs: 7 });
  expect(experience?.performanceOf('new')).toBeUndefined();
  expect(experience?.performanceOf('away')).toBeUndefined();
  expect(experience?.performanceOf('banned')).toEqual({ reputation: -100 });
  expect(peerInfo.mock.calls.flat()).toEqual(['slow', 'met', 'new']);
});

test('a connection that is open by now counts', async () => {
  const open: string[] = [];
  const peerInfo = () => ({ connections: [{ rttMs: 3 }] });
  const peers = { connectedPeers: () => open, peerInfo, reputationOf: () => 0 };
  const { experience } = portsOf({ rpc: { performanceOf: () => undefined }, peers }).discovery;
  expect(experience?.performanceOf('peer-1')).toBeUndefined();
  open.push('peer-1');
  await Promise.resolve();
  expect(experience?.performanceOf('peer-1')).toEqual({ roundTripMs: 3 });
});

test('a request that fails goes to whom discovery knows or finds', async () => {
  const alternativeTo = vi.fn<Services['discovery']['alternativeTo']>(() => 'known');
  const findAlternative = vi.fn<Services['discovery']['findAlternative']>(async () => 'found');
  const { alternatives } = portsOf({ discovery: { alternativeTo, findAlternative } }).rpc;
  const query = { peerId: 'peer-1', model: 'demo-small', exclude: ['peer-2'] };
  const { signal } = new AbortController();
  expect(alternatives?.find(query)).toBe('known');
  expect(await alternatives?.search(query, { signal })).toBe('found');
  expect(alternativeTo).toHaveBeenCalledWith(query);
  expect(findAlternative).toHaveBeenCalledWith(query, { signal });
});

test('the local network is watched by discovery, and only when there is something to watch it with', () => {
  const localDiscovery = (() => undefined) as unknown as NonNullable<OwnPorts['localDiscovery']>;
  expect(portsOf({}, { localDiscovery }).discovery.localDiscovery).toBe(localDiscovery);
  expect(portsOf({}, { localDiscovery }).rpc).not.toHaveProperty('localDiscovery');
  expect(portsOf({}, { localDiscovery: undefined }).discovery).not.toHaveProperty('localDiscovery');
});

test('requests are kept where nonces are kept, and only then', () => {
  const datastore = new MemoryDatastore();
  expect(portsOf({}, { datastore }).rpc.datastore).toBe(datastore);
  expect(portsOf({}).rpc).not.toHaveProperty('datastore');
  expect(portsOf({}, { datastore }).peers.datastore).toBe(datastore);
  expect(portsOf({}).peers).not.toHaveProperty('datastore');
});

describe('gossip', () => {
  test('proves messages with the keys of the identity, and with its own where there are none', () => {
    const keys = { signerOf: () => undefined, verifierOf: () => undefined };
    const identity = Identity.generate();
    const signing = { signer: identity.signer(), verifier: identity.verifier() };
    expect(wire({ ...signing, keys }, () => ({}) as Services, {}).gossip.keys).toBe(keys);
    expect(portsOf({}).gossip).not.toHaveProperty('keys');
  });

  test('dials through peers, as strangers name addresses', async () => {
    const dialPeer = vi.fn<Services['peers']['dialPeer']>();
    const { signal } = new AbortController();
    await portsOf({ peers: { dialPeer } }).gossip.dialer?.dial('peer-1', [], { signal, toldBy: 'peers' });
    expect(dialPeer).toHaveBeenCalledWith('peer-1', [], { signal, toldBy: 'peers' });
  });

  test('finds subscribers of topics of ones own in the DHT; those of common topics are everywhere', async () => {
    const joined: string[] = [];
    const discovery = {
      joinRendezvous: (name: string) => {
        joined.push(name);
        return () => void joined.splice(joined.indexOf(name), 1);
      },
      rendezvousPeers: async function* (name: string) {
        yield { peerId: `friend of ${name}`, addresses: [] };
      },
    };
    const { topicPeers } = portsOf({ discovery }).gossip;
    const { signal } = new AbortController();
    const find = async (topic: string) => {
      const found: unknown[] = [];
      for await (const candidate of topicPeers!.find(topic, { signal })) found.push(candidate);
      return found;
    };
    expect(await find('weather')).toEqual([{ peerId: 'friend of weather', addresses: [] }]);
    expect(await find('lloom/price-updates')).toEqual([]);
    const retire = topicPeers!.announce!('weather');
    topicPeers!.announce!('lloom/price-updates')();
    expect(joined).toEqual(['weather']);
    retire();
    expect(joined).toEqual([]);
  });
});

describe('what nodes offer', () => {
  /** Gossip that hands what is published to whoever listens. */
  const gossipOf = (peers: readonly string[]) => {
    const topics = new Set<string>();
    const published: Uint8Array[] = [];
    let validate: ((frame: Uint8Array) => unknown) | undefined;
    return {
      topics,
      published,
      hear: (frame: Uint8Array) => validate?.(frame),
      topicPeers: () => peers,
      createTopic: (name: string, config: { validate: typeof validate }) => {
        validate = config.validate;
        return {
          publish: async (frame: Uint8Array) => void published.push(frame),
          subscribe: async () => void topics.add(name),
          unsubscribe: async () => void topics.delete(name),
        };
      },
    };
  };

  test('travels over a topic, and is judged by discovery', async () => {
    const gossip = gossipOf(['peer-1']);
    const { channel } = portsOf({ gossip }).discovery;
    const frame = new Uint8Array([1]);
    await channel?.publish(frame);
    expect(gossip.published).toEqual([frame]);
    expect(gossip.hear(frame)).toBe('ignore');
    const end = channel?.subscribe(async () => 'reject');
    expect(gossip.topics).toEqual(new Set(['lloom/service-descriptors']));
    expect(await gossip.hear(frame)).toBe('reject');
    end?.();
    expect(gossip.topics.size).toBe(0);
    expect(gossip.hear(frame)).toBe('ignore');
  });

  test('is not held back where nobody listens', async () => {
    const gossip = gossipOf([]);
    await portsOf({ gossip }).discovery.channel?.publish(new Uint8Array([1]));
    expect(gossip.published).toEqual([]);
  });
});

describe('nat', () => {
  test('dials through peers, as the user or strangers name addresses', async () => {
    const dialPeer = vi.fn<Services['peers']['dialPeer']>();
    const { signal } = new AbortController();
    const { dialer } = portsOf({ peers: { dialPeer } }).nat;
    for (const toldBy of ['user', 'peers'] as const) await dialer!.dial('peer-1', [], { signal, toldBy });
    expect(dialPeer.mock.calls).toEqual([
      ['peer-1', [], { signal, toldBy: 'user' }],
      ['peer-1', [], { signal, toldBy: 'peers' }],
    ]);
  });

  test('finds relays by a name in the DHT, and has this one found by it', async () => {
    const joined: string[] = [];
    const discovery = {
      joinRendezvous: (name: string) => {
        joined.push(name);
        return () => void joined.pop();
      },
      rendezvousPeers: async function* (name: string) {
        yield { peerId: `friend of ${name}`, addresses: [] };
      },
    };
    const { relaySource } = portsOf({ discovery }).nat;
    const { signal } = new AbortController();
    const found: unknown[] = [];
    for await (const candidate of relaySource!.find({ signal })) found.push(candidate);
    expect(found).toEqual([{ peerId: 'friend of lloom/relay/1.0.0', addresses: [] }]);
    const retire = relaySource!.announce!();
    expect(joined).toEqual(['lloom/relay/1.0.0']);
    retire();
    expect(joined).toEqual([]);
  });

  test('tells requests how much a relay still carries, and makes room for them', async () => {
    const makeRoom = vi.fn<Services['nat']['makeRoom']>(async () => true);
    const { relayBudget } = portsOf({ nat: { bytesLeft: () => 7, makeRoom } }).rpc;
    expect(relayBudget?.bytesLeft('peer-1')).toBe(7);
    const { signal } = new AbortController();
    expect(await relayBudget?.makeRoom?.('peer-1', 9, { signal })).toBe(true);
    expect(makeRoom).toHaveBeenCalledWith('peer-1', 9, { signal });
  });
});
