import { expect, it } from 'vitest';
import { MetPeers } from './metPeers.ts';

const addresses = ['/ip4/127.0.0.1/tcp/1'];

it('keeps where the last 256 peers were met, the last one first, and nobody without an address', () => {
  const met = new MetPeers();
  for (let at = 0; at < 300; at++) met.note({ peerId: `p${at}`, addresses });
  met.note({ peerId: 'p299', addresses: [] });
  met.note({ peerId: 'p100', addresses });
  const all = met.all.map(({ peerId }) => peerId);
  expect([all.length, all[0], all[1], all.at(-1)]).toEqual([255, 'p100', 'p298', 'p44']);
});
