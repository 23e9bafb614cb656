import { inspect } from 'node:util';

import { fromHex, isCodedError, toHex } from '@lloom/core';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import { peerIdFromString } from '@libp2p/peer-id';
import {
  hashMessage,
  parseTransaction,
  recoverMessageAddress,
  recoverTransactionAddress,
  recoverTypedDataAddress,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { describe, expect, test } from 'vitest';

import { evmAddressOf, Identity, IdentityError, verifySignedMessage } from '../src/index.ts';
import { codeOf, failureOf, fakeRandom, knownKey } from './support/world.ts';

const typedData = {
  domain: { name: 'Shop', version: '1', chainId: 10 },
  types: { Order: [{ name: 'price', type: 'uint256' }] },
  primaryType: 'Order',
  message: { price: 5n },
} as const;

describe('an identity', () => {
  const known = Identity.fromPrivateKey(knownKey.privateKey);

  test('has the golden peer id, address and public key', () => {
    expect(known.peerId).toBe(knownKey.peerId);
    expect(known.evmAddress).toBe(knownKey.address);
    expect(known.wallet.address).toBe(knownKey.address);
    expect(toHex(known.libp2pKey.publicKey.raw)).toBe(knownKey.publicKey);
    expect(toHex(peerIdFromString(known.peerId).toMultihash().bytes)).toBe(knownKey.peerIdBytes);
  });

  test('is the same from hex with and without 0x, in either case', () => {
    const digits = knownKey.privateKey.slice(2);
    for (const hex of [digits, digits.toUpperCase(), `0x${digits.toUpperCase()}`]) {
      expect(Identity.fromPrivateKey(hex).peerId).toBe(knownKey.peerId);
    }
  });

  test('is another one each time it is generated, and valid', () => {
    const [a, b] = [Identity.generate(), Identity.generate()];
    expect(a.peerId).not.toBe(b.peerId);
    expect(evmAddressOf(a.peerId)).toBe(a.evmAddress);
  });

  test('is generated from the given chance, skipping what is no key', () => {
    const draws = [new Uint8Array(32), new Uint8Array(32).fill(0xff), fromHex(knownKey.privateKey)];
    const random = { ...fakeRandom(), bytes: () => draws.shift() ?? new Uint8Array(32) };
    expect(Identity.generate({ random }).peerId).toBe(knownKey.peerId);
  });

  test.for([
    ['nothing', '', 'format'],
    ['too few digits', '0x12', 'format'],
    ['too many digits', `${knownKey.privateKey}00`, 'format'],
    ['other characters', `0x${'zz'.repeat(32)}`, 'format'],
    ['zero', '00'.repeat(32), 'range'],
    ['the order of the curve', 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141', 'range'],
    ['the largest number', 'ff'.repeat(32), 'range'],
  ] as const)('cannot be made of %s', async ([, hex, reason]) => {
    const error = await failureOf(() => Identity.fromPrivateKey(hex));
    expect(IdentityError.is(error, 'INVALID_KEY') && error.data.reason).toBe(reason);
  });

  test('can be made of the smallest and the largest key', () => {
    const largest = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140';
    for (const hex of [`${'00'.repeat(31)}01`, largest] as const) {
      expect(Identity.fromPrivateKey(hex).evmAddress).toBe(privateKeyToAccount(`0x${hex}`).address);
    }
  });

  test('cannot be changed', () => {
    expect(() => Object.assign(known, { evmAddress: '0x' })).toThrow(TypeError);
  });
});

describe('the secret', () => {
  const identity = Identity.fromPrivateKey(knownKey.privateKey);
  const digits = knownKey.privateKey.slice(2);
  const inBytes = [...fromHex(knownKey.privateKey)].slice(0, 4).join(', ');
  const expectNoSecret = (text: string): void => {
    expect(text.toLowerCase()).not.toContain(digits);
    expect(text.replaceAll(/\s+/g, ' ')).not.toContain(inBytes);
  };

  test.for([
    ['toString', () => String(identity)],
    ['a joined text', () => [identity].join(' ')],
    ['JSON', () => JSON.stringify({ identity })],
    ['inspect', () => inspect(identity, { showHidden: true, depth: 9, getters: true })],
    [
      'inspect without custom forms',
      () => inspect(identity, { customInspect: false, showHidden: true, depth: 9 }),
    ],
    ['the wallet', () => inspect(identity.wallet, { showHidden: true, depth: 9, getters: true })],
    ['the wallet as JSON', () => JSON.stringify(identity.wallet)],
    ['the libp2p key', () => inspect({ privateKey: identity.libp2pKey }, { depth: 9 })],
    ['the libp2p key as JSON', () => JSON.stringify(identity.libp2pKey)],
    ['the signer', () => inspect(identity.signer(), { showHidden: true, depth: 9 })],
    ['own properties', () => JSON.stringify(Object.entries(Object.getOwnPropertyDescriptors(identity)))],
  ] as const)('does not appear in %s', ([, show]) => {
    expectNoSecret(show());
  });

  test('does not appear in the error about a key with a typing mistake', async () => {
    const error = await failureOf(() => Identity.fromPrivateKey(`${digits}0`));
    expectNoSecret(inspect(error, { showHidden: true, depth: 9 }));
    expectNoSecret(JSON.stringify(error));
  });

  test('leaves both public names to be seen', () => {
    expect(inspect(identity)).toBe(`Identity(${knownKey.peerId}, ${knownKey.address})`);
    expect(JSON.parse(JSON.stringify(identity))).toEqual({
      peerId: knownKey.peerId,
      evmAddress: knownKey.address,
    });
  });
});

describe('the wallet', () => {
  const { wallet } = Identity.fromPrivateKey(knownKey.privateKey);
  const reference = privateKeyToAccount(knownKey.privateKey);

  test('is the viem account of the same key', async () => {
    expect({ ...wallet }).toMatchObject({
      address: reference.address,
      publicKey: reference.publicKey,
      type: 'local',
      source: 'privateKey',
    });
    const hash = hashMessage('hello');
    expect(await wallet.sign({ hash })).toBe(await reference.sign({ hash }));
  });

  test('signs messages, typed data, transactions and authorizations for viem', async () => {
    const signature = await wallet.signMessage({ message: 'hello' });
    expect(await recoverMessageAddress({ message: 'hello', signature })).toBe(knownKey.address);
    const typed = await wallet.signTypedData(typedData);
    expect(await recoverTypedDataAddress({ ...typedData, signature: typed })).toBe(knownKey.address);
    const serialized = await wallet.signTransaction({
      chainId: 1,
      to: knownKey.address,
      value: 1n,
      type: 'eip1559',
    });
    expect(parseTransaction(serialized).value).toBe(1n);
    const serializedTransaction = serialized as `0x02${string}`;
    expect(await recoverTransactionAddress({ serializedTransaction })).toBe(knownKey.address);
    const authorization = { address: knownKey.address, chainId: 1, nonce: 0 };
    expect(await wallet.signAuthorization(authorization)).toEqual(
      await reference.signAuthorization(authorization),
    );
  });

  test('is always the same object', () => {
    const identity = Identity.generate();
    expect(identity.wallet).toBe(identity.wallet);
  });
});

describe('the libp2p key', () => {
  test('is the one that libp2p makes of the same bytes', async () => {
    const { libp2pKey } = Identity.fromPrivateKey(knownKey.privateKey);
    const reference = privateKeyFromRaw(fromHex(knownKey.privateKey));
    expect(libp2pKey.equals(reference)).toBe(true);
    const message = new TextEncoder().encode('hello');
    expect(await reference.publicKey.verify(message, await libp2pKey.sign(message))).toBe(true);
  });

  test('makes no signature that passes for one of an envelope', async () => {
    const identity = Identity.fromPrivateKey(knownKey.privateKey);
    const message = await identity.sign({ model: 'demo-small', prompt: 'Hello' });
    const signature = toHex(await identity.libp2pKey.sign(message.payloadBytes));
    expect(await codeOf(() => verifySignedMessage({ ...message, signature }))).toBe('BAD_SIGNATURE');
  });
});

describe('an identity error', () => {
  test('is known by name and code, also from another copy of the package', async () => {
    const error = await failureOf(() => Identity.fromPrivateKey(''));
    expect(IdentityError.is(error)).toBe(true);
    expect(IdentityError.is(error, 'BAD_SIGNATURE')).toBe(false);
    expect(
      isCodedError(
        Object.assign(new Error('x'), { name: 'IdentityError', code: 'INVALID_KEY' }),
        'IdentityError',
      ),
    ).toBe(true);
  });
});
