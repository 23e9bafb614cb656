import { seededRandom } from '@lloom/simkit';
import type { ResolvedSimulation } from '../config.ts';
import type { SimNode } from './simNode.ts';

/** So many nodes share one that they join through. */
const nodesPerBootstrap = 50;
/** Each has twice as many neighbours in the mean: what a mesh of gossip wants. A connection is most of what a node costs to start. */
const drawnPeers = 3;

/**
 * The addresses that a node is given to begin with: of `started`, which have been started before, in that order.
 * Whoever starts first is given none; when it comes back, those of nodes that have come after it.
 */
export function bootstrapOf(
  node: SimNode,
  started: readonly SimNode[],
  { topology, numNodes, seed }: ResolvedSimulation,
): readonly string[] {
  const others = started.filter((other) => other !== node);
  return addressesOf(chosen());

  function chosen(): readonly SimNode[] {
    if (typeof topology !== 'string') {
      const wanted = topology.filter(([one]) => one === node.name).map(([, other]) => other);
      return others.filter(({ name }) => wanted.includes(name));
    }
    if (topology === 'ring') return beforeIn(started, node);
    if (topology === 'random') return drawn(others, `${seed}/topology/${node.name}`);
    const doors = started.slice(0, Math.ceil(numNodes / nodesPerBootstrap)).filter((door) => door !== node);
    return doors.length > 0 ? doors : others.slice(0, 1);
  }
}

/** Who was given a pair with a node that starts only now: they are told its address. */
export function waitingFor(
  node: SimNode,
  started: readonly SimNode[],
  { topology }: ResolvedSimulation,
): readonly SimNode[] {
  if (typeof topology === 'string') return [];
  const waiting = topology.filter(([, other]) => other === node.name).map(([one]) => one);
  return started.filter(({ name, isUp }) => isUp && waiting.includes(name));
}

function beforeIn(started: readonly SimNode[], node: SimNode): readonly SimNode[] {
  const place = started.indexOf(node);
  // A node that starts for the first time stands behind all others.
  const before = started.at(place === -1 ? -1 : place - 1);
  return before === undefined || before === node ? [] : [before];
}

function drawn(others: readonly SimNode[], seed: string): readonly SimNode[] {
  const random = seededRandom(seed);
  const left = [...others];
  const count = Math.min(drawnPeers, left.length);
  return Array.from({ length: count }, () => left.splice(Math.floor(random.float() * left.length), 1)[0]!);
}

const addressesOf = (nodes: readonly SimNode[]): readonly string[] =>
  nodes.flatMap(({ address }) => (address === undefined ? [] : [address]));
