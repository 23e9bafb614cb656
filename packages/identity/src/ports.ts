import type { PrivateKey, PublicKey } from '@libp2p/interface';
import type { Clock, EvmAddress, Random, SignedEnvelope } from '@lloom/core';

/** A keccak-256 that is fed piece by piece. */
export interface RunningKeccak {
  update(bytes: Uint8Array): void;
  /** The digest of all bytes so far; more may follow. */
  digest(): Uint8Array;
}

/** The hash that everything is built on. */
export interface KeccakBackend {
  readonly keccak: 'wasm' | 'pure';
  keccak256(bytes: Uint8Array): Uint8Array;
  startKeccak(): RunningKeccak;
}

/** The operations on the curve that everything is built on. Digests have 32 bytes, public keys 65. */
export interface CurveBackend {
  readonly curve: 'native' | 'pure';
  /** r, s and the recovery id as 0 or 1: 65 bytes, always the same for the same digest and key, s in the lower half. */
  sign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array;
  /** The public key whose owner made such a signature; `undefined` when there is none. */
  recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined;
  /**
   * Whether r and s, 64 bytes, are a signature by the owner of a public key. False for numbers out of range and for an s
   * in the upper half. Absent where libp2p itself is as fast.
   */
  readonly verify?: (signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array) => boolean;
  /** The public key of a private one. */
  publicKeyOf(privateKey: Uint8Array): Uint8Array;
  /** The same public key in full from its 33 bytes. */
  expand(publicKey: Uint8Array): Uint8Array;
}

/** All cryptography that this package does. */
export interface CryptoBackend extends CurveBackend, KeccakBackend {
  /** Resolves when the fastest form is in use; before that, all works, only slower. */
  readonly ready: Promise<void>;
  /** Whether `ready` has resolved. */
  readonly isReady: boolean;
}

/** What is used of an envelope when its nonce is remembered. */
export type GuardedEnvelope = Pick<SignedEnvelope, 'signer' | 'nonce' | 'timestampMs' | 'expiresMs'>;

/**
 * Remembers nonces for as long as their envelopes are valid, and refuses them a second time. Create one with
 * {@link createReplayGuard}, or bring your own when several processes must share what they remember.
 */
export interface ReplayGuard {
  /**
   * Accepts an envelope whose signature is verified, at most once for each signer and nonce. Of two calls at the
   * same time, one is refused.
   * @throws {IdentityError} `REPLAYED`, `OLDER_THAN_START`, `EXPIRED`, `GUARD_FULL` or `GUARD_UNAVAILABLE`
   */
  admit(envelope: GuardedEnvelope): Promise<void>;
}

/** Where time and chance come from when signing. */
export interface SigningPorts {
  /** @default the system's clock */
  readonly clock?: Clock;
  /** @default the system's randomness */
  readonly random?: Random;
}

/** Where time comes from when verifying, and who remembers nonces. */
export interface VerifyingPorts {
  /** @default the system's clock */
  readonly clock?: Clock;
  /** @default one that remembers in memory, made with the verifier */
  readonly replayGuard?: ReplayGuard;
}

/** Something that signs digests and does not show its key. */
export interface DigestSigner {
  readonly address: EvmAddress;
  /** r, s and the recovery id as 27 or 28. */
  signDigest(digest: Uint8Array, backend: CryptoBackend): Uint8Array;
}

/**
 * Makes fast signers and verifiers of single keys, for keys of libp2p. Keep what it makes: to make a verifier costs a
 * few microseconds.
 */
export interface MessageKeys {
  /**
   * Signs as `PrivateKey.sign` of libp2p does, to the byte: sha-256, RFC 6979, DER, s in the lower half. `undefined` for
   * keys that are not secp256k1, and where libp2p itself is as fast. The signer holds the private key.
   */
  signerOf(key: PrivateKey): ((bytes: Uint8Array) => Uint8Array) | undefined;
  /**
   * Accepts exactly what `PublicKey.verify` of libp2p accepts, and never throws. `undefined` for keys that are not
   * secp256k1, and where libp2p itself is as fast.
   */
  verifierOf(key: PublicKey): ((bytes: Uint8Array, signature: Uint8Array) => boolean) | undefined;
}
