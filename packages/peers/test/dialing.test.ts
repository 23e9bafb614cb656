import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { AddressError } from '@lloom/core';

import { PeersError } from '../src/errors.ts';
import { codeOf, fakeNodes } from './fakeNode.ts';
import { larger, self, smaller, turn } from './fakes.ts';

const { createNode } = fakeNodes();
const address = '/ip4/192.168.0.7/tcp/4001';

describe('dialPeer()', () => {
  it('gives the connection that the dial leads to', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger, [address]);
    expect(network.lastDial).toMatchObject({ peerId: larger, addresses: [`${address}/p2p/${larger}`] });
    const { info } = network.open(larger);
    await expect(connected).resolves.toBe(info);
    expect(peers.isConnected(larger)).toBe(true);
    expect(peers.connectedPeers()).toEqual([larger]);
  });

  it('takes objects as well as text', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger, [multiaddr(`${address}/p2p/${larger}`)]);
    expect(network.lastDial.addresses).toEqual([`${address}/p2p/${larger}`]);
    network.open(larger);
    await connected;
  });

  it('gives the connection that there is, a direct one first', async () => {
    const { network, peers } = createNode();
    network.open(larger, { relayed: true });
    const { info } = network.open(larger, { direction: 'inbound' });
    await expect(peers.dialPeer(larger, [address])).resolves.toBe(info);
    expect(network.dials).toEqual([]);
  });

  it('shares one dial among all who want the same', async () => {
    const { network, peers } = createNode();
    const all = [peers.dialPeer(larger), peers.dialPeer(larger), peers.dialPeer(larger)];
    expect(network.dials).toHaveLength(1);
    network.open(larger);
    expect(new Set(await Promise.all(all)).size).toBe(1);
  });

  it('tries the addresses of those who came later when the first dial fails', async () => {
    const { network, peers } = createNode();
    const first = codeOf(peers.dialPeer(larger, ['/memory/a', '/memory/b']));
    const covered = codeOf(peers.dialPeer(larger, ['/memory/b']));
    const second = peers.dialPeer(larger, ['/memory/c']);
    network.lastDial.fail(new PeersError('DIAL_FAILED', { peerId: larger, attempts: [] }));
    await expect(first).resolves.toBe('DIAL_FAILED');
    await expect(covered).resolves.toBe('DIAL_FAILED');
    expect(network.lastDial.addresses).toEqual([`/memory/c/p2p/${larger}`]);
    network.open(larger);
    await second;
  });

  it('passes the error of the network on, with its cause', async () => {
    const { network, peers } = createNode();
    const cause = new Error('connect ECONNREFUSED');
    const error = new PeersError('NO_ADDRESS', { peerId: larger, unusable: [] }, { cause });
    const connected = peers.dialPeer(larger);
    network.lastDial.fail(error);
    await expect(connected).rejects.toBe(error);
    expect(peers.isConnected(larger)).toBe(false);
  });

  it('takes an unforeseen error for a failed dial', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger);
    network.lastDial.fail(new Error('surprise'));
    await expect(connected).rejects.toMatchObject({
      code: 'DIAL_FAILED',
      data: { attempts: [{ reason: 'other', message: 'surprise' }] },
    });
  });

  it('says so when the connection is gone at once', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger);
    network.lastDial.end();
    await expect(connected).rejects.toMatchObject({ data: { attempts: [{ reason: 'closed' }] } });
  });

  it('gives up after dialTimeoutMs and ends the dial', async () => {
    const { network, peers, clock } = createNode({ dialTimeoutMs: 500 });
    const connected = peers.dialPeer(larger);
    clock.increment(500);
    await expect(connected).rejects.toMatchObject({ code: 'DIAL_TIMEOUT', data: { limitMs: 500 } });
    expect(network.lastDial.signal.aborted).toBe(true);
  });

  it('lets one caller go and dials on for the others', async () => {
    const { network, peers } = createNode();
    const [one, two] = [new AbortController(), new AbortController()];
    const first = codeOf(peers.dialPeer(larger, [], { signal: one.signal }));
    const second = codeOf(peers.dialPeer(larger, [], { signal: two.signal }));
    one.abort();
    await expect(first).resolves.toBe('CANCELLED');
    expect(network.lastDial.signal.aborted).toBe(false);
    two.abort();
    await expect(second).resolves.toBe('CANCELLED');
    expect(network.lastDial.signal.aborted).toBe(true);
  });

  it('takes a cancel for nothing else, whatever the aborted dial says', async () => {
    const { network, peers } = createNode();
    const controller = new AbortController();
    const connected = peers.dialPeer(larger, [], { signal: controller.signal });
    const { signal, fail } = network.lastDial;
    const aborted = Object.assign(new Error('The operation was aborted'), { name: 'AbortError' });
    signal.addEventListener('abort', () => fail(aborted));
    controller.abort();
    await expect(connected).rejects.toMatchObject({ code: 'CANCELLED', data: { by: 'signal' } });
  });

  it('goes on to the next wish when those of the current dial are gone', async () => {
    const { network, peers } = createNode();
    const controller = new AbortController();
    const first = codeOf(peers.dialPeer(larger, ['/memory/a'], { signal: controller.signal }));
    const second = peers.dialPeer(larger, ['/memory/b']);
    controller.abort();
    await expect(first).resolves.toBe('CANCELLED');
    expect(network.lastDial.addresses).toEqual([`/memory/b/p2p/${larger}`]);
    network.open(larger);
    await second;
  });

  it('does not begin when its signal has ended', async () => {
    const { network, peers } = createNode();
    await expect(codeOf(peers.dialPeer(larger, [], { signal: AbortSignal.abort() }))).resolves.toBe(
      'CANCELLED',
    );
    expect(network.dials).toEqual([]);
  });

  it('leaves a dial to its end when the peer came in first, for a limited time', async () => {
    const { network, peers, clock } = createNode({ dialTimeoutMs: 500 });
    const connected = peers.dialPeer(larger);
    const { info } = network.open(larger, { direction: 'inbound' });
    await expect(connected).resolves.toBe(info);
    expect(network.lastDial.signal.aborted).toBe(false);
    clock.increment(500);
    expect(network.lastDial.signal.aborted).toBe(true);
    await turn();
    expect(peers.isConnected(larger)).toBe(true);
  });

  it('does not wait for a connection that somebody is closing and that takes its time', async () => {
    const { network, peers } = createNode();
    network.open(larger).isOpen = false;
    const connected = peers.dialPeer(larger);
    expect(network.dials).toHaveLength(1);
    const { info } = network.open(larger);
    await expect(connected).resolves.toBe(info);
  });

  it('tells the time limit of the dial that ran into it, not what an earlier one says late', async () => {
    const { network, peers, clock } = createNode({ dialTimeoutMs: 500 });
    const first = codeOf(peers.dialPeer(larger));
    clock.increment(500);
    await expect(first).resolves.toBe('DIAL_TIMEOUT');
    const second = peers.dialPeer(larger);
    network.dials[0]?.fail(new PeersError('DIAL_TIMEOUT', { peerId: larger, attempts: [] }));
    await turn();
    clock.increment(500);
    await expect(second).rejects.toMatchObject({ code: 'DIAL_TIMEOUT', data: { limitMs: 500 } });
  });

  it('refuses bad input before it does anything', async () => {
    const { network, peers } = createNode();
    await expect(peers.dialPeer('nobody')).rejects.toThrow(AddressError);
    await expect(peers.dialPeer(larger, ['/ip4/example.org/tcp/1'])).rejects.toThrow(AddressError);
    await expect(codeOf(peers.dialPeer(self))).resolves.toBe('OWN_PEER');
    await expect(codeOf(peers.dialPeer(larger, ['/ip4/0.0.0.0/tcp/1']))).resolves.toBe('ADDRESS_REFUSED');
    const wrong = peers.dialPeer(larger, [`${address}/p2p/${smaller}`]);
    await expect(wrong).rejects.toMatchObject({ code: 'WRONG_PEER', data: { foundPeerId: smaller } });
    expect(network.dials).toEqual([]);
  });

  it('drops refused addresses when others are left', async () => {
    const { network, peers } = createNode({ addressPolicy: 'loopback' });
    const connected = peers.dialPeer(larger, ['/ip4/10.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/1']);
    expect(network.lastDial.addresses).toEqual([`/ip4/127.0.0.1/tcp/1/p2p/${larger}`]);
    network.open(larger);
    await connected;
  });
});
