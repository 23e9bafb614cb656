import type { ServiceType } from '@lloom/codec';
import { describe, expect, test, vi } from 'vitest';
import { expectValid } from '../../test/stateSchema.ts';
import { networkDefaults } from '../config.ts';
import { openConnections, stateOf, type StateSources } from './state.ts';

type Services = ReturnType<StateSources['services']>;
type Known = ReturnType<Services['peers']['snapshot']>['peers'][number];

const peerIdOf = (index: number): string => `12D3KooW${String(index).replaceAll('0', 'A')}`;

const executor = {
  kind: 'executor',
  models: Array.from({ length: 20 }, (_, index) => `model-${index}`),
  capacity: 4,
} as const satisfies ServiceType;

const connection = {
  direction: 'outbound',
  remoteAddress: '/ip4/127.0.0.1/tcp/4001',
  transport: 'tcp',
  relayed: false,
  openedAt: 1,
} as const;

const knownPeer = (index: number): Known => ({
  peerId: peerIdOf(index),
  roles: ['executor'],
  reputation: 3,
  isMaintained: false,
  connections: [connection],
});

const descriptors = { live: 0, kept: 0, accepted: 0, dropped: {} as never };

/** A node of fakes. */
function sourcesOf(changed: { [K in keyof Services]?: Partial<Services[K]> } = {}) {
  const servicesOf = vi.fn<Services['discovery']['servicesOf']>(() => [executor]);
  const services: Services = {
    peers: {
      snapshot: () => ({ peers: [], known: 0, openConnections: 0 }),
      bannedPeers: () => [],
      listenedAddresses: () => [],
      ...changed.peers,
    },
    rpc: {
      pendingRequests: () => [],
      load: { capacity: 1, freeSlots: 1, queueDepth: 0 },
      activeInbound: 0,
      ...changed.rpc,
    },
    discovery: {
      servicesOf,
      snapshot: () => ({
        ...{ running: true, advertisements: [], rendezvous: [], localPeers: [], descriptors },
        announcement: { state: 'idle' },
        bootstrap: { state: 'idle', peers: [] },
        refresh: { state: 'idle', interests: [] },
        registry: { state: 'idle' },
      }),
      ...changed.discovery,
    },
    gossip: {
      snapshot: () => ({
        ...{ running: true, topics: [], alarms: [], accepted: 0, dropped: {} as never },
        ...{ duplicates: 0, pendingPublishes: 0, pendingValidations: 0 },
      }),
      gossipsubMeshPeers: () => [],
      peerScores: () => [],
      ...changed.gossip,
    },
    nat: {
      relayAddresses: () => [],
      explainNat: () => ({
        ...{ status: { kind: 'unknown' }, confidence: 0, mapping: 'unknown', candidates: [], servers: 0 },
        ...{ isAutonatEnabled: true, isAutonatServer: true, isRelayClient: false, isRelayServer: false },
        ...{ relays: [], upgrades: [] },
      }),
      ...changed.nat,
    },
  };
  const figures = {
    ...{ connectedPeers: 0, messagesSent: 0, messagesReceived: 0, activeRequests: 0 },
    ...{ bandwidthInKbps: 0, bandwidthOutKbps: 0, bandwidthInBytesPerSecond: 0.5 },
    ...{ bandwidthOutBytesPerSecond: 0, bytesIn: 0, bytesOut: 0 },
  };
  const sources: StateSources = {
    config: {
      ...networkDefaults,
      packages: { rpc: { capacity: 2 } },
      datastorePath: 'data/secret',
    },
    datastore: 'folder',
    node: () => ({
      ...{ peerId: peerIdOf(1), agentVersion: 'lloom/0', nodeVersion: 'v24', platform: 'linux' },
      ...{ uptimeMs: 1, state: 'running' },
    }),
    now: () => 5,
    announced: () => [],
    protocols: () => ['/a/1'],
    routingTable: (limit) => Array.from({ length: limit }, (_, index) => peerIdOf(index)),
    kad: () => ({ storedRecords: 1, routingTableSize: 1_000 }),
    metrics: () => ({ network: figures, protocols: [] }),
    services: () => services,
  };
  return { sources, servicesOf };
}

const stateWith = (changed?: Parameters<typeof sourcesOf>[0]) => stateOf(sourcesOf(changed).sources);

