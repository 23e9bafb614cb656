import type { SimHost } from '@lloom/simkit';
import { Identity, LloomBehaviour, type Hex, type NetworkConfig } from '../src/index.ts';
import { question } from './nodes.ts';

/** A link of half the planet: 50 ms one way, one segment of a hundred is lost. */
export const planet = { delayMs: 50, lossRatio: 0.01 };

/** Who lives on a host: follows from the seed of the network. */
export const identityOf = ({ keyBytes }: SimHost): Identity =>
  Identity.fromPrivateKey(`0x${Buffer.from(keyBytes).toString('hex')}` as Hex);

/** A node on a simulated host, and who it is; what is not given is as in production. */
export async function createSimNode(host: SimHost, config: NetworkConfig = {}, identity = identityOf(host)) {
  const { clock, random, stack, datastore, address } = host;
  const behaviour = await LloomBehaviour.create(identity, {
    listenAddresses: [address],
    addressPolicy: 'lan',
    ...config,
    clock,
    random,
    stack,
    datastore,
  });
  return Object.assign(behaviour, { identity });
}

export type SimNode = Awaited<ReturnType<typeof createSimNode>>;

/** Builds nodes that all know the address of the first one that runs, and of nobody else. */
export function star(config: (name: string) => NetworkConfig = () => ({}), identify = identityOf) {
  let bootstrapPeers: string[] | undefined;
  return async (host: SimHost): Promise<SimNode> => {
    const own = `${host.address}/p2p/${identityOf(host).peerId}`;
    bootstrapPeers ??= [own];
    const others = bootstrapPeers.filter((address) => address !== own);
    return createSimNode(host, { bootstrapPeers: others, ...config(host.name) }, identify(host));
  };
}

/** An executor that takes `thinkMs` for its answer. */
export async function serve(node: SimNode, clock: SimHost['clock'], thinkMs = 200): Promise<void> {
  node.serve(async function* () {
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.setTimeout(() => resolve(), thinkMs);
    yield 'to be ';
    await promise;
    yield 'or not';
    yield { inboundTokens: 4, totalCost: '8' };
  });
  await node.advertiseService({ kind: 'executor', models: ['demo-small'], capacity: 4 });
}

/** Finds an executor and asks it; gives what it answered and who it was. */
export async function findAndAsk(client: SimNode): Promise<{ readonly by: string; readonly text: string }> {
  const [provider] = await client.requireModelProviders('demo-small', { limit: 1 });
  const by = provider!.peerId;
  const { content } = await client.stream(by, await question(client.identity, by)).result;
  return { by, text: content };
}

/** What a promise was rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('Expected a failure');
    },
    (error: unknown) => error,
  );
}
