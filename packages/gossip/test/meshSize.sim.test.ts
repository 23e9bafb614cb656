import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import {
  connect,
  createSimNode,
  everyPair,
  gossipOf,
  link,
  noKeys,
  subscribeAll,
  topic,
} from './simNodes.ts';

const names = Array.from({ length: 14 }, (_, at) => `n${at}`);

test('meshes become as large and as small as they are told to be, within a few heartbeats', async ({
  createNetwork,
}) => {
  const network = await createNetwork({
    nodes: names,
    link,
    createNode: (host) => createSimNode(host, { keys: noKeys, meshSize: { target: 6, high: 6 } }),
  });
  await subscribeAll(network, names);
  await connect(network, everyPair(names));
  // Until those who were refused, because a mesh was full, are not barred any more.
  await network.runFor(75_000);
  const sizes = (): number[] => names.map((name) => gossipOf(network, name).gossipsubMeshPeers(topic).length);
  expect(Math.max(...sizes())).toBeLessThanOrEqual(6);
  // Six are above the D_lo of eight.
  for (const name of names) gossipOf(network, name).setGossipsubMeshSize(8, 12);
  await network.runFor(3_000);
  expect(Math.min(...sizes())).toBeGreaterThanOrEqual(8);
  for (const name of names) gossipOf(network, name).setGossipsubMeshSize(2, 3);
  await network.runFor(3_000);
  expect(Math.max(...sizes())).toBeLessThanOrEqual(3);
});
