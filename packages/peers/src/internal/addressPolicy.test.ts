import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';

import type { AddressPolicy } from '../config.ts';
import { refusalOf, scopeOf, type AddressScope } from './addressPolicy.ts';
import { scopeOfIp4, scopeOfIp6 } from './ip.ts';

const peerId = '12D3KooWP8ZmzRVKX4CNM6A9Fv7HcWkMvS95z488UXFSkoEwGQS8';
const relayId = '12D3KooWAWzRyvEHhv5piPBm8p69uvzAB9AkWTwRJFKQjGLsDwoi';

/** Who may be dialled under each policy when another peer tells the address: P public, L lan, B loopback. */
const rows: readonly (readonly [address: string, scope: AddressScope, admittedUnder: string])[] = [
  ['/ip4/8.8.8.8/tcp/4001', 'public', 'PL'],
  ['/ip4/172.15.255.255/tcp/4001', 'public', 'PL'],
  ['/ip4/172.32.0.0/tcp/4001', 'public', 'PL'],
  ['/ip4/100.63.255.255/tcp/4001', 'public', 'PL'],
  ['/ip4/100.128.0.0/udp/4001/quic-v1', 'public', 'PL'],
  ['/ip4/126.255.255.255/tcp/4001', 'public', 'PL'],
  ['/ip4/128.0.0.0/tcp/4001', 'public', 'PL'],
  ['/ip4/10.0.0.1/tcp/4001', 'private', 'L'],
  ['/ip4/172.16.0.1/tcp/4001', 'private', 'L'],
  ['/ip4/172.31.255.255/tcp/4001', 'private', 'L'],
  ['/ip4/192.168.1.1/tcp/4001/ws', 'private', 'L'],
  ['/ip4/100.64.0.0/tcp/4001', 'private', 'L'],
  ['/ip4/100.127.255.255/tcp/4001', 'private', 'L'],
  ['/ip4/169.254.169.254/tcp/80', 'linkLocal', 'L'],
  ['/ip4/127.0.0.1/tcp/4001', 'loopback', 'B'],
  ['/ip4/127.255.255.255/tcp/4001', 'loopback', 'B'],
  ['/ip4/0.0.0.0/tcp/4001', 'unspecified', ''],
  ['/ip4/0.0.0.1/tcp/4001', 'reserved', ''],
  ['/ip4/192.0.0.8/tcp/4001', 'reserved', ''],
  ['/ip4/192.0.2.1/tcp/4001', 'reserved', ''],
  ['/ip4/192.88.99.1/tcp/4001', 'reserved', ''],
  ['/ip4/198.18.0.1/tcp/4001', 'reserved', ''],
  ['/ip4/198.51.100.1/tcp/4001', 'reserved', ''],
  ['/ip4/203.0.113.1/tcp/4001', 'reserved', ''],
  ['/ip4/240.0.0.1/tcp/4001', 'reserved', ''],
  ['/ip4/224.0.0.1/udp/4001', 'multicast', ''],
  ['/ip4/255.255.255.255/udp/4001', 'multicast', ''],
  ['/ip6/2606:4700:4700::1111/tcp/4001', 'public', 'PL'],
  ['/ip6/2a00:1450::1/udp/4001/quic-v1', 'public', 'PL'],
  ['/ip6/::1/tcp/4001', 'loopback', 'B'],
  ['/ip6/::/tcp/4001', 'unspecified', ''],
  ['/ip6/fe80::1/tcp/4001', 'linkLocal', 'L'],
  ['/ip6zone/eth0/ip6/fe80::1/tcp/4001', 'linkLocal', 'L'],
  ['/ip6/febf::1/tcp/4001', 'linkLocal', 'L'],
  ['/ip6/fec0::1/tcp/4001', 'private', 'L'],
  ['/ip6/fc00::1/tcp/4001', 'private', 'L'],
  ['/ip6/fdff:ffff::1/tcp/4001', 'private', 'L'],
  ['/ip6/ff02::fb/udp/5353', 'multicast', ''],
  ['/ip6/2001:db8::1/tcp/4001', 'reserved', ''],
  ['/ip6/2001::1/tcp/4001', 'reserved', ''],
  ['/ip6/3fff::1/tcp/4001', 'reserved', ''],
  ['/ip6/100::1/tcp/4001', 'reserved', ''],
  ['/ip6/::7f00:1/tcp/4001', 'reserved', ''],
  ['/ip6/4000::1/tcp/4001', 'reserved', ''],
  // IPv6 that carries IPv4: mapped, translated, tunnelled.
  ['/ip6/::ffff:8.8.8.8/tcp/4001', 'public', 'PL'],
  ['/ip6/::ffff:10.0.0.1/tcp/4001', 'private', 'L'],
  ['/ip6/::ffff:127.0.0.1/tcp/4001', 'loopback', 'B'],
  ['/ip6/::ffff:0.0.0.0/tcp/4001', 'unspecified', ''],
  ['/ip6/64:ff9b::8.8.8.8/tcp/4001', 'public', 'PL'],
  ['/ip6/64:ff9b::10.0.0.1/tcp/4001', 'private', 'L'],
  ['/ip6/64:ff9b:1::1/tcp/4001', 'private', 'L'],
  ['/ip6/2002:808:808::1/tcp/4001', 'public', 'PL'],
  ['/ip6/2002:7f00:1::1/tcp/4001', 'loopback', 'B'],
  ['/ip6/2002:a00:1::/tcp/4001', 'private', 'L'],
  // Names.
  ['/dns4/node.example.org/tcp/4001', 'name', 'PL'],
  ['/dns6/node.example.org/tcp/4001', 'name', 'PL'],
  ['/dns/node.example.org/tcp/443/tls/ws', 'name', 'PL'],
  ['/dnsaddr/bootstrap.example.org', 'name', 'PL'],
  ['/dns4/localhost/tcp/4001', 'localhost', ''],
  ['/dns4/LOCALHOST./tcp/4001', 'localhost', ''],
  ['/dns4/db.localhost/tcp/4001', 'localhost', ''],
  ['/dns4/printer/tcp/4001', 'localName', 'L'],
  ['/dns4/printer.local/tcp/4001', 'localName', 'L'],
  ['/dns4/vault.internal/tcp/4001', 'localName', 'L'],
  ['/dns4/nas.home.arpa/tcp/4001', 'localName', 'L'],
  // Relayed: the first hop counts.
  [`/ip4/8.8.8.8/tcp/4001/p2p/${relayId}/p2p-circuit/p2p/${peerId}`, 'public', 'PL'],
  [`/ip4/10.0.0.1/tcp/4001/p2p/${relayId}/p2p-circuit/p2p/${peerId}`, 'private', 'L'],
  [`/ip4/127.0.0.1/tcp/4001/p2p/${relayId}/p2p-circuit`, 'loopback', 'B'],
  [`/p2p/${relayId}/p2p-circuit/p2p/${peerId}`, 'routed', 'PLB'],
  [`/p2p/${peerId}`, 'routed', 'PLB'],
  ['/p2p-circuit', 'routed', 'PLB'],
  // Others.
  ['/memory/here', 'process', 'PLB'],
  ['/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234', 'unknown', ''],
  // No port to go to.
  ['/ip4/8.8.8.8/tcp/0', 'public', ''],
  ['/ip4/127.0.0.1/udp/0/quic-v1', 'loopback', ''],
  ['/dns4/node.example.org/tcp/0', 'name', ''],
];

