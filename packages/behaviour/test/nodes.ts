import { onTestFinished } from 'vitest';
import {
  Identity,
  LloomBehaviour,
  type AnswerMessage,
  type LlmRequestInput,
  type LloomEvent,
  type NetworkConfig,
  type NodePorts,
} from '../src/index.ts';

/** A node on loopback that is stopped with the test. */
export async function createNode(config: NetworkConfig & NodePorts = {}, identity = Identity.generate()) {
  const behaviour = await LloomBehaviour.create(identity, { addressPolicy: 'loopback', ...config });
  onTestFinished(async () => behaviour.stop({ drainMs: 0 }));
  return Object.assign(behaviour, { identity });
}

/** Such a node. */
export type Node = Awaited<ReturnType<typeof createNode>>;

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

/** What an executor of these tests offers. */
export const offer = {
  kind: 'executor',
  models: ['demo-small'],
  capacity: 4,
  pricing: { inboundPrice: '1', outboundPrice: '2' },
} as const;

/** Two nodes of one network, joined. */
export async function pair(): Promise<[Node, Node, Node]> {
  const { validator, nodes } = await createNetwork(2);
  return [nodes[0]!, nodes[1]!, validator];
}

/** Resolves with the next event of a type that fits. */
export function next<T extends LloomEvent['type']>(
  node: LloomBehaviour,
  type: T,
  fits: (event: Extract<LloomEvent, { type: T }>) => boolean = () => true,
): Promise<Extract<LloomEvent, { type: T }>> {
  return new Promise((resolve) => {
    node.addEventListener(type, ({ detail }) => {
      const event = { type, ...detail } as unknown as Extract<LloomEvent, { type: T }>;
      if (fits(event)) resolve(event);
    });
  });
}

/** Advertises and waits until others can find it. */
export async function advertise(
  node: Node,
  service: Parameters<Node['advertiseService']>[0] = offer,
): Promise<void> {
  const published = next(node, 'service:advertised');
  await node.advertiseService(service);
  await published;
}

/** An answer in one piece. */
export const wholeAnswer = (content: string): AnswerMessage => ({
  type: 'llmResponse',
  response: {
    content,
    finishReason: 'stop',
    inboundTokens: 1,
    outboundTokens: 1,
    totalCost: '3',
    modelUsed: 'demo-small',
  },
});
