import { fromHex, toHex, type EvmAddress, type Hex } from '@lloom/core';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { DigestSigner } from '../ports.ts';
import { selectBackend } from './backend.ts';

/** What a wallet is made of. */
export interface WalletKey {
  readonly key: DigestSigner;
  readonly address: EvmAddress;
  readonly publicKey: Uint8Array;
  /** Gives the private key to viem. */
  readonly privateKey: () => Hex;
}

/**
 * A viem account. viem itself is loaded by the first call that needs it: all of them are asynchronous, and loading
 * takes longer than everything else that an identity does. The key is in no property of the account.
 */
export function createWallet({ key, address, publicKey, privateKey }: WalletKey): PrivateKeyAccount {
  let loading: Promise<PrivateKeyAccount> | undefined;
  const load = (): Promise<PrivateKeyAccount> =>
    (loading ??= import('viem/accounts').then(({ privateKeyToAccount }) =>
      privateKeyToAccount(privateKey()),
    ));
  type Method = 'signAuthorization' | 'signMessage' | 'signTransaction' | 'signTypedData';
  const later = <M extends Method>(name: M): PrivateKeyAccount[M] => {
    const call = async (...parameters: unknown[]): Promise<unknown> => {
      const method = (await load())[name] as (...all: unknown[]) => Promise<unknown>;
      return method(...parameters);
    };
    return call as PrivateKeyAccount[M];
  };
  return {
    address,
    publicKey: toHex(publicKey),
    source: 'privateKey',
    type: 'local',
    sign: async ({ hash }) => toHex(key.signDigest(fromHex(hash), selectBackend())),
    signAuthorization: later('signAuthorization'),
    signMessage: later('signMessage'),
    signTransaction: later('signTransaction'),
    signTypedData: later('signTypedData'),
  };
}
