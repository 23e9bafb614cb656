import type { NodeState, StateConnection, StatePeer } from '@lloom/behaviour';
import type { LiveActor } from '@lloom/inspector';
import type { ViewActors, ViewRequest, ViewState } from '../../src/view/types.ts';

/** Would run where a name is taken for HTML, and turns what follows it around. */
export const hostile =
  '<img src=x onerror="globalThis.wasRun=1">\u202e</script><script>globalThis.wasRun=1</script>';

export const peerIdOf = (index: number): string =>
  `16Uiu2HAm${String(index).padStart(4, '0').replaceAll('0', 'z').repeat(11)}`;

/** What differs from node to node, and from moment to moment. */
export interface Moment {
  /** Indexes of the peers that are connected. */
  readonly peers?: readonly number[];
  /** Indexes of peers that are known and not connected. */
  readonly knownPeers?: readonly number[];
  readonly requests?: readonly ViewRequest[];
  readonly names?: string;
  readonly sequence?: number;
}

const start = Date.UTC(2026, 0, 1);
const roles = [['executor'], ['validator'], ['executor', 'relay'], []] as const;

/** Every seventh is reached through the peer with the index 2, a relay. */
function connectionOf(index: number): StateConnection {
  const relayed = index % 7 === 6;
  const way = `/ip4/127.0.0.1/tcp/${4_000 + index}`;
  return {
    peerId: peerIdOf(index),
    direction: index % 2 === 0 ? 'outbound' : 'inbound',
    remoteAddress: relayed ? `${way}/p2p/${peerIdOf(2)}/p2p-circuit/p2p/${peerIdOf(index)}` : way,
    transport: index % 5 === 0 ? 'ws' : 'tcp',
    relayed,
    openedAt: start,
    rttMs: 0.3 + index * 3.7,
  };
}

const peerOf = (index: number, model: string): StatePeer => ({
  peerId: peerIdOf(index),
  roles: roles[index % roles.length]!,
  reputation: (index % 9) - 2,
  isMaintained: index === 1,
  isConnected: true,
  isBanned: false,
  services: index % 4 === 0 ? [{ kind: 'executor', models: [model, `model-${index % 3}`] }] : [],
});

function nodeState(moment: Moment): NodeState {
  const { peers = [0, 1, 2, 3], knownPeers = [], names = 'llama-3.1-8b', sequence = 1 } = moment;
  const mesh = peers.slice(0, 6).map(peerIdOf);
  const topic = {
    topic: names,
    state: 'healthy',
    topicPeers: peers.length,
    meshPeers: mesh.length,
    mesh,
  } as const;
  return {
    version: 1,
    at: start + sequence * 1_000,
    node: {
      ...{ peerId: peerIdOf(9_999), agentVersion: 'lloom/0.1.0', nodeVersion: 'v24.21.0' },
      ...{ platform: 'linux', uptimeMs: 75_000 + sequence * 1_000, state: 'running' },
    },
    addresses: { policy: 'loopback', listening: ['/ip4/127.0.0.1/tcp/4001'], announced: [], relayed: [] },
    config: { chainId: 1, bootstrapPeers: [], enableMdns: false } as unknown as NodeState['config'],
    protocols: ['/lloom/rpc/1'],
    connections: peers.map(connectionOf),
    peers: [
      ...peers.map((index) => peerOf(index, names)),
      ...knownPeers.map((index) => ({ ...peerOf(index, names), isConnected: false })),
    ],
    bans: [],
    kad: { storedRecords: 3, routingTableSize: peers.length, routingTable: peers.slice(0, 2).map(peerIdOf) },
    gossip: {
      running: true,
      topics: [
        topic,
        { ...topic, topic: 'lloom/other', state: 'degraded', reason: 'NO_MESH', meshPeers: 0, mesh: [] },
      ],
      scores: peers.slice(0, 3).map((index) => ({
        ...{ peerId: peerIdOf(index), score: 1.5 - index, application: 1, behaviour: 0, colocation: 0 },
      })),
      alarms: [],
      accepted: 12,
      dropped: { stale: 2 } as NodeState['gossip']['dropped'],
      ...{ duplicates: 4, pendingPublishes: 0, pendingValidations: 0 },
    },
    rpc: { load: { capacity: 4, freeSlots: 3, queueDepth: 0 }, activeInbound: 0, pending: [] },
    discovery: {
      ...{ running: true, rendezvous: [], localPeers: [] },
      advertisements: [{ service: { kind: 'executor', models: [names], capacity: 4 }, state: 'published' }],
      announcement: { state: 'resting' },
      bootstrap: { state: 'joined', peers: [] },
      refresh: { state: 'resting', interests: [] },
      registry: { state: 'closed' },
      descriptors: { live: 3, kept: 3, accepted: 9, dropped: {} as never },
    },
    nat: {
      ...{ status: { kind: 'private' }, confidence: 2, mapping: 'endpoint-independent', servers: 3 },
      candidates: [{ address: '/ip4/127.0.0.1/tcp/4001', verdict: 'unreachable' }],
      ...{ isAutonatEnabled: true, isAutonatServer: true, isRelayClient: true, isRelayServer: false },
      relays: [
        { relay: peerIdOf(2), state: 'reserved', addresses: [], expiresAt: start + 3_600_000, failures: 0 },
      ],
      upgrades: [{ peerId: peerIdOf(6), state: 'relayed', reason: 'nothing came through' }],
    },
    metrics: {
      network: { bytesIn: 120_000, bytesOut: 34_000 } as NodeState['metrics']['network'],
      protocols: [{ protocol: '/lloom/rpc/1', bytesIn: 900, bytesOut: 80, streams: 3, openStreams: 1 }],
    },
    leftOut: {
      ...{ connections: 0, peers: 0, bans: 0, routingTable: 0, scores: 0, pending: 0, protocols: 0 },
    },
  };
}

