import type { Multiaddr } from '@multiformats/multiaddr';
import { toMultiaddr } from '@lloom/core';
import { expect, test } from 'vitest';
import { Dialing } from '../src/adapters/dialing.ts';
import type { PeersComponents } from '../src/ports.ts';
import { larger, smaller } from './fakes.ts';

const direct = `/ip4/8.8.8.8/tcp/4001/p2p/${larger}`;
const throughRelay = `/ip4/9.9.9.9/tcp/4001/p2p/${smaller}/p2p-circuit/p2p/${larger}`;
const other = `/ip4/8.8.4.4/tcp/4001/p2p/${larger}`;

/** Where a renewal of the connections that lead to these addresses is dialled. */
async function renewed(open: readonly string[], known: readonly string[]): Promise<string[]> {
  const dialled: string[] = [];
  const components = {
    connectionManager: {
      getConnections: () =>
        open.map((text) => ({ direction: 'outbound', status: 'open', remoteAddr: toMultiaddr(text) })),
      openConnection: (targets: readonly Multiaddr[]) => {
        dialled.push(...targets.map(String));
        return Promise.resolve();
      },
    },
    peerStore: {
      get: () => Promise.resolve({ addresses: known.map((text) => ({ multiaddr: toMultiaddr(text) })) }),
    },
  } as unknown as PeersComponents;
  const { signal } = new AbortController();
  await new Dialing(components, () => undefined).dial({
    peerId: larger,
    addresses: [],
    isRenewal: true,
    signal,
  });
  return dialled;
}

test('a direct connection is not renewed through a relay', async () => {
  expect(await renewed([direct], [throughRelay, other])).toEqual([direct, other]);
});

test('a relayed connection is renewed however it goes', async () => {
  expect(await renewed([throughRelay], [throughRelay, other])).toEqual([throughRelay, other]);
});