describe('lists that others can make grow', () => {
  const many = Array.from({ length: 3_000 }, (_, index) => knownPeer(index));

  test('are cut, and it is said by how much', () => {
    const state = stateWith({
      peers: {
        snapshot: (limit) => ({ peers: many.slice(0, limit), known: 5_000, openConnections: 3_000 }),
        bannedPeers: () => many.map(({ peerId }) => ({ peerId, since: 1, until: 2, by: 'user' })),
      },
      rpc: {
        pendingRequests: () =>
          many.map(({ peerId }) => ({
            ...{ requestId: 'id' as never, peerId, method: 'ping', startedAt: 1, deadlineAt: 2, attempt: 1 },
          })),
      },
      gossip: {
        peerScores: () =>
          many.map(({ peerId }, index) => ({
            ...{ peerId, score: -index, application: 0, behaviour: 0, colocation: 0, topics: {} },
          })),
      },
    });
    expect(state.leftOut).toEqual({
      ...{ connections: 2_000, peers: 4_000, bans: 2_000, routingTable: 744, scores: 2_744, pending: 2_000 },
      protocols: 0,
    });
    expect(state.connections).toHaveLength(1_000);
    expect(state.peers).toHaveLength(1_000);
    expect(state.kad.routingTable).toHaveLength(256);
    expect(state.gossip.scores[0]?.score).toBe(-2_999);
    expectValid(state);
  });

  test('cost one look at each peer that is shown', () => {
    const { sources, servicesOf } = sourcesOf({
      peers: {
        snapshot: (limit) => ({ peers: many.slice(0, limit), known: 5_000, openConnections: 3_000 }),
      },
    });
    expect(stateOf(sources).peers[0]?.services).toEqual([
      { kind: 'executor', models: executor.models.slice(0, 8) },
    ]);
    expect(servicesOf).toHaveBeenCalledTimes(1_000);
  });

  test('of connections are counted as a whole also for reports', () => {
    const { shown, total } = openConnections({
      snapshot: (limit) => ({ peers: many.slice(0, limit), known: 5_000, openConnections: 3_000 }),
    });
    expect([shown.length, shown[0]?.peerId, total]).toEqual([1_000, peerIdOf(0), 3_000]);
  });
});

describe('what is nobody else’s', () => {
  test('paths and the values of packages’ fields are left out', () => {
    const { config } = stateWith();
    expect(config).toMatchObject({ datastore: 'folder', packageFields: ['rpc.capacity'] });
    expect(JSON.stringify(config)).not.toContain('secret');
  });

  test('the user’s reason for a ban is left out, that of a reputation is not', () => {
    const ban = { peerId: peerIdOf(2), since: 1, until: 2, reason: 'because' };
    const bans = [
      { ...ban, by: 'user' },
      { ...ban, by: 'reputation' },
    ] as const;
    const state = stateWith({ peers: { bannedPeers: () => [...bans] } });
    expect(state.bans).toEqual([{ ...ban, by: 'user', reason: undefined }, bans[1]]);
    expectValid(state);
  });

  test('of an offer only what is announced is shown', () => {
    const price = { inboundPrice: '1', outboundPrice: '2' };
    const noted = { ...price, note: 'a secret' };
    const offer = {
      ...executor,
      ...{ pricing: noted, modelPricing: { a: noted }, freeSlots: 0, queueDepth: 0, contextLength: 8 },
      ...{ features: ['tools'], region: 'eu', apiKey: 'a secret' },
    } as const;
    const snapshot = sourcesOf().sources.services().discovery.snapshot();
    const services: ServiceType[] = [
      offer,
      { kind: 'validator', stake: '1', key: 'a secret' } as ServiceType,
    ];
    const advertisements = services.map((service) => ({ service, state: 'published' }));
    const state = stateWith({ discovery: { snapshot: () => ({ ...snapshot, advertisements }) } });
    const { apiKey: _, ...announced } = { ...offer, pricing: price, modelPricing: { a: price } };
    expect(state.discovery.advertisements.map(({ service }) => service)).toEqual([
      announced,
      { kind: 'validator', stake: '1' },
    ]);
    expectValid(state);
  });
});

test('a state does not change with the node', () => {
  const listening = ['/ip4/127.0.0.1/tcp/1'];
  const state = stateWith({ peers: { listenedAddresses: () => listening } });
  listening.push('/ip4/127.0.0.1/tcp/2');
  expect(state.addresses.listening).toEqual(['/ip4/127.0.0.1/tcp/1']);
});