/** What a page is told of a node in a moment. */
export function stateOf(moment: Moment = {}): ViewState {
  const { requests = [], peers = [0, 1, 2, 3], sequence = 1 } = moment;
  return {
    sequence,
    role: 'validator',
    node: nodeState(moment),
    requests,
    requestsLeftOut: 0,
    samples: Array.from({ length: 60 }, (_, index) => ({
      at: start + index * 1_000,
      bytesInPerSecond: 4_000 + 3_000 * Math.sin(index / 4),
      bytesOutPerSecond: 2_000 + 900 * Math.cos(index / 7),
      ...{ sentPerSecond: index % 5, receivedPerSecond: index % 3 },
      ...{ activeRequests: requests.length, connectedPeers: peers.length },
    })),
    machines: [
      {
        machine: 'request',
        ...{ living: requests.length, started: 7 },
        inStates: { request: requests.length, 'request.dialing': requests.length },
        taken: { 'request.dialing|session.opened|0': 6 },
      },
    ],
  };
}

/** A request under way, with the actor that carries it. */
export function requestOf(
  key: number,
  { state = 'dialing', method = 'llmRequest' } = {},
): {
  readonly request: ViewRequest;
  readonly actor: LiveActor;
} {
  const requestId = `request-${key}`;
  return {
    request: {
      ...{ requestId, direction: 'out', peerId: peerIdOf(0), method, attempt: 1 },
      ...{ startedAt: start, deadlineAt: start + 120_000, actors: [key] },
    },
    actor: {
      ...{ key, id: requestId, machine: 'request', status: 'active', startedMs: 10, steps: 1 },
      states: ['request', `request.${state}`],
      lastSteps:
        state === 'dialing'
          ? []
          : [
              {
                ...{ atMs: 20, times: 1, event: 'session.opened', refused: [] },
                transitions: ['request.dialing|session.opened|0'],
              },
            ],
    },
  };
}

/** What a page is told of actors: all of them, or those that changed. */
export const actorsOf = (
  version: number,
  actors: readonly LiveActor[],
  gone?: readonly number[],
): ViewActors => ({
  ...{ version, nowMs: 1_000 + version * 100, isWhole: gone === undefined, actors, gone: gone ?? [] },
  ...{ untold: 0, dropped: { machines: 0, reports: 0, labels: 0 } },
});
