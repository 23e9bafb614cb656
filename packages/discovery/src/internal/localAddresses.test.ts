import { describe, expect, it } from 'vitest';
import { localAddresses } from './localAddresses.ts';

const near = [
  '/ip4/10.0.0.1/tcp/4001',
  '/ip4/127.0.0.1/tcp/4001',
  '/ip4/169.254.1.1/tcp/4001',
  '/ip4/172.16.0.1/tcp/4001',
  '/ip4/172.31.255.255/tcp/4001',
  '/ip4/192.168.1.1/udp/4001/quic-v1',
  '/ip6/::1/tcp/4001',
  '/ip6/fc00::1/tcp/4001',
  '/ip6/fdff:ffff::1/tcp/4001',
  '/ip6/fe80::1/tcp/4001',
  '/ip6/febf::1/tcp/4001',
  '/ip6zone/eth0/ip6/fe80::1/tcp/4001',
];

const far = [
  '/ip4/8.8.8.8/tcp/4001',
  '/ip4/100.64.0.1/tcp/4001',
  '/ip4/109.0.0.1/tcp/4001',
  '/ip4/172.15.0.1/tcp/4001',
  '/ip4/172.32.0.1/tcp/4001',
  '/ip4/192.167.1.1/tcp/4001',
  '/ip4/192.169.1.1/tcp/4001',
  '/ip4/0.0.0.0/tcp/4001',
  '/ip6/2606:4700::1/tcp/4001',
  '/ip6/::/tcp/4001',
  '/ip6/::10/tcp/4001',
  '/ip6/fec0::1/tcp/4001',
  '/dns4/localhost/tcp/4001',
  '/dns4/10.example.org/tcp/4001',
  '/dnsaddr/10.0.0.1',
  '/memory/here',
  '/ip4/10.0.0.1/tcp/4001/p2p/12D3KooWCp1tCweCvJ2TUMUEN2wPZSe7JPo4aCny9bERmEoZgoBk/p2p-circuit',
  '/p2p-circuit/ip4/10.0.0.1/tcp/4001',
];

describe('localAddresses()', () => {
  it.each(near)('dials %s', (address) => expect(localAddresses([address])).toEqual([address]));

  it.each(far)('does not dial %s', (address) => expect(localAddresses([address])).toEqual([]));

  it('dials the first 16 of many, each once', () => {
    const many = Array.from({ length: 40 }, (_, index) => `/ip4/10.0.0.${index}/tcp/4001`);
    expect(localAddresses([...many, ...many])).toEqual(many.slice(0, 16));
    expect(localAddresses([many[0]!, many[0]!])).toEqual([many[0]]);
  });
});
