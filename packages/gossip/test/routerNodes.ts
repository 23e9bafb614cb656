import { generateKeyPairFromSeed, privateKeyFromRaw } from '@libp2p/crypto/keys';
import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { serviceCapabilities, serviceDependencies, type PrivateKey } from '@libp2p/interface';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { createLibp2p } from 'libp2p';
import { PubsubRouter, type GossipComponents } from '../src/adapters/router.ts';
import { resolveGossipConfig, type GossipConfig } from '../src/config.ts';
import type { GossipPorts, Incoming, Judgement, RouterWatcher } from '../src/ports.ts';

/** A watcher that accepts everything, and writes down what it is told. */
export class FakeWatcher implements RouterWatcher {
  readonly received: Incoming[] = [];
  readonly delivered: string[] = [];
  readonly dropped: string[] = [];
  readonly links: string[] = [];
  readonly violations: string[] = [];
  judge: (message: Incoming) => Judgement | Promise<Judgement> = (message) => this.accept(message);

  accept(message: Incoming): Judgement {
    this.received.push(message);
    const text = Buffer.from(message.data).toString();
    return { verdict: 'accept', deliver: () => void this.delivered.push(text) };
  }

  onDropped(_source: string, reason: string): void {
    this.dropped.push(reason);
  }

  onLinks(topic: string): void {
    this.links.push(topic);
  }

  onViolation(peerId: string): void {
    this.violations.push(peerId);
  }
}

/** The router alone, as a service of a node. */
export class RouterService {
  readonly router: PubsubRouter;
  readonly watcher = new FakeWatcher();
  readonly [serviceDependencies] = ['@libp2p/identify'];
  readonly [serviceCapabilities] = ['@libp2p/pubsub'];

  constructor(
    components: GossipComponents,
    input: GossipConfig & GossipPorts,
    scoreOf: (id: string) => number,
  ) {
    this.router = new PubsubRouter(components, { ...resolveGossipConfig(input), scoreOf });
  }

  start(): Promise<void> {
    return this.router.start(this.watcher);
  }

  stop(): Promise<void> {
    return this.router.stop();
  }
}

export const routerService =
  (input: GossipConfig & GossipPorts = {}, scoreOf: (id: string) => number = () => 0) =>
  (components: GossipComponents): RouterService =>
    new RouterService(components, input, scoreOf);

/** A key of either kind that follows from a host. */
export async function keyOf({ keyBytes }: SimHost, kind: 'Ed25519' | 'secp256k1'): Promise<PrivateKey> {
  return kind === 'Ed25519' ? generateKeyPairFromSeed('Ed25519', keyBytes) : privateKeyFromRaw(keyBytes);
}

const base = (host: SimHost, privateKey: PrivateKey) => ({
  privateKey,
  addresses: { listen: [host.address] },
  ...host.stack,
  connectionManager: { inboundConnectionThreshold: 1_000, maxIncomingPendingConnections: 100 },
  connectionMonitor: { enabled: false },
});

/** A node with the router on a simulated host. */
export async function createRouterNode(
  host: SimHost,
  input: GossipConfig & GossipPorts = {},
  kind: 'Ed25519' | 'secp256k1' = 'Ed25519',
) {
  const { clock, random } = host;
  const services = { identify: identify(), gossip: routerService({ clock, random, ...input }) };
  return createLibp2p({ ...base(host, await keyOf(host, kind)), services });
}

/** A node with gossipsub as it is. */
export async function createStockNode(
  host: SimHost,
  input: Parameters<typeof gossipsub>[0] = {},
  kind: 'Ed25519' | 'secp256k1' = 'Ed25519',
) {
  const services = { identify: identify(), pubsub: gossipsub(input) };
  return createLibp2p({ ...base(host, await keyOf(host, kind)), services });
}

export type RouterNode = Awaited<ReturnType<typeof createRouterNode>>;
export type StockNode = Awaited<ReturnType<typeof createStockNode>>;
export type AnyNode = RouterNode | StockNode;

/** Connects nodes of a network, and lets them get to know each other. */
export async function connect(
  network: TestNetwork<AnyNode>,
  ...pairs: readonly (readonly [string, string])[]
): Promise<void> {
  for (const [from, to] of pairs)
    await network.run(() => network.node(from).dial(network.node(to).getMultiaddrs()));
  await network.runFor(200);
}

/** The service of a node that has one. */
export function serviceOf(network: TestNetwork<AnyNode>, name: string): RouterService {
  const { services } = network.node(name);
  if (!('gossip' in services)) throw new Error(`${name} has gossipsub as it is`);
  return services.gossip;
}

export const bytes = (text: string): Uint8Array => Buffer.from(text);

/** What a promise was rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it should have been rejected');
    },
    (error: unknown) => error,
  );
}
