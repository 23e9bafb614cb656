import type { DegradedReason, MeshSize } from '../types.ts';
import { meshParameters } from './meshSize.ts';

/** More neighbours than that make no topic safer, however wide a mesh is: a hub is well long before it is full. */
const maxEnough = 6;

/** How many neighbours in the mesh of a topic are enough: with fewer, gossipsub fills it. */
export function enoughOf(size: MeshSize): number {
  return Math.min(maxEnough, meshParameters(size).Dlo);
}

/** Who could hear of a topic. */
export interface Links {
  readonly topicPeers: number;
  readonly meshPeers: number;
  /** See {@link enoughOf}. */
  readonly enough: number;
}

/** Why messages may not arrive; `undefined` when all is well. */
export function lackOf({ topicPeers, meshPeers, enough }: Links): DegradedReason | undefined {
  if (topicPeers === 0) return 'NO_PEERS';
  if (meshPeers === 0) return 'NO_MESH';
  return meshPeers < Math.min(enough, topicPeers) ? 'THIN_MESH' : undefined;
}

/** With so many subscribed peers and still no mesh, more would not help: something is held against this node. */
const maxWithoutMesh = 32;

/** Whether a topic has few peers, so that more are wanted whatever the mesh is. */
export function areFew({ topicPeers, enough }: Links): boolean {
  return topicPeers < enough;
}

/** Whether those that are there do not make a mesh, and others might. */
export function isMeshWanted(links: Links): boolean {
  return links.topicPeers < maxWithoutMesh && lackOf(links) !== undefined;
}
