import { LloomBehaviour, type NetworkConfig, type NodePorts, type ServiceType } from '@lloom/behaviour';
import type { SimHost } from '@lloom/simkit';
import type { ResolvedSimulation } from '../config.ts';
import { executorHandler, type Execution } from './executor.ts';
import { modelNode } from './modelNode.ts';
import type { SimNode } from './simNode.ts';

/** What a node is started with. */
export interface StartParts {
  readonly host: SimHost;
  readonly config: ResolvedSimulation;
  readonly bootstrapPeers: readonly string[];
  readonly onExecution: (execution: Execution) => void;
}

/** Starts a node, and has it do what its role does. */
export async function startNode(node: SimNode, parts: StartParts): Promise<LloomBehaviour> {
  const behaviour = await LloomBehaviour.create(node.identity, configOf(node, parts));
  try {
    await takeRole(node, behaviour, parts);
    return behaviour;
  } catch (error) {
    await behaviour.stop({ drainMs: 0 }).catch(() => undefined);
    throw error;
  }
}

/** What an executor offers now. */
export function offerOf(node: SimNode): ServiceType {
  const { models, capacity, announcedCapacity = capacity } = node.options;
  return { kind: 'executor', models, capacity: announcedCapacity, pricing: node.pricing };
}

async function takeRole(
  node: SimNode,
  behaviour: LloomBehaviour,
  { host, onExecution }: StartParts,
): Promise<void> {
  const { role, options } = node;
  if (role === 'executor') {
    behaviour.serve(executorHandler(node, { clock: host.clock, onExecution }), { canContinue: true });
    await behaviour.advertiseService(offerOf(node));
  } else if (role === 'validator') {
    await behaviour.advertiseService({ kind: 'validator', stake: options.stake });
  } else if (role === 'relay') {
    await behaviour.enableRelayServer();
  }
}

function configOf(node: SimNode, { host, config, bootstrapPeers }: StartParts): NetworkConfig & NodePorts {
  const { clock, random, stack, datastore, address } = host;
  const base: NetworkConfig = { listenAddresses: [address], addressPolicy: 'lan', bootstrapPeers };
  const { fidelity } = config;
  const { inspect } = node;
  const model = fidelity === 'model' ? modelNode(host, node.role) : undefined;
  return {
    ...merged(base, ownConfigOf(node), model?.config ?? {}, config.node, node.options.config),
    ...{ clock, random, stack, datastore, ...model?.ports },
    ...(inspect && { inspect }),
  };
}

/** An executor takes as many requests at the same time as it says, whatever it can really do. */
function ownConfigOf({ role, options }: SimNode): NetworkConfig {
  if (role !== 'executor') return {};
  const { capacity, announcedCapacity = capacity, queue } = options;
  const rpc = {
    capacity: Math.max(capacity, announcedCapacity),
    ...(queue !== undefined && { maxQueuedRequests: queue }),
  };
  return { packages: { rpc } };
}

/** The last one that says something of a field is right; of packages, field by field. */
function merged(...configs: readonly NetworkConfig[]): NetworkConfig {
  const packages: Record<string, object> = {};
  for (const config of configs) {
    for (const [name, fields] of Object.entries(config.packages ?? {})) {
      packages[name] = { ...packages[name], ...(fields as object) };
    }
  }
  return { ...Object.assign({}, ...configs), packages } as NetworkConfig;
}