const policies: readonly (readonly [AddressPolicy, string])[] = [
  ['public', 'P'],
  ['lan', 'L'],
  ['loopback', 'B'],
];

describe('scopeOf()', () => {
  it.each(rows)('%s is %s', (address, scope) => {
    expect(scopeOf(multiaddr(address))).toBe(scope);
  });
});

describe('refusalOf() of an address that a peer tells', () => {
  it.each(rows)('%s (%s) is admitted under [%s]', (address, _, admittedUnder) => {
    const admitted = policies.filter(
      ([policy]) => refusalOf(multiaddr(address), policy, false) === undefined,
    );
    expect(admitted.map(([, letter]) => letter).join('')).toBe(admittedUnder);
  });

  it('says why not', () => {
    const reasons = ['/ip4/10.0.0.1/tcp/1', '/ip4/0.0.0.0/tcp/1', '/ip4/8.8.8.8/tcp/0'].map((address) =>
      refusalOf(multiaddr(address), 'public', false),
    );
    expect(reasons).toEqual([
      'is private, policy is "public"',
      'is no destination',
      'port 0 is no destination',
    ]);
  });
});

describe('refusalOf() of an address that the user names', () => {
  const isNowhere = (address: string, scope: AddressScope): boolean =>
    ['unspecified', 'multicast'].includes(scope) || /\/(?:tcp|udp)\/0(?:\/|$)/.test(address);

  it.each(rows)('%s (%s) is admitted unless it is nowhere', (address, scope) => {
    for (const policy of ['public', 'lan'] as const) {
      expect(refusalOf(multiaddr(address), policy, true) !== undefined).toBe(isNowhere(address, scope));
    }
  });

  it.each(rows)('%s (%s) is judged as any other under loopback', (address) => {
    const [named, told] = [true, false].map((byUser) => refusalOf(multiaddr(address), 'loopback', byUser));
    expect(named).toBe(told);
  });
});

describe('scopes of IP addresses as text', () => {
  it.each([
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['FE80::1%eth0', 'linkLocal'],
    ['::ffff:192.168.0.1', 'private'],
    ['2606:4700:4700:0:0:0:0:1111', 'public'],
  ])('reads %s', (text, scope) => {
    expect(scopeOfIp6(text)).toBe(scope);
  });

  it('judges a mapped address as the one it carries', () => {
    for (const text of [
      '0.0.0.0',
      '8.8.4.4',
      '10.1.2.3',
      '127.9.9.9',
      '169.254.0.1',
      '198.19.0.1',
      '239.0.0.1',
    ]) {
      expect(scopeOfIp6(`::ffff:${text}`)).toBe(scopeOfIp4(text));
    }
  });
});
