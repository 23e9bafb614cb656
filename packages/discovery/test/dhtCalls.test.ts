import type { Connection } from '@libp2p/interface';
import { toMultiaddr, toPeerId } from '@lloom/core';
import { describe, expect, test } from 'vitest';
import { refuseRelayed, type DhtCallsComponents } from '../src/adapters/dhtCalls.ts';
import { peerIds } from './fakes.ts';

const peerId = toPeerId(peerIds.bob);
const direct = '/ip4/8.8.8.8/tcp/4001';
const throughRelay = `/ip4/9.9.9.9/tcp/4001/p2p/${peerIds.carol}/p2p-circuit`;

type Kind = 'direct' | 'limited' | 'closed';

const connectionOf = (kind: Kind): Connection =>
  ({
    status: kind === 'closed' ? 'closed' : 'open',
    ...(kind === 'limited' && { limits: { bytes: 1n } }),
  }) as unknown as Connection;

/** Asks whether the DHT may call a peer, with these connections to it and these addresses known. */
function call(open: readonly Kind[], known: readonly string[] | undefined): Promise<void> {
  const nobody = Object.assign(new Error('nobody'), { name: 'NotFoundError' });
  const addresses = known?.map((text) => ({ multiaddr: toMultiaddr(text), isCertified: false }));
  const components = {
    peerStore: { get: () => (addresses ? Promise.resolve({ addresses }) : Promise.reject(nobody)) },
    connectionManager: { getConnections: () => open.map(connectionOf) },
  } as unknown as DhtCallsComponents;
  return refuseRelayed(components, peerId);
}

describe('the DHT', () => {
  test('uses the direct connection that there is', async () => {
    await call(['closed', 'limited', 'direct'], [throughRelay]);
  });

  test('asks nobody whom a relay connects', async () => {
    await expect(call(['limited'], [direct, throughRelay])).rejects.toThrow('through a relay');
  });

  test('asks nobody who can be reached through relays only', async () => {
    await expect(call(['closed'], [throughRelay])).rejects.toThrow('through a relay only');
  });

  test.each([
    ['one that has a direct address', [throughRelay, direct]],
    ['one of whom nothing is known', undefined],
    ['one without an address', []],
  ] as const)('leaves it to libp2p to dial %s', async (_, known) => {
    await call([], known);
  });

  test('passes on that the peer store cannot be read', async () => {
    const components = {
      peerStore: { get: () => Promise.reject(new Error('damaged')) },
      connectionManager: { getConnections: () => [] },
    };
    await expect(refuseRelayed(components, peerId)).rejects.toThrow('damaged');
  });
});
