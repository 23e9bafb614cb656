import { multiaddr } from '@multiformats/multiaddr';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { AddressError, toMultiaddr, toPeerAddress, toPeerId, withPeerId } from './index.ts';
import type { AddressErrorCode } from './index.ts';

const ed25519 = '12D3KooWH3uVF6wv47WnArKHk5ZDVmGb6CVbEDqVyemfPnCaQnQM';
const other = '12D3KooWLRPJgqrZxc7CZ7ojbVXKmQ3pYAe2dCTmJbHN6F5RdVkE';
const secp256k1 = '16Uiu2HAm2cBaGsUYDBq1cC8SJ7qXiAiJ6dGZpqCRMJGLTLbgnFf5';
const rsa = 'QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC';

function errorOf(act: () => unknown): AddressError {
  try {
    act();
  } catch (error) {
    if (AddressError.is(error)) return error;
    throw error;
  }
  throw new Error('Nothing was thrown');
}

describe('toMultiaddr()', () => {
  test('takes an address and its text', () => {
    const address = multiaddr('/ip4/192.0.2.1/tcp/4001');
    expect(toMultiaddr(address)).toBe(address);
    expect(toMultiaddr('/ip4/192.0.2.1/tcp/4001').toString()).toBe('/ip4/192.0.2.1/tcp/4001');
  });

  const hosts: readonly (readonly [given: string, suggestion: string])[] = [
    [
      `/ip4/bootstrap1.lloom.network/tcp/4001/p2p/${ed25519}`,
      `/dns4/bootstrap1.lloom.network/tcp/4001/p2p/${ed25519}`,
    ],
    [
      `/ip4/bootstrap2.lloom.network/tcp/4001/p2p/${other}`,
      `/dns4/bootstrap2.lloom.network/tcp/4001/p2p/${other}`,
    ],
    ['/ip6/node.example/tcp/1', '/dns6/node.example/tcp/1'],
    ['/ip4/localhost/tcp/1', '/dns4/localhost/tcp/1'],
    ['/ip4/node.example', '/dns4/node.example'],
  ];

  test.for(hosts)('suggests what to write instead of %s', ([given, suggestion]) => {
    const error = errorOf(() => toMultiaddr(given));
    expect(error.data).toEqual({
      got: given,
      reason: 'a host name stands where an IP address must',
      suggestion,
    });
    expect(error.message).toBe(
      `Cannot use address "${given}": a host name stands where an IP address must, did you mean "${suggestion}"`,
    );
    expect(toMultiaddr(suggestion).toString()).toBe(suggestion);
  });

  const garbage = [
    'nonsense',
    '/ip4/256.1.1.1/tcp/1',
    '/ip4/fe80::1/tcp/1',
    '/ip4/node.example/tcp/99999',
    '/ip4/192.0.2.1/tcp/99999',
    '/ip4/192.0.2.1/tcp/http',
    '/ip4/192.0.2.1/tcp',
    '/morse/192.0.2.1',
    '\ud800',
  ];

  test.for(garbage)('says what is wrong with %s, and suggests nothing', (given) => {
    const error = errorOf(() => toMultiaddr(given));
    expect(error.code).toBe('INVALID_MULTIADDR');
    expect(error.data).not.toHaveProperty('suggestion');
    expect((error.data as { reason: string }).reason).not.toBe('');
    expect(error.message.isWellFormed()).toBe(true);
    expect(error.cause).toBeInstanceOf(Error);
  });

  test.for(['', '/', '//', undefined, null])('refuses %o, which leads nowhere', (given) => {
    expect(errorOf(() => toMultiaddr(given as string)).data).toMatchObject({ reason: 'it is empty' });
  });

  test.for([5, {}, true])('refuses %o, which is no address', (given) => {
    expect(errorOf(() => toMultiaddr(given as unknown as string)).code).toBe('INVALID_MULTIADDR');
  });

  test('repeats no more than 200 characters of what it was given', () => {
    const { got } = errorOf(() => toMultiaddr('x'.repeat(10_000))).data;
    expect(got).toHaveLength(200);
  });
});

