import type {
  AnswerSegment,
  LlmRequest,
  LlmRequestInput,
  LlmResponse,
  Payload,
  ServiceDescriptor,
} from '@lloom/codec';
import type { EvmAddress, Hex } from '@lloom/core';

/** What can be signed: a payload, or a request in its short form. */
export type Signable = Payload | LlmRequestInput;

/** The payload that signing makes of a value. */
export type SignedPayload<T extends Signable> = T extends LlmResponse
  ? LlmResponse
  : T extends AnswerSegment
    ? AnswerSegment
    : T extends ServiceDescriptor
      ? ServiceDescriptor
      : LlmRequest;

/** What one executor has signed of an answer. */
export interface AnswerShare {
  readonly signer: EvmAddress;
  /** Tokens that its signatures cover. */
  readonly tokens: number;
  /** What it asks for them, in wei, as a decimal text. */
  readonly totalCost: string;
}

/** A streamed answer whose signed parts are proven. */
export interface VerifiedAnswer {
  /** Who signed, in the order of their first signature, without repetition. */
  readonly signers: readonly EvmAddress[];
  /** What each of them has signed, in the same order. */
  readonly shares: readonly AnswerShare[];
  /** Which request is answered; `undefined` when nothing is signed. */
  readonly requestDigest: Hex | undefined;
  readonly signedTokens: number;
  readonly signedBytes: number;
  /** Tokens that nobody has signed for: shown, never owed. */
  readonly unsignedTokens: number;
  readonly unsignedBytes: number;
}

/** A key file that is to be read. */
export interface LoadConfig {
  /** Opens an encrypted file; not looked at when the file is not encrypted. */
  readonly passphrase?: string;
}

/** How a key file is to be written. */
export interface SaveConfig {
  /** Encrypts the key. Must not be empty. @default the key is stored as it is, readable by its owner only */
  readonly passphrase?: string;
  /** Replace a file that is there; the key in it is lost. @default false */
  readonly overwrite?: boolean;
}

/** Which implementations of the cryptography are in use. */
export interface CryptoInfo {
  /** `native` is libsecp256k1; `pure` is JavaScript, 14 to 25 times slower. */
  readonly curve: 'native' | 'pure';
  readonly keccak: 'wasm' | 'pure';
  /** Why the native implementation is not in use; absent when it is. */
  readonly reason?: string;
}
