import { identify } from '@libp2p/identify';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import type { ServiceType } from '@lloom/codec';
import type { Hex } from '@lloom/core';
import { Identity } from '@lloom/identity';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { createLibp2p } from 'libp2p';
import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import { sha256 } from 'multiformats/hashes/sha2';
import { discovery, type Discovery, type DiscoveryConfig, type DiscoveryPorts } from '../src/index.ts';

/** A link of half the planet: 50 ms one way, one segment of a hundred is lost. */
export const planet = { delayMs: 50, lossRatio: 0.01 };

/** Who lives on a host: follows from the seed of the network. */
export const identityOf = ({ keyBytes }: SimHost): Identity =>
  Identity.fromPrivateKey(`0x${Buffer.from(keyBytes).toString('hex')}` as Hex);

/** What all nodes have in common. */
const base = (host: SimHost, identity: Identity) => ({
  privateKey: identity.libp2pKey,
  datastore: host.datastore,
  addresses: { listen: [host.address] },
  ...host.stack,
  // As in @lloom/behaviour: nodes that share an office are not turned away, and a slow peer is not a dead one.
  connectionManager: { inboundConnectionThreshold: 1_000, maxIncomingPendingConnections: 100 },
  connectionMonitor: { pingInterval: 30_000, pingTimeout: { minTimeout: 25_000, maxTimeout: 25_000 } },
});

const createDht = (clientMode = false) =>
  kadDHT({
    protocol: '/lloom/kad/1.0.0',
    clientMode,
    peerInfoMapper: passthroughMapper,
    allowQueryWithZeroPeers: true,
    initialQuerySelfInterval: 1,
    alpha: 3,
    disjointPaths: 3,
  });

/** A node with a DHT and the discovery service, on a simulated host; what is not given is as in production. */
export async function createSimNode(host: SimHost, config: DiscoveryConfig & DiscoveryPorts = {}) {
  const { clock, random } = host;
  const identity = identityOf(host);
  const common = { clock, random };
  const ports = { ...common, signer: identity.signer({}, common), verifier: identity.verifier({}, common) };
  return createLibp2p({
    ...base(host, identity),
    services: {
      identify: identify(),
      ping: ping({ maxInboundStreams: 8, maxOutboundStreams: 8 }),
      dht: createDht(),
      discovery: discovery({ ...ports, ...config }),
    },
  });
}

/** What a node of a crowd is: who only asks has a key that is cheap to read, and who is no server is asked by nobody. */
export interface Cheapness {
  /** An Ed25519 key: it cannot advertise. */
  readonly onlyAsks?: boolean;
  /** Not a server of the DHT. */
  readonly isClient?: boolean;
}

/** A node of a crowd: as {@link createSimNode}, and cheap to simulate. */
export async function createCrowdNode(
  host: SimHost,
  { onlyAsks = false, isClient = false }: Cheapness,
  config: DiscoveryConfig & DiscoveryPorts,
) {
  const { clock, random } = host;
  const identity = identityOf(host);
  const common = { clock, random };
  const verifier = identity.verifier({}, common);
  const ports = { ...common, verifier, ...(!onlyAsks && { signer: identity.signer({}, common) }) };
  return createLibp2p({
    ...base(host, identity),
    ...(onlyAsks && { privateKey: host.privateKey }),
    services: {
      identify: identify(),
      ping: ping({ maxInboundStreams: 8, maxOutboundStreams: 8 }),
      dht: createDht(isClient),
      discovery: discovery({ ...ports, datastore: host.datastore, ...config }),
    },
  });
}

/** Builds nodes that all know the address of the first one, which is a server of the DHT that only asks. */
export function crowd(kind: (name: string) => Cheapness) {
  let hub: string | undefined;
  return async (host: SimHost): Promise<SimNode | SimStranger> => {
    const isHub = hub === undefined || hub.startsWith(`${host.address}/`);
    hub ??= `${host.address}/p2p/${peerIdFromPrivateKey(host.privateKey).toString()}`;
    return createCrowdNode(host, isHub ? { onlyAsks: true } : kind(host.name), {
      bootstrapPeers: isHub ? [] : [hub],
    });
  };
}

/** A node that takes part in the DHT, and does whatever else a test wants. */
export async function createSimStranger(host: SimHost) {
  return createLibp2p({
    ...base(host, identityOf(host)),
    services: {
      identify: identify(),
      ping: ping({ maxInboundStreams: 8, maxOutboundStreams: 8 }),
      dht: createDht(),
    },
  });
}

