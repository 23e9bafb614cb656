import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { endpointOf, readTargets } from './punchAddresses.ts';

const said = (...addresses: string[]): Uint8Array[] => addresses.map((address) => multiaddr(address).bytes);
const texts = (addresses: readonly Uint8Array[], isLocal = false): string[] =>
  readTargets(addresses, isLocal).map(({ host, port }) => `${host} ${port}`);

describe('what is dialled of what a peer says', () => {
  it('is plain TCP addresses of one machine each, and each once', () => {
    const addresses = said(
      '/ip4/10.7.0.1/tcp/4001',
      '/ip4/10.7.0.1/tcp/4001',
      '/ip4/10.7.0.1/tcp/4002/ws',
      '/ip4/10.7.0.1/udp/4001/quic-v1',
      '/ip4/10.7.0.1/tcp/0',
      '/dns4/example.org/tcp/4001',
      '/ip4/10.7.0.1/tcp/4003/p2p/12D3KooWRndVhVZPCiQwHBBBdg769GyrPUW13zxwqQyf9r3ANaba',
      '/ip4/10.7.0.1/tcp/4001/p2p/12D3KooWRndVhVZPCiQwHBBBdg769GyrPUW13zxwqQyf9r3ANaba/p2p-circuit',
      '/ip6/2001:db8::1/tcp/4001',
    );
    expect(texts([...addresses, new Uint8Array([255, 255, 255])])).toEqual([
      '10.7.0.1 4001',
      '10.7.0.1 4003',
      '2001:db8::1 4001',
    ]);
  });

  it.each([
    '/ip4/0.0.0.0/tcp/1',
    '/ip4/0.1.2.3/tcp/1',
    '/ip4/224.0.0.1/tcp/1',
    '/ip4/255.255.255.255/tcp/1',
    '/ip4/169.254.1.1/tcp/1',
    '/ip6/::/tcp/1',
    '/ip6/ff02::1/tcp/1',
    '/ip6/fe80::1/tcp/1',
    '/ip6/::ffff:127.0.0.1/tcp/1',
  ])('is never %s', (address) => {
    expect(texts(said(address), true)).toEqual([]);
  });

  it('is an address of this machine only when the relay is on it, too', () => {
    const addresses = said('/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1');
    expect(texts(addresses)).toEqual([]);
    expect(texts(addresses, true)).toHaveLength(2);
  });

  it('is of two machines at most for each version of IP, and two ports of each', () => {
    const many = Array.from({ length: 16 }, (_, index) => `/ip4/10.7.0.${index}/tcp/1`);
    const ports = ['/ip4/10.7.0.1', '/ip6/2001:db8::1', '/ip4/10.7.0.2', '/ip6/2001:db8::2'].flatMap((host) =>
      [1, 2, 3, 4].map((port) => `${host}/tcp/${port}`),
    );
    expect(texts(said(...many))).toEqual(['10.7.0.0 1', '10.7.0.1 1']);
    expect(texts(said(...ports))).toEqual(
      ['10.7.0.1', '2001:db8::1', '10.7.0.2', '2001:db8::2'].flatMap((host) => [`${host} 1`, `${host} 2`]),
    );
  });

  it('is no address without a host and a port', () => {
    expect(endpointOf(multiaddr('/ip4/10.7.0.1'))).toBeUndefined();
    expect(endpointOf(multiaddr('/memory/a'))).toBeUndefined();
  });
});