describe('toPeerAddress()', () => {
  test('gives the peer at the end, also behind a relay', () => {
    const direct = `/ip4/192.0.2.1/tcp/4001/p2p/${ed25519}`;
    const relayed = `${direct}/p2p-circuit/p2p/${other}`;
    expect(toPeerAddress(direct).peerId.toString()).toBe(ed25519);
    const { peerId, address } = toPeerAddress(relayed);
    expect([peerId.toString(), address.toString()]).toEqual([other, relayed]);
  });

  const refusals: readonly (readonly [AddressErrorCode, string])[] = [
    ['MISSING_PEER_ID', '/ip4/192.0.2.1/tcp/4001'],
    ['MISSING_PEER_ID', `/ip4/192.0.2.1/tcp/4001/p2p/${ed25519}/p2p-circuit`],
    ['INVALID_PEER_ID', '/ip4/192.0.2.1/tcp/4001/p2p/garbage'],
    ['INVALID_MULTIADDR', '/ip4/192.0.2.1/tcp/4001/p2p'],
    ['INVALID_MULTIADDR', `/ip4/bootstrap1.lloom.network/tcp/4001/p2p/${ed25519}`],
    ['INVALID_MULTIADDR', ''],
  ];

  test.for(refusals)('answers %s to %s', ([code, given]) => {
    expect(errorOf(() => toPeerAddress(given)).code).toBe(code);
  });
});

describe('toPeerId()', () => {
  test.for([ed25519, secp256k1, rsa])('takes %s, its other spelling, and the peer id itself', (id) => {
    const peerId = toPeerId(id);
    expect(peerId.toString()).toBe(id);
    expect(toPeerId(peerId.toCID().toString()).equals(peerId)).toBe(true);
    expect(toPeerId(peerId)).toBe(peerId);
  });

  test.for(['', 'x', '1', `${ed25519}0`, '0x00'])('refuses "%s"', (got) => {
    expect(errorOf(() => toPeerId(got))).toMatchObject({ code: 'INVALID_PEER_ID', data: { got } });
  });

  test.for([undefined, null, 5, {}])('refuses %o', (given) => {
    expect(errorOf(() => toPeerId(given as string)).code).toBe('INVALID_PEER_ID');
  });
});

describe('withPeerId()', () => {
  const peerId = toPeerId(ed25519);
  const bare = '/ip4/192.0.2.1/tcp/4001';
  const rows: readonly (readonly [title: string, given: string, wanted: string])[] = [
    ['appends it', bare, `${bare}/p2p/${ed25519}`],
    ['leaves it there once', `${bare}/p2p/${ed25519}`, `${bare}/p2p/${ed25519}`],
    ['knows it in its other spelling', `${bare}/p2p/${peerId.toCID().toString()}`, `${bare}/p2p/${ed25519}`],
    ['puts it in the place of another one', `${bare}/p2p/${other}`, `${bare}/p2p/${ed25519}`],
    [
      'appends it behind a relay',
      `${bare}/p2p/${other}/p2p-circuit`,
      `${bare}/p2p/${other}/p2p-circuit/p2p/${ed25519}`,
    ],
    [
      'leaves the relay alone when it stands for another one behind it',
      `${bare}/p2p/${other}/p2p-circuit/p2p/${rsa}`,
      `${bare}/p2p/${other}/p2p-circuit/p2p/${ed25519}`,
    ],
  ];

  test.for(rows)('%s', ([, given, wanted]) => {
    expect(withPeerId(multiaddr(given), peerId).toString()).toBe(wanted);
  });
});

test('whatever the text is, it is taken or refused with an AddressError', () => {
  const part = fc.constantFrom(
    '/',
    'ip4',
    'ip6',
    'dns4',
    'tcp',
    'p2p',
    'p2p-circuit',
    '192.0.2.1',
    '::1',
    '4001',
    ed25519,
  );
  const looksRight = fc.array(part, { maxLength: 10 }).map((parts) => parts.join('/'));
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    looksRight,
    looksRight.map((text) => `/${text}`),
  );
  const holds = fc.property(anything, (text) => {
    for (const act of [toMultiaddr, toPeerAddress, toPeerId]) {
      try {
        act(text);
      } catch (error) {
        if (!AddressError.is(error)) throw error;
      }
    }
  });
  expect(fc.check(holds, { seed: 20_240_612, numRuns: 2_000 })).toMatchObject({ failed: false });
});