export type SimNode = Awaited<ReturnType<typeof createSimNode>>;
export type SimStranger = Awaited<ReturnType<typeof createSimStranger>>;

/** The address of a host's node, with its peer id. */
const addressOf = (host: SimHost): string => `${host.address}/p2p/${identityOf(host).peerId}`;

/** A network in which some do as they should. */
export type SimNetwork = TestNetwork<SimNode | SimStranger>;

/** How a node of that name is set up; `stranger` when it has no discovery service. */
export type Role = (name: string) => (DiscoveryConfig & DiscoveryPorts) | 'stranger';

/** Builds nodes that all know the address of the first one, and of nobody else. */
export function star(role: Role = () => ({})) {
  let hub: string | undefined;
  return async (host: SimHost): Promise<SimNode | SimStranger> => {
    const own = addressOf(host);
    hub ??= own;
    const config = role(host.name);
    if (config === 'stranger') return createSimStranger(host);
    return createSimNode(host, { bootstrapPeers: hub === own ? [] : [hub], ...config });
  };
}

/** The discovery service of a node. */
export function serviceOf(network: SimNetwork, name: string): Discovery {
  const { services } = network.node(name);
  if (!('discovery' in services)) throw new Error(`${name} is a stranger`);
  return services.discovery;
}

export const peerIdOf = (network: SimNetwork, name: string): string => network.node(name).peerId.toString();

/** Makes a stranger take part in the DHT through the first node, and say there that it provides a key. */
export async function provideAs(network: SimNetwork, name: string, key: string): Promise<void> {
  const [hub] = network.nodes.values();
  const stranger = network.node(name);
  await network.run(async () => stranger.dial(hub!.getMultiaddrs()));
  await network.runFor(1_000);
  const cid = CID.createV1(raw.code, await sha256.digest(new TextEncoder().encode(key)));
  const told = await network.run(async () => {
    let count = 0;
    for await (const event of stranger.services.dht.provide(cid)) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') count += 1;
    }
    return count;
  });
  if (told === 0) throw new Error(`nobody has taken the key of ${name}`);
  await network.runFor(1_000);
}

/** What a promise was rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it should have been rejected');
    },
    (error: unknown) => error,
  );
}

/** What a call came to, and how long it took in virtual ms. */
export async function timed<T>(network: SimNetwork, act: () => Promise<T>) {
  const startedAt = network.clock.elapsed();
  const result = await network.run(act, { timeoutMs: 600_000 });
  return { result, tookMs: network.clock.elapsed() - startedAt };
}

/** Everybody that a search confirms, by the names of the hosts. */
export async function search(network: SimNetwork, by: string): Promise<string[]> {
  const found: string[] = [];
  const names = new Map([...network.nodes.keys()].map((name) => [peerIdOf(network, name), name]));
  for await (const { peerId } of serviceOf(network, by).executors()) found.push(names.get(peerId) ?? peerId);
  return found.toSorted((a, b) => a.localeCompare(b));
}

/** The same, in virtual time. */
export const findAll = (network: SimNetwork, by: string): Promise<string[]> =>
  network.run(() => search(network, by), { timeoutMs: 120_000, what: `the search of ${by}` });

/** What an executor of a test offers. */
export const offer: ServiceType = { kind: 'executor', models: ['demo-small'], capacity: 4 };

/** Advertises on these nodes; gives when the last one was in the DHT, in ms. */
export async function advertiseAll(network: SimNetwork, names: readonly string[]): Promise<number> {
  const startedAt = network.clock.elapsed();
  const left = new Set(names);
  for (const name of names) {
    const service = serviceOf(network, name);
    service.addEventListener('service:advertised', () => left.delete(name));
    await network.run(service.advertiseService(offer));
  }
  await network.runUntil(() => left.size === 0, { what: 'every offer to be in the DHT' });
  return network.clock.elapsed() - startedAt;
}

/** Whom the DHT itself names to a node for a key. */
export async function stockProviders(network: SimNetwork, name: string, key: string): Promise<string[]> {
  const cid = CID.createV1(raw.code, await sha256.digest(new TextEncoder().encode(key)));
  return network.run(async () => {
    const named = new Set<string>();
    for await (const event of network.node(name).services.dht.findProviders(cid)) {
      if (event.name === 'PROVIDER') for (const { id } of event.providers) named.add(id.toString());
    }
    return [...named];
  });
}
