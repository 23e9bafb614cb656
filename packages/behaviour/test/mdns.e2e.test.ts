import { describe, expect, test } from 'vitest';
import { canIsolate, localStory } from './localNetwork.ts';
import { createNode } from './nodes.ts';

// Without a network namespace nothing is sent: these tests are skipped by name.
describe.skipIf(!canIsolate)('in a network that has only lo (needs unshare and ip)', () => {
  test('two nodes that know nobody find and serve each other, until one stops and expires', async () => {
    const { expired, found, peerIds, providers, wasThere } = await localStory();
    const [client, executor] = peerIds;
    expect(found).toEqual([executor, client]);
    expect(providers).toEqual([executor]);
    expect({ wasThere, expired }).toEqual({ wasThere: true, expired: executor });
  });
});

test('under the policy loopback nothing is announced unless it is asked for', async () => {
  const node = await createNode();
  expect(node.mdns).toBeUndefined();
});
