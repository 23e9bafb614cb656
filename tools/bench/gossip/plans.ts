import type { NetworkPlan } from './network.ts';
import type { KeyType, NodePlan, StackName } from './node.ts';

/** Everybody is connected to everybody. */
const allLinks = (count: number): NetworkPlan['links'] =>
  Array.from({ length: count }, (_, from) =>
    Array.from({ length: from }, (__, to) => [from, to] as const),
  ).flat();

/** Spreads nodes evenly over processes. */
function partsOf(count: number, of: number, plan: (number: number) => NodePlan): NodePlan[][] {
  const size = count / of;
  return Array.from({ length: of }, (_, part) =>
    Array.from({ length: size }, (__, node) => plan(part * size + node)),
  );
}

/** How many nodes the figures of speed are of. */
export const fastCount = 10;

/** Nodes that are all connected, in two processes, which may publish as much as they can. */
export const fastPlan = (stack: StackName, keyType: KeyType): NetworkPlan => ({
  parts: partsOf(fastCount, 2, (number) => ({ stack, keyType, number, maxMessagesPerSecond: 1_000_000 })),
  links: allLinks(fastCount),
});

/** How many know only the hub. */
export const leafCount = 40;

/** A hub in a process of its own, and those who know only it in two. */
export const starPlan = (stack: StackName): NetworkPlan => ({
  parts: [
    [{ stack, keyType: 'secp256k1', number: 0, isHub: true }],
    ...partsOf(leafCount, 2, (number) => ({ stack, keyType: 'secp256k1', number: number + 1 })),
  ],
  links: Array.from({ length: leafCount }, (_, leaf) => [leaf + 1, 0]),
});

/** How many nodes share an address. */
export const sharingCount = 20;

/** Nodes at one address, all of them connected, in two processes. */
export const oneIpPlan = (stack: StackName): NetworkPlan => ({
  parts: partsOf(sharingCount, 2, (number) => ({
    stack,
    keyType: 'secp256k1',
    number,
    countsAddresses: true,
  })),
  links: allLinks(sharingCount),
});
