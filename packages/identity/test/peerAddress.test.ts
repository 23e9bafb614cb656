import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { privateKeyToAccount } from 'viem/accounts';
import { describe, expect, test } from 'vitest';

import { evmAddressOf, Identity } from '../src/index.ts';
import { codeOf, knownKey } from './support/world.ts';

describe('the address of a peer id', () => {
  test('is the golden one', () => {
    expect(evmAddressOf(knownKey.peerId)).toBe(knownKey.address);
    expect(evmAddressOf(knownKey.peerId)).toBe(knownKey.address);
  });

  test('is the one that viem finds for the same key', () => {
    for (let index = 1; index <= 20; index++) {
      const hex = index.toString(16).padStart(64, '0');
      expect(evmAddressOf(Identity.fromPrivateKey(hex).peerId)).toBe(privateKeyToAccount(`0x${hex}`).address);
    }
  });

  test('does not exist for an Ed25519 peer', async () => {
    const peerId = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString();
    expect(evmAddressOf(peerId)).toBeUndefined();
  });

  test('does not exist for a peer id that holds no key', async () => {
    const peerId = peerIdFromPrivateKey(await generateKeyPair('RSA', 2_048)).toString();
    expect(evmAddressOf(peerId)).toBeUndefined();
  });

  test.for(['', 'nonsense', knownKey.peerId.slice(0, -1)])(
    'is refused for "%s", which is no peer id',
    async (text) => {
      expect(await codeOf(() => evmAddressOf(text))).toBe('INVALID_PEER_ID');
    },
  );
});
