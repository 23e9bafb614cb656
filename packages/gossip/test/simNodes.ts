import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import type { PrivateKey } from '@libp2p/interface';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { createLibp2p } from 'libp2p';
import { gossip, type Gossip, type GossipConfig, type GossipPorts, type MessageKeys } from '../src/index.ts';

/** A link of half the planet: 50 ms one way. */
export const link = { delayMs: 50 };

/** Signs with nothing and believes everything: for simulations that are not about signatures. */
export const noKeys: MessageKeys = {
  signerOf: () => () => new Uint8Array(64),
  verifierOf: () => () => true,
};

export type SimGossipConfig = GossipConfig & GossipPorts & { readonly privateKey?: PrivateKey };

/** A node that gossips, on a simulated host. */
export function createSimNode(host: SimHost, { privateKey, ...config }: SimGossipConfig = {}) {
  const { clock, random } = host;
  return createLibp2p({
    privateKey: privateKey ?? host.privateKey,
    datastore: host.datastore,
    addresses: { listen: [host.address] },
    ...host.stack,
    connectionManager: { inboundConnectionThreshold: 1_000, maxIncomingPendingConnections: 100 },
    connectionMonitor: { pingInterval: 30_000, pingTimeout: { minTimeout: 25_000, maxTimeout: 25_000 } },
    services: { identify: identify(), ping: ping(), gossip: gossip({ clock, random, ...config }) },
  });
}

export type SimNode = Awaited<ReturnType<typeof createSimNode>>;
export type SimNetwork = TestNetwork<SimNode>;

export const gossipOf = (network: SimNetwork, name: string): Gossip => network.node(name).services.gossip;
export const idOf = (network: SimNetwork, name: string): string => network.node(name).peerId.toString();

/** Connects pairs of nodes, all at once. */
export async function connect(
  network: SimNetwork,
  pairs: readonly (readonly [from: string, to: string])[],
): Promise<void> {
  const dials = pairs.map(([from, to]) => network.node(from).dial(network.node(to).getMultiaddrs()));
  await network.run(() => Promise.all(dials));
}

/** The pairs of a star. */
export const spokes = (hub: string, leaves: readonly string[]): [string, string][] =>
  leaves.map((leaf) => [leaf, hub]);

/** Every pair of some nodes. */
export const everyPair = (names: readonly string[]): [string, string][] =>
  names.flatMap((name, at) => names.slice(at + 1).map((other): [string, string] => [name, other]));

/** Links of a random graph: each node to `degree` others, by a seed. */
export function randomPairs(names: readonly string[], degree: number, seed = 1): [string, string][] {
  let state = seed;
  const next = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 1) / 2 ** 31;
  const pairs = new Set<string>();
  for (const [at, name] of names.entries()) {
    for (let made = 0; made < degree; made++) {
      const to = Math.floor(next() * names.length);
      if (to !== at) pairs.add([name, names[to]!].toSorted((a, b) => a.localeCompare(b)).join(' '));
    }
  }
  return [...pairs].map((pair) => pair.split(' ') as [string, string]);
}

/** The topic of these tests. */
export const topic = 'test/1.0.0';

const text = (bytes: unknown): string => new TextDecoder().decode(bytes as Uint8Array);
export const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Who heard what, and when: from the moment it is made. */
export class Ledger {
  readonly #network: SimNetwork;
  readonly #heard = new Map<string, Map<string, number>>();
  readonly #sent = new Map<string, { readonly by: string; readonly atMs: number }>();
  readonly #names: readonly string[];
  /** How often somebody heard the same twice. */
  doubles = 0;

  constructor(network: SimNetwork, names: readonly string[]) {
    this.#network = network;
    this.#names = names;
    for (const name of names) {
      gossipOf(network, name).addEventListener('message:received', ({ detail }) => {
        if (detail.message.type !== 'custom') return;
        const id = text(detail.message.value);
        const heard = this.#heard.get(id) ?? new Map<string, number>();
        this.#heard.set(id, heard);
        if (heard.has(name)) this.doubles++;
        else heard.set(name, network.clock.elapsed());
      });
    }
  }

  /** Publishes without waiting for it. */
  publish(by: string, id: string): void {
    this.#sent.set(id, { by, atMs: this.#network.clock.elapsed() });
    void gossipOf(this.#network, by).publishMessage(topic, bytes(id));
  }

  /** Who heard a message. */
  heardBy(id: string): string[] {
    return [...(this.#heard.get(id)?.keys() ?? [])];
  }

  /** The share of messages and hearers that met within a time. */
  delivered(withinMs: number, names: readonly string[] = this.#names): number {
    let [met, wanted] = [0, 0];
    for (const [id, { by, atMs }] of this.#sent) {
      for (const name of names) {
        if (name === by) continue;
        wanted++;
        const heardAtMs = this.#heard.get(id)?.get(name) ?? Number.POSITIVE_INFINITY;
        if (heardAtMs - atMs <= withinMs) met++;
      }
    }
    return met / wanted;
  }
}

/** Subscribes nodes to the topic. */
export async function subscribeAll(network: SimNetwork, names: readonly string[]): Promise<void> {
  await network.run(() => Promise.all(names.map((name) => gossipOf(network, name).subscribeTopic(topic))));
}

/** What one node holds of another. */
export function scoreOf(network: SimNetwork, by: string, of: string): number {
  const scores = gossipOf(network, by).peerScores();
  return scores.find(({ peerId }) => peerId === idOf(network, of))?.score ?? 0;
}
