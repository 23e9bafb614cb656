import { onTestFinished } from 'vitest';
import {
  Identity,
  LloomBehaviour,
  type LlmRequestInput,
  type NetworkConfig,
  type NodePorts,
} from '../src/index.ts';

/** A node on loopback that is stopped with the test. */
export async function createNode(config: NetworkConfig & NodePorts = {}, identity = Identity.generate()) {
  const behaviour = await LloomBehaviour.create(identity, { addressPolicy: 'loopback', ...config });
  onTestFinished(async () => behaviour.stop({ drainMs: 0 }));
  return Object.assign(behaviour, { identity });
}

/** A validator that is the bootstrap peer, and nodes that know its address alone, all joined. */
export async function createNetwork(count: number, config: NetworkConfig = {}) {
  const validator = await createNode();
  const bootstrapPeers = validator.listenedAddresses().map((address) => `${address}/p2p/${validator.peerId}`);
  const nodes = await Promise.all(
    Array.from({ length: count }, () => createNode({ ...config, bootstrapPeers })),
  );
  await Promise.all(nodes.map((node) => node.bootstrap()));
  return { validator, nodes, bootstrapPeers };
}

/** A question, signed by `from` for the peer `to`. */
export async function question(from: Identity, to: string, input: Partial<LlmRequestInput> = {}) {
  const request = await from.sign({ model: 'demo-small', prompt: 'Hello', ...input }, { to });
  return { type: 'llmRequest', request } as const;
}

/** What a promise was rejected with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('Expected a failure');
    },
    (error: unknown) => error,
  );
}
