import type { Address, AddressSorter } from '@libp2p/interface';
import { toMultiaddr } from '@lloom/core';
import { describe, expect, test } from 'vitest';
import { nearFirst, nothingNear } from './dialOrder.ts';
import type { ResolvedNetworkConfig } from '../config.ts';

const relay = '16Uiu2HAmMUjGmiUhJeiZgu6ZZnLRkE2VViR2JgjqtW9aTZnHQqgg';
const outside = '/ip4/8.8.8.8/tcp/4001';
const elsewhere = '/ip4/192.168.7.2/tcp/4001';
const atHome = '/ip4/192.168.1.9/tcp/4001';
const loopback = '/ip4/127.0.0.1/tcp/4001';
const named = '/dns4/node.example/tcp/4001';
const throughRelay = `/ip4/9.9.9.9/tcp/4001/p2p/${relay}/p2p-circuit`;
const throughHome = `/ip4/192.168.1.3/tcp/4001/p2p/${relay}/p2p-circuit`;

const lan = { cidr: '192.168.1.4/24', family: 'IPv4', internal: false };
const lan6 = { cidr: 'fd00:1::4/64', family: 'IPv6', internal: false };
const own = { cidr: '127.0.0.1/8', family: 'IPv4', internal: true };
const cards = { eth0: [lan, lan6], lo: [own], off: undefined } as unknown as ReturnType<
  NonNullable<NonNullable<Parameters<typeof nearFirst>[1]>['interfaces']>
>;

const everywhere = { addressPolicy: 'lan', listenAddresses: ['/ip4/0.0.0.0/tcp/0'] } as const;

const orderOf = (config: Pick<ResolvedNetworkConfig, 'addressPolicy' | 'listenAddresses'>): AddressSorter =>
  nearFirst(config, { interfaces: () => cards });

/** The addresses in the order in which they are dialled, whatever the order in which they are known. */
function dialled(order: AddressSorter, texts: readonly string[]): string[] {
  const known: Address[] = texts.map((text) => ({ multiaddr: toMultiaddr(text), isCertified: false }));
  const sorted = [known, known.toReversed()].map((each) =>
    each.toSorted(order).map(({ multiaddr }) => multiaddr.toString()),
  );
  expect(sorted[1]).toEqual(sorted[0]);
  return sorted[0]!;
}

describe('the addresses of a peer are dialled', () => {
  const order = orderOf(everywhere);

  test('in a network of this machine first, then through relays, then wherever else it may be', () => {
    const all = [loopback, elsewhere, throughRelay, outside, atHome];
    expect(dialled(order, all)).toEqual([atHome, throughRelay, outside, elsewhere, loopback]);
  });

  test('through public relays before others, also when these are near', () => {
    expect(dialled(order, [throughHome, throughRelay])).toEqual([throughRelay, throughHome]);
  });

  test('as by libp2p when it has no relay and is in no network of this machine', () => {
    expect(dialled(order, [loopback, elsewhere, outside])).toEqual([outside, elsewhere, loopback]);
  });

  test('through a relay before a host name, of which nobody knows where it leads', () => {
    expect(dialled(order, [named, throughRelay])).toEqual([throughRelay, named]);
  });

  test('by IPv6 where it is near', () => {
    const sixAtHome = '/ip6/fd00:1::9/tcp/4001';
    expect(dialled(order, [throughRelay, '/ip6/fd00:2::9/tcp/4001', sixAtHome])[0]).toBe(sixAtHome);
  });

  test('on the own machine first by a node that is on the loopback, and by no other', () => {
    const onLoopback = { addressPolicy: 'lan', listenAddresses: [loopback, '/ip6/::1/tcp/0'] } as const;
    const all = [throughRelay, loopback];
    expect(dialled(orderOf(onLoopback), all)).toEqual([loopback, throughRelay]);
    expect(dialled(orderOf({ addressPolicy: 'loopback', listenAddresses: [] }), all)[0]).toBe(loopback);
    expect(dialled(orderOf({ addressPolicy: 'lan', listenAddresses: [] }), all)[0]).toBe(throughRelay);
  });

  test('first where its own signature says that it is, among such as are alike', () => {
    const at = (text: string, isCertified: boolean): Address => ({
      multiaddr: toMultiaddr(text),
      isCertified,
    });
    const told = at('/ip4/8.8.4.4/tcp/4001', false);
    const signed = at(outside, true);
    expect([told, signed].toSorted(order)).toEqual([signed, told]);
  });

  test('by no network of this machine in one that is simulated', () => {
    expect(dialled(nothingNear, [atHome, throughRelay])).toEqual([throughRelay, atHome]);
  });
});

test('the networks of a machine that has moved count within seconds', () => {
  let [nowMs, interfaces] = [0, cards];
  const order = nearFirst(everywhere, {
    interfaces: () => interfaces,
    clock: { elapsed: () => nowMs },
  });
  expect(dialled(order, [atHome, elsewhere, throughRelay])[0]).toBe(atHome);
  interfaces = { wlan0: [{ ...lan, cidr: '192.168.7.4/24' }] } as unknown as typeof cards;
  expect(dialled(order, [atHome, elsewhere, throughRelay])[0]).toBe(atHome);
  nowMs += 5_000;
  expect(dialled(order, [atHome, elsewhere, throughRelay])[0]).toBe(elsewhere);
});
