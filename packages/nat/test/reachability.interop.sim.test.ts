import { autoNATv2 } from '@libp2p/autonat-v2';
import { test } from '@lloom/simkit/vitest';
import { multiaddr } from '@multiformats/multiaddr';
import { expect } from 'vitest';
import type { SimHost } from '@lloom/simkit';
import { Outside } from './outside.ts';
import { createSimNode, kindOf } from './reachable.ts';

for (const fidelity of ['fast', 'full'] as const) {
  for (const stock of ['a', 'b']) {
    const roles = stock === 'a' ? 'asks a server of ours' : 'answers a client of ours';
    test(`AutoNAT v2 of libp2p ${roles} (${fidelity})`, async ({ createNetwork }) => {
      const outside = new Outside();
      for (const name of ['a', 'b']) outside.global.add(name);
      const createNode = (host: SimHost) => {
        const isStock = host.name === stock;
        return createSimNode(
          host,
          { autonat: isStock ? false : { onlyGlobalIps: true, enableServer: host.name === 'b' } },
          {
            ...outside.stackOf(host),
            addresses: { listen: [outside.listenOf(host)] },
            ...(isStock && { services: { autonat: autoNATv2() } as never }),
          },
        );
      };
      const network = await createNetwork({ nodes: ['a', 'b'], link: { delayMs: 5 }, fidelity, createNode });
      const [a, b] = [network.node('a'), network.node('b')];
      expect(a.getMultiaddrs()).toEqual([]);

      await network.run(() => a.dial(multiaddr(`/ip4/45.0.0.2/tcp/4001/p2p/${b.peerId.toString()}`)));
      await network.runFor(1_500);
      expect(a.getMultiaddrs().map(String)).toEqual([`/ip4/45.0.0.1/tcp/4001/p2p/${a.peerId.toString()}`]);
      if (stock === 'b') expect(kindOf(a)).toBe('public');
      expect(a.getConnections()).toHaveLength(1);
    });
  }
}
