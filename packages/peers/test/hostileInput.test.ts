import { AddressError, ConfigError, toPeerId } from '@lloom/core';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';

import type { Peers } from '../src/api.ts';
import { fakeNodes } from './fakeNode.ts';
import { larger } from './fakes.ts';

const { createNode } = fakeNodes();
const address = '/ip4/8.8.8.8/tcp/1';

describe('what no call can mean', () => {
  const calls: readonly (readonly [
    string,
    typeof ConfigError | typeof AddressError,
    (peers: Peers) => unknown,
  ])[] = [
    ['null for addresses', AddressError, (peers) => peers.dialPeer(larger, null as never)],
    ['an object for addresses', AddressError, (peers) => peers.dialPeer(larger, {} as never)],
    ['null for how to dial', ConfigError, (peers) => peers.dialPeer(larger, [], null as never)],
    ['a text for a signal', ConfigError, (peers) => peers.dialPeer(larger, [], { signal: 'x' as never })],
    ['nobody who told', ConfigError, (peers) => peers.dialPeer(larger, [], { toldBy: 'bogus' as never })],
    ['a misspelt field', ConfigError, (peers) => peers.dialPeer(larger, [], { toldby: 'user' } as never)],
    ['a number for a reason', ConfigError, (peers) => peers.banPeer(larger, 1, 42 as never)],
    ['an object for a reason', ConfigError, (peers) => peers.banPeer(larger, 1, {} as never)],
    ['no duration', ConfigError, (peers) => peers.banPeer(larger, undefined as never)],
    ['no limits', ConfigError, (peers) => peers.setConnectionLimits(undefined as never)],
    ['null for limits', ConfigError, (peers) => peers.setConnectionLimits(null as never)],
    ['null for a pool', ConfigError, (peers) => peers.setConnectionPool(null as never)],
    ['a list of roles', ConfigError, (peers) => peers.setConnectionPool({ roles: [] as never })],
    ['nobody who did something', AddressError, (peers) => peers.reportPeer(null as never, 'FLOOD')],
    ['nothing that was done', ConfigError, (peers) => peers.reportPeer(larger, undefined as never)],
    ['something that nobody knows', ConfigError, (peers) => peers.reportPeer(larger, 'toString' as never)],
    ['nobody to think of', AddressError, (peers) => peers.reputationOf(null as never)],
    ['null for an address', AddressError, (peers) => peers.addPeerAddr(larger, null as never)],
    ['null for an address to remove', AddressError, (peers) => peers.removePeerAddr(larger, null as never)],
  ];

  it.each(calls)('is told as such, and changes nothing: %s', async (_, kind, call) => {
    const { network, peers } = createNode();
    const before = peers.connectionLimits;
    await expect((async () => call(peers))()).rejects.toBeInstanceOf(kind);
    expect([network.dials, peers.bannedPeers(), peers.reputationOf(larger)]).toEqual([[], [], 0]);
    expect([peers.connectionLimits, peers.connectionPool]).toEqual([before, undefined]);
  });
});

describe('what a call may be given', () => {
  it.each([address, multiaddr(address)])('is one address in place of a list: %s', async (given) => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger, given, { signal: undefined as never });
    expect(network.lastDial.addresses).toEqual([`${address}/p2p/${larger}`]);
    network.open(larger);
    await connected;
  });

  it('is a peer id or its text when somebody is judged', () => {
    const { peers } = createNode();
    peers.reportPeer(toPeerId(larger), 'FLOOD');
    expect(peers.reputationOf(toPeerId(larger))).toBe(peers.reputationOf(larger));
    expect(peers.reputationOf(larger)).toBeLessThan(0);
  });
});
