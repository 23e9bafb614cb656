import type { Address } from '@libp2p/interface';
import { toMultiaddr, toPeerId } from '@lloom/core';
import { describe, expect, test } from 'vitest';
import { relocated } from '../src/adapters/relocating.ts';
import { peerIds } from './fakes.ts';

const peerId = toPeerId(peerIds.bob);
const own = `/p2p/${peerIds.bob}`;
const home = '/ip4/192.168.1.2/tcp/4001';
const outside = '/ip4/8.8.8.8/tcp/4001';
const throughRelay = `/ip4/9.9.9.9/tcp/4001/p2p/${peerIds.carol}/p2p-circuit`;

const stored = (text: string, isCertified = false): Address => ({
  multiaddr: toMultiaddr(text),
  isCertified,
});

/** What is kept of a peer that says where it is. */
const kept = (known: readonly Address[], addresses: readonly string[], former: readonly string[] = []) =>
  relocated(peerId, known, { addresses, former })?.map(({ multiaddr }) => multiaddr.toString());

describe('a peer that says where it is', () => {
  test('is there from now on, and where others have seen it', () => {
    expect(kept([stored(outside)], [`${home}${own}`, `${throughRelay}${own}`])).toEqual([
      home,
      throughRelay,
      outside,
    ]);
  });

  test('is no more where it said before that it was', () => {
    expect(kept([stored(home), stored(outside)], [throughRelay], [home])).toEqual([throughRelay, outside]);
  });

  test('is still where it said before, when it says so again', () => {
    expect(kept([stored(home)], [home, throughRelay], [home])).toEqual([throughRelay, home]);
  });

  test('changes nothing when all of it is known, however it is written', () => {
    expect(kept([stored(home), stored(`${throughRelay}${own}`)], [`${home}${own}`, throughRelay])).toBe(
      undefined,
    );
  });

  test('does not lose that an address is signed', () => {
    expect(relocated(peerId, [stored(home, true)], { addresses: [home, outside], former: [] })).toMatchObject(
      [{ isCertified: false }, { isCertified: true }],
    );
  });

  test('has few addresses, its own before those of others', () => {
    const others = Array.from({ length: 60 }, (_, port) => stored(`/ip4/8.8.4.4/tcp/${port + 1}`));
    const all = kept([...others, stored(home)], [home, outside]);
    expect(all).toHaveLength(32);
    expect(all?.slice(0, 2)).toEqual([outside, home]);
  });
});
