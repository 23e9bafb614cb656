import { expect, test } from 'vitest';
import type { SimNode } from './simNode.ts';
import { allDiscovered, connectedShare, connectionsOf, discoveredShare } from './view.ts';

/** Nodes that hold connections to the places that are named. */
const nodesWith = (held: readonly (readonly number[])[]): SimNode[] =>
  held.map(
    (places, index) =>
      ({
        ...{ peerId: `p${index}`, index, known: new Set() },
        behaviour: {
          connectedPeers: () => [...places.map((place) => `p${place}`), 'stranger'],
          peerInfo: () => undefined,
        },
      }) as unknown as SimNode,
  );

test('a connection counts when both ends hold it', () => {
  const connections = connectionsOf(nodesWith([[1, 2, 2], [0], [1], []]));
  expect(connections.links).toEqual([[0, 1]]);
  expect(connectedShare(connections)).toBe(0.5);
});

test('one node alone is connected and knows all; no nodes are and know nothing', () => {
  const [none, one] = [nodesWith([]), nodesWith([[]])];
  expect([connectedShare(connectionsOf(none)), discoveredShare(none), allDiscovered(none)]).toEqual([
    0,
    0,
    false,
  ]);
  expect([connectedShare(connectionsOf(one)), discoveredShare(one), allDiscovered(one)]).toEqual([
    1,
    1,
    true,
  ]);
});
