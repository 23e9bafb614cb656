import { inspect } from 'node:util';

import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { Secp256k1PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { SignedMessage } from '@lloom/codec';
import { systemRandom, toHex, type EvmAddress, type Signer, type Verifier } from '@lloom/core';
import type { PrivateKeyAccount } from 'viem/accounts';

import { selectBackend } from './adapters/backend.ts';
import { createWallet } from './adapters/wallet.ts';
import type { SignConfig, SignerConfig, VerifierConfig } from './config.ts';
import { IdentityError } from './errors.ts';
import { digestSignerOf, isPrivateKey, readPrivateKey } from './internal/key.ts';
import type { Seal } from './internal/seal.ts';
import { loadKey, saveKey, wrongKeyIn } from './keyFiles.ts';
import type { DigestSigner, SigningPorts, VerifyingPorts } from './ports.ts';
import { createSigner, registerWallet, sealOfKey, signPayload } from './sign.ts';
import type { LoadConfig, SaveConfig, Signable, SignedPayload } from './types.ts';
import { createVerifier } from './verify.ts';

/**
 * One secp256k1 key that is both a libp2p peer id and an EVM wallet. The key is in no property, and appears in no
 * text that is made of an identity or of an error.
 *
 * @example
 * ```ts
 * const identity = Identity.generate();
 * await identity.save('node.key', { passphrase: 'correct horse battery staple' });
 * const message = await identity.sign({ model: 'demo-small', prompt: 'Hello' }, { to: executorPeerId });
 * ```
 */
export class Identity {
  /** The peer id, as others write it. */
  readonly peerId: string;
  /** The EVM address, in mixed case. */
  readonly evmAddress: EvmAddress;
  readonly #privateKey: Uint8Array;
  readonly #libp2pKey: Secp256k1PrivateKey;
  readonly #key: DigestSigner;
  readonly #seal: Seal;
  readonly #ports: SigningPorts;
  #wallet: PrivateKeyAccount | undefined;

  private constructor(privateKey: Uint8Array, ports: SigningPorts) {
    this.#privateKey = privateKey;
    this.#ports = ports;
    this.#key = digestSignerOf(privateKey, selectBackend());
    this.#seal = sealOfKey(this.#key);
    this.evmAddress = this.#key.address;
    this.#libp2pKey = concealed(privateKeyFromRaw(privateKey) as Secp256k1PrivateKey);
    this.peerId = peerIdFromPrivateKey(this.#libp2pKey).toString();
    Object.freeze(this);
  }

  /**
   * A new identity.
   *
   * @param ports where its chance and, later, its time come from
   */
  static generate(ports: SigningPorts = {}): Identity {
    const random = ports.random ?? systemRandom;
    for (;;) {
      const bytes = random.bytes(32);
      if (isPrivateKey(bytes)) return new Identity(Uint8Array.from(bytes), ports);
    }
  }

  /**
   * The identity of a private key.
   *
   * @param hex 64 hexadecimal digits, with or without `0x`
   * @param ports where its time and chance come from
   * @throws {IdentityError} `INVALID_KEY`
   * @example
   * ```ts
   * Identity.fromPrivateKey('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80').evmAddress;
   * // '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
   * ```
   */
  static fromPrivateKey(hex: string, ports: SigningPorts = {}): Identity {
    return new Identity(readPrivateKey(hex), ports);
  }

  /**
   * The identity in a key file: one that {@link Identity.save} wrote, or a Web3 Secret Storage file of version 3
   * from any wallet.
   *
   * @param config the passphrase of an encrypted file; ports as in {@link Identity.fromPrivateKey}
   * @throws {IdentityError} `FILE_NOT_FOUND`, `FILE_CORRUPT`, `FILE_FAILED`, `FILE_READABLE_BY_OTHERS` when the key
   * is not encrypted and its file not for its owner only, `PASSPHRASE_REQUIRED`, `WRONG_PASSPHRASE`
   */
  static async load(path: string, config: LoadConfig & SigningPorts = {}): Promise<Identity> {
    const { passphrase, ...ports } = config;
    const { privateKey, address } = await loadKey(path, passphrase === undefined ? {} : { passphrase });
    let identity: Identity;
    try {
      identity = Identity.fromPrivateKey(privateKey, ports);
    } catch (error) {
      throw IdentityError.is(error, 'INVALID_KEY') ? wrongKeyIn(path) : error;
    }
    if (address !== undefined && address !== identity.evmAddress.toLowerCase()) throw wrongKeyIn(path);
    return identity;
  }

  /**
   * Writes the key to a file that only its owner may read. The file is there as a whole or not at all.
   *
   * @param config a passphrase, which encrypts the key as Web3 Secret Storage that wallets can read; and whether to
   * overwrite
   * @throws {IdentityError} `FILE_EXISTS`, `FILE_FAILED`, or `PASSPHRASE_REQUIRED` when the passphrase is empty
   */
  async save(path: string, config: SaveConfig = {}): Promise<void> {
    await saveKey({ privateKey: this.#privateKey, address: this.evmAddress }, path, config);
  }

  /** The same key as a viem account. */
  get wallet(): PrivateKeyAccount {
    if (this.#wallet === undefined) {
      this.#wallet = createWallet({
        key: this.#key,
        address: this.evmAddress,
        publicKey: selectBackend().publicKeyOf(this.#privateKey),
        privateKey: () => toHex(this.#privateKey),
      });
      registerWallet(this.#wallet, this.#key);
    }
    return this.#wallet;
  }

  /**
   * The same key for `createLibp2p({ privateKey })`. libp2p signs other bytes in another way than this package, so
   * no signature of one side can stand for one of the other.
   */
  get libp2pKey(): Secp256k1PrivateKey {
    return this.#libp2pKey;
  }

  /**
   * Signs a payload, or a request in its short form: `prompt` and `systemPrompt` become messages, and a request
   * without an idempotency key gets a random one.
   *
   * @param config for whom, in answer to what, for how long, and in which domain
   * @returns the envelope with its payload, as the receiver will see it
   * @throws {CodecError} `INVALID_FIELD` when the payload cannot be encoded
   * @throws {ConfigError} `INVALID_CONFIG`
   * @example
   * ```ts
   * const message = await identity.sign({ model: 'demo-small', prompt: 'Hello' }, { ttlMs: 60_000 });
   * message.payload.messages; // [{ role: 'user', content: 'Hello' }]
   * ```
   */
  sign<T extends Signable>(payload: T, config: SignConfig = {}): Promise<SignedMessage<SignedPayload<T>>> {
    return signPayload(payload, this.#seal, { config, ports: this.#ports });
  }

  /**
   * What the other packages sign with.
   *
   * @param ports time and chance; those of the identity unless given
   * @throws {ConfigError} `INVALID_CONFIG`
   */
  signer(config: SignerConfig = {}, ports: SigningPorts = {}): Signer {
    return createSigner(this.#key, config, { ...this.#ports, ...ports });
  }

  /**
   * What the other packages verify with. Each one has a replay guard of its own, in memory, unless one is given.
   *
   * @param ports time, which is that of the identity unless given, and a replay guard
   * @throws {ConfigError} `INVALID_CONFIG`
   */
  verifier(config: VerifierConfig = {}, ports: VerifyingPorts = {}): Verifier {
    const { clock } = this.#ports;
    return createVerifier(config, { ...(clock && { clock }), ...ports });
  }

  toString(): string {
    return `Identity(${this.peerId}, ${this.evmAddress})`;
  }

  /** Both public names. */
  toJSON(): { readonly peerId: string; readonly evmAddress: EvmAddress } {
    return { peerId: this.peerId, evmAddress: this.evmAddress };
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** The same key, showing its type only where it would be printed. */
function concealed(key: Secp256k1PrivateKey): Secp256k1PrivateKey {
  return Object.defineProperties(key, {
    [inspect.custom]: { value: () => 'Secp256k1PrivateKey(concealed)' },
    toJSON: { value: () => ({ type: key.type }) },
  });
}
