// One simulation, or several of one seed, in a process of its own. Prints what it measured as one line of JSON.
import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import { Identity, LloomBehaviour } from '@lloom/behaviour';
import { createTestNetwork, type Fidelity, type SimHost, type TestNetwork } from '@lloom/simkit';
import { createLibp2p } from 'libp2p';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';

/** What one run took, and what came of it. */
export interface Measured {
  readonly realMs: number;
  readonly cpuMs: number;
  readonly hash: string;
  readonly events: number;
  /** Which share of lookups found anybody. */
  readonly found: number;
}

const link = { delayMs: 50, lossRatio: 0.01 };
const model = 'demo-small';
const now = performance.now.bind(performance);

const hexOf = (bytes: Uint8Array): `0x${string}` => `0x${Buffer.from(bytes).toString('hex')}`;

function createLloomNode(
  { keyBytes, address, stack, clock, random }: SimHost,
  others: ReadonlyMap<string, LloomBehaviour>,
): Promise<LloomBehaviour> {
  const [first] = others.values();
  return LloomBehaviour.create(Identity.fromPrivateKey(hexOf(keyBytes)), {
    addressPolicy: 'lan',
    listenAddresses: [address],
    bootstrapPeers: (first?.listenedAddresses() ?? []).map((at) => `${at}/p2p/${first!.peerId}`),
    stack,
    clock,
    random,
  });
}

interface LloomConfig {
  readonly nodes: number;
  readonly virtualMs: number;
  readonly fidelity: Fidelity;
  /** Whether jitter, a partition and a crash befall them. */
  readonly hasFaults?: boolean;
}

/** Half of the nodes offer a model, the others look for it, all of them ours. */
async function lloom(config: LloomConfig): Promise<Measured> {
  const { nodes: count, virtualMs, fidelity, hasFaults = false } = config;
  const way = hasFaults ? { ...link, jitterMs: 20 } : link;
  return measure(
    () => createTestNetwork({ nodes: count, link: way, fidelity, createNode: createLloomNode }),
    async (network) => {
      const nodes = [...network.nodes.values()];
      const executors = nodes.slice(0, count / 2);
      const clients = nodes.slice(count / 2);
      const service = { kind: 'executor', models: [model], capacity: 4 } as const;
      if (hasFaults) planFaults(network);
      await network.run(() => Promise.all(executors.map((node) => node.advertiseService(service))));
      await network.runFor(virtualMs);
      const found = await network.run(() =>
        Promise.all(clients.map((node) => node.findModelProviders(model))),
      );
      return found.filter((providers) => providers.length > 0).length / found.length;
    },
  );
}

function planFaults<N extends LloomBehaviour>(network: TestNetwork<N>): void {
  network.at(2_000, () => network.partition(['n0', 'n1'], ['n2', 'n3']));
  network.at(4_000, () => network.heal());
  network.at(5_000, () => network.crash('n1', { isSilent: true }));
  network.at(7_000, async () => network.restart('n1'));
}

const createStockNode = ({ privateKey, address, stack, datastore }: SimHost) =>
  createLibp2p({
    privateKey,
    datastore,
    addresses: { listen: [address] },
    ...stack,
    services: {
      identify: identify(),
      ping: ping(),
      pubsub: gossipsub(),
      dht: kadDHT({
        protocol: '/bench/kad/1.0.0',
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        allowQueryWithZeroPeers: true,
        initialQuerySelfInterval: 1_000,
      }),
    },
  });

/** Nodes of libp2p with all its services, each dialling four others, with ten provides and ten lookups at the end. */
async function stock(count: number, fidelity: Fidelity): Promise<Measured> {
  return measure(
    () => createTestNetwork({ nodes: count, link, fidelity, createNode: createStockNode }),
    async (network) => {
      const nodes = [...network.nodes.values()];
      for (const [index, node] of nodes.entries()) {
        for (const step of [1, 7, 13, 19]) {
          const other = nodes[(index + step) % nodes.length]!;
          await network.run(() => node.dial(other.getMultiaddrs()));
        }
      }
      for (const node of nodes) node.services.pubsub.subscribe('bench');
      await network.runFor(30_000);
      const keys = await network.run(() =>
        Promise.all(Array.from({ length: 10 }, async (_, index) => cidOf(`service ${index}`))),
      );
      for (const [index, key] of keys.entries()) {
        await network.run(() => nodes[index]!.contentRouting.provide(key), { timeoutMs: 600_000 });
      }
      let found = 0;
      for (const [index, key] of keys.entries()) {
        const isFound = await network.run(
          async () => {
            for await (const _ of nodes[nodes.length - 1 - index]!.contentRouting.findProviders(key))
              return true;
            return false;
          },
          { timeoutMs: 600_000 },
        );
        if (isFound) found += 1;
      }
      return found / keys.length;
    },
  );
}

async function cidOf(text: string): Promise<CID> {
  return CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(text)));
}

async function measure<N extends { stop(): unknown }>(
  create: () => Promise<TestNetwork<N>>,
  act: (network: TestNetwork<N>) => Promise<number>,
): Promise<Measured> {
  const start = now();
  const before = process.cpuUsage();
  const network = await create();
  const found = await act(network);
  const { user, system } = process.cpuUsage(before);
  const measured = {
    realMs: now() - start,
    cpuMs: (user + system) / 1_000,
    hash: network.trace.hash(),
    events: network.trace.length,
    found,
  };
  await network.stop();
  if (found < 1) throw new Error(`Only ${found} of the lookups found anybody`);
  return measured;
}

const scenarios: Readonly<Record<string, () => Promise<Measured>>> = {
  scenario10: () => lloom({ nodes: 10, virtualMs: 30_000, fidelity: 'fast' }),
  scenario10full: () => lloom({ nodes: 10, virtualMs: 30_000, fidelity: 'full' }),
  lloom50: () => lloom({ nodes: 50, virtualMs: 30_000, fidelity: 'fast' }),
  full50: () => stock(50, 'full'),
  full50fast: () => stock(50, 'fast'),
  determinism: () => lloom({ nodes: 4, virtualMs: 10_000, fidelity: 'full', hasFaults: true }),
};

const [name = '', repeats = '1'] = process.argv.slice(2);
const scenario = scenarios[name];
if (scenario === undefined) throw new Error(`There is no scenario "${name}"`);
const all: Measured[] = [];
for (let repeat = 0; repeat < Number(repeats); repeat += 1) all.push(await scenario());
process.stdout.write(`${JSON.stringify(all)}\n`);
