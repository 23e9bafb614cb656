import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';

import { createPeers } from '../src/peers.ts';
import { codeOf, fakeNodes, type FakeNode } from './fakeNode.ts';
import { FakeNetwork, FakeStore, larger, self, smaller, turn } from './fakes.ts';

const { createNode, prepareNode } = fakeNodes();
const address = '/ip4/192.168.0.7/tcp/4001';

describe('address policy', () => {
  const isRefused = (node: FakeNode, text: string): boolean =>
    node.network.gate.refusesAddress(multiaddr(text)) !== undefined;

  it('holds for what others tell, and lets the user name what he likes', async () => {
    const node = createNode();
    expect(isRefused(node, `${address}/p2p/${larger}`)).toBe(true);
    const connected = node.peers.dialPeer(larger, [address]);
    expect(isRefused(node, `${address}/p2p/${larger}`)).toBe(false);
    expect(isRefused(node, `${address}/p2p/${smaller}`)).toBe(true);
    node.network.open(larger);
    await connected;
    node.network.lastDial.end();
    await turn();
    expect(isRefused(node, `${address}/p2p/${larger}`)).toBe(true);
  });

  it('lets neighbours be where the local network says they are', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger, [address], { toldBy: 'neighbours' });
    expect(network.lastDial.addresses).toEqual([`${address}/p2p/${larger}`]);
    network.open(larger);
    await connected;
  });

  it('holds for the addresses of a dial that others have told', async () => {
    const { network, peers } = createNode();
    const dial = (...addresses: string[]) => peers.dialPeer(larger, addresses, { toldBy: 'peers' });
    await expect(codeOf(dial(address))).resolves.toBe('ADDRESS_REFUSED');
    const connected = dial(address, '/ip4/8.8.8.8/tcp/1');
    expect(network.lastDial.addresses).toEqual([`/ip4/8.8.8.8/tcp/1/p2p/${larger}`]);
    network.open(larger);
    await connected;
  });

  it('counts dials that name the same address', async () => {
    const node = createNode();
    const first = node.peers.dialPeer(larger, [address]);
    node.network.open(larger);
    await first;
    await node.peers.disconnectPeer(larger);
    const second = node.peers.dialPeer(larger, [address]);
    node.network.dials[0]?.end();
    await turn();
    expect(isRefused(node, `${address}/p2p/${larger}`)).toBe(false);
    node.network.open(larger);
    await second;
  });

  it('admits nothing else under loopback, not even by the user, nor from outside', async () => {
    const node = createNode({ addressPolicy: 'loopback' });
    await expect(node.peers.dialPeer(larger, ['/ip4/10.1.2.3/tcp/1'])).rejects.toMatchObject({
      code: 'ADDRESS_REFUSED',
      data: { refusals: [{ address: '/ip4/10.1.2.3/tcp/1', reason: 'is private, policy is "loopback"' }] },
    });
    await expect(codeOf(node.peers.addPeerAddr(larger, address))).resolves.toBe('ADDRESS_REFUSED');
    expect(node.network.gate.refusesInbound(multiaddr(address), [])).toMatch(/policy is "loopback"/);
    expect(node.network.gate.refusesInbound(multiaddr('/ip4/127.0.0.1/tcp/9'), [])).toBeUndefined();
    expect(node.network.dials).toEqual([]);
  });

  it('does not ask where others come from otherwise', () => {
    const { network } = createNode();
    expect(network.gate.refusesInbound(multiaddr(address), [])).toBeUndefined();
  });
});

