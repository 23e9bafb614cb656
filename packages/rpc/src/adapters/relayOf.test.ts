import { multiaddr } from '@multiformats/multiaddr';
import { expect, test } from 'vitest';
import { relayOf } from './relayOf.ts';

const relay = '12D3KooWCp1tCweCvJ2TUMUEN2wPZSe7JPo4aCny9bERmEoZgoBk';
const peer = '12D3KooWBmAwcd4PJNJvfV89HwE48nwkRmAgo8Vy3uQEyNNHBox2';
const hop = `/ip4/192.0.2.1/tcp/4001/p2p/${relay}`;

test.each([
  ['one through a relay', `${hop}/p2p-circuit/p2p/${peer}`, relay],
  ['one through a relay that does not say to whom', `${hop}/p2p-circuit`, relay],
  ['one through a relay that is not named', `/ip4/192.0.2.1/tcp/4001/p2p-circuit/p2p/${peer}`, undefined],
  ['one that is nothing but a circuit', `/p2p-circuit/p2p/${peer}`, undefined],
])('the relay of a connection is read from its address: %s', (_, address, expected) => {
  expect(relayOf({ id: '1', direct: false, remoteAddr: multiaddr(address) })).toBe(expected);
});

test('a direct connection has no relay', () => {
  expect(relayOf({ id: '1', direct: true, remoteAddr: multiaddr(hop) })).toBeUndefined();
});
