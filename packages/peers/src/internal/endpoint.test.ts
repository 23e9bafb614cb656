import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';

import { isRelayed, peerAtEnd, transportOf, withoutPeer } from './endpoint.ts';

const a = '12D3KooWP8ZmzRVKX4CNM6A9Fv7HcWkMvS95z488UXFSkoEwGQS8';
const b = '12D3KooWAWzRyvEHhv5piPBm8p69uvzAB9AkWTwRJFKQjGLsDwoi';

describe('transportOf()', () => {
  it.each([
    ['/ip4/127.0.0.1/tcp/1', 'tcp'],
    [`/ip4/127.0.0.1/tcp/1/p2p/${a}`, 'tcp'],
    ['/ip4/127.0.0.1/tcp/1/ws', 'ws'],
    ['/dns4/example.org/tcp/443/tls/ws', 'wss'],
    ['/dns4/example.org/tcp/443/wss', 'wss'],
    ['/ip4/127.0.0.1/udp/1/quic-v1', 'quic-v1'],
    ['/ip4/127.0.0.1/udp/1/quic-v1/webtransport', 'webtransport'],
    ['/ip4/127.0.0.1/udp/1/webrtc-direct', 'webrtc-direct'],
    ['/memory/here', 'memory'],
    [`/ip4/127.0.0.1/tcp/1/p2p/${a}/p2p-circuit/p2p/${b}`, 'tcp'],
    [`/ip4/127.0.0.1/tcp/1/ws/p2p/${a}/p2p-circuit/webrtc/p2p/${b}`, 'ws'],
    [`/p2p/${a}`, 'unknown'],
  ])('of %s is %s', (address, transport) => {
    expect(transportOf(multiaddr(address))).toBe(transport);
  });
});

describe('isRelayed()', () => {
  it('looks for a relay on the way', () => {
    expect(isRelayed(multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${a}/p2p-circuit/p2p/${b}`))).toBe(true);
    expect(isRelayed(multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${a}`))).toBe(false);
  });
});

describe('peerAtEnd() and withoutPeer()', () => {
  it('know an address with its peer', () => {
    const address = multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${a}`);
    expect(peerAtEnd(address)).toBe(a);
    expect(withoutPeer(address.toString(), a)).toBe('/ip4/127.0.0.1/tcp/1');
    expect(withoutPeer(address.toString(), b)).toBe(address.toString());
  });

  it('know an address without a peer, or with a relay only', () => {
    expect(peerAtEnd(multiaddr('/ip4/127.0.0.1/tcp/1'))).toBeUndefined();
    expect(peerAtEnd(multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${a}/p2p-circuit`))).toBeUndefined();
  });

  it('leave a relayed address whole', () => {
    const address = multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${a}/p2p-circuit/p2p/${b}`);
    expect(withoutPeer(address.toString(), b)).toBe(address.toString());
  });
});