describe('addPeerAddr()', () => {
  const full = `${address}/p2p/${larger}`;

  it('puts the address back before each dial of the peer', async () => {
    const { network, peers } = createNode();
    await peers.addPeerAddr(larger, address);
    await peers.addPeerAddr(larger, full);
    expect(network.remembered).toHaveLength(2);
    await expect(network.gate.refusesPeer(larger)).resolves.toBeUndefined();
    expect(network.remembered.at(-1)).toEqual({ peerId: larger, addresses: [full] });
    await network.gate.refusesPeer(smaller);
    expect(network.remembered).toHaveLength(3);
  });

  it('makes it one of the user, and shows it', async () => {
    const { network, peers } = createNode();
    await peers.addPeerAddr(larger, full);
    expect(network.gate.refusesAddress(multiaddr(full))).toBeUndefined();
    expect(network.gate.refusesAddress(multiaddr(address))).toBeDefined();
    expect(peers.peerInfo(larger)).toEqual({
      peerId: larger,
      addresses: [address],
      protocols: [],
      services: [],
      connections: [],
      roles: [],
      reputation: 0,
      isMaintained: false,
    });
  });

  it('keeps the latest 16 of a peer', async () => {
    const { peers } = createNode();
    for (let port = 1; port <= 20; port += 1) await peers.addPeerAddr(larger, `/ip4/192.168.0.7/tcp/${port}`);
    const kept = peers.peerInfo(larger)?.addresses;
    expect(kept).toHaveLength(16);
    expect(kept?.[0]).toBe('/ip4/192.168.0.7/tcp/5');
  });

  it('works on a node that does not run, and passes errors of the store on', async () => {
    const network = new FakeNetwork();
    const peers = createPeers({}, () => network);
    await peers.addPeerAddr(larger, address);
    network.rememberFailure = new Error('disk full');
    await expect(peers.addPeerAddr(larger, '/ip4/192.168.0.8/tcp/1')).rejects.toMatchObject({
      code: 'STORE_FAILED',
      data: { peerId: larger, what: 'addresses', reason: 'disk full' },
    });
    expect(peers.peerInfo(larger)?.addresses).toContain('/ip4/192.168.0.8/tcp/1');
  });

  it('refuses what cannot be', async () => {
    const { network, peers } = createNode();
    network.undialable.add(`/ip4/192.168.0.7/p2p/${larger}`);
    await expect(peers.addPeerAddr(larger, '/ip4/192.168.0.7')).rejects.toMatchObject({
      code: 'NO_ADDRESS',
      data: { unusable: ['/ip4/192.168.0.7'] },
    });
    await expect(codeOf(peers.addPeerAddr(larger, `${address}/p2p/${smaller}`))).resolves.toBe('WRONG_PEER');
    await expect(codeOf(peers.addPeerAddr(larger, '/ip4/1.2.3.4/tcp/0'))).resolves.toBe('ADDRESS_REFUSED');
    await expect(codeOf(peers.addPeerAddr(self, address))).resolves.toBe('OWN_PEER');
  });
});

describe('removePeerAddr()', () => {
  const [first, second] = ['/ip4/192.168.0.7/tcp/1', '/ip4/192.168.0.7/tcp/2'];

  it('takes back one address, or all that were added', async () => {
    const { network, peers } = createNode();
    for (const added of [address, first, second]) await peers.addPeerAddr(larger, added);
    await peers.removePeerAddr(larger, first);
    expect(peers.peerInfo(larger)?.addresses).toEqual([address, second]);
    expect(network.forgotten).toEqual([{ peerId: larger, addresses: [`${first}/p2p/${larger}`] }]);
    expect(network.gate.refusesAddress(multiaddr(`${first}/p2p/${larger}`))).toBeDefined();
    await peers.removePeerAddr(larger, `${first}/p2p/${larger}`);
    await peers.removePeerAddr(larger);
    await peers.removePeerAddr(larger);
    expect(network.forgotten).toHaveLength(2);
    expect(peers.peerInfo(larger)).toBeUndefined();
  });

  it('takes it back for good', async () => {
    const store = new FakeStore();
    const { peers, start } = prepareNode({}, { store });
    await start();
    for (const added of [first, second]) await peers.addPeerAddr(larger, added);
    await peers.removePeerAddr(larger, second);
    expect([...store.kept.addresses.values()]).toEqual([[`${first}/p2p/${larger}`]]);
    await peers.removePeerAddr(larger, first);
    expect(store.kept.addresses.size).toBe(0);
  });
});

describe('listenedAddresses()', () => {
  it('is what the network is bound to', () => {
    expect(createNode().peers.listenedAddresses()).toEqual(['/ip4/127.0.0.1/tcp/4001']);
  });
});
