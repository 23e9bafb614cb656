import { fromHex, type EvmAddress, type Hex, type SignedEnvelope } from '@lloom/core';

import type { CryptoBackend } from '../ports.ts';
import { BoundedMap } from './boundedMap.ts';

/** Chain and contract that a signature is bound to. */
export interface Domain {
  readonly chainId: number;
  readonly verifyingContract?: EvmAddress;
}

/** What a signature covers, as bytes. */
export interface EnvelopeFields {
  readonly payloadDigest: Uint8Array;
  readonly payloadType: string;
  readonly to: Uint8Array;
  readonly inReplyTo: Uint8Array;
  readonly timestampMs: number;
  readonly expiresMs: number;
  readonly nonce: Uint8Array;
}

const domainName = 'Lloom';
const domainVersion = '1';

/** The signed struct, as EIP-712 encodes its type. */
export const envelopeType =
  'Envelope(bytes32 payloadDigest,string payloadType,address to,bytes32 inReplyTo,uint64 timestampMs,uint64 expiresMs,bytes32 nonce)';

const word = 32;

/** Hashes envelopes of one domain: what is the same for all of them is computed once. */
export class EnvelopeHasher {
  readonly domainSeparator: Uint8Array;
  readonly typeHash: Uint8Array;
  readonly backend: CryptoBackend;
  // Hashing is synchronous, so one buffer of each kind serves all calls.
  readonly #struct = new Uint8Array(8 * word);
  readonly #view = new DataView(this.#struct.buffer);
  readonly #final = new Uint8Array(2 + 2 * word);
  readonly #typeNames = new BoundedMap<string, Uint8Array>(32);

  constructor(backend: CryptoBackend, domain: Domain) {
    this.backend = backend;
    this.domainSeparator = separatorOf(backend, domain);
    this.typeHash = backend.keccak256(utf8(envelopeType));
    this.#struct.set(this.typeHash, 0);
    this.#final.set([0x19, 0x01]);
    this.#final.set(this.domainSeparator, 2);
  }

  /** The digest that is signed: keccak256(0x19 0x01, domain separator, hash of the struct). */
  digest(fields: EnvelopeFields): Uint8Array {
    const { payloadType } = fields;
    const typeName = this.#typeNames.getOrMake(payloadType, () => this.backend.keccak256(utf8(payloadType)));
    this.#struct.set(fields.payloadDigest, word);
    this.#struct.set(typeName, 2 * word);
    this.#struct.set(fields.to, 3 * word + 12);
    this.#struct.set(fields.inReplyTo, 4 * word);
    this.#setNumber(5, fields.timestampMs);
    this.#setNumber(6, fields.expiresMs);
    this.#struct.set(fields.nonce, 7 * word);
    this.#final.set(this.backend.keccak256(this.#struct), 2 + word);
    return this.backend.keccak256(this.#final);
  }

  #setNumber(index: number, value: number): void {
    this.#view.setBigUint64((index + 1) * word - 8, BigInt(value));
  }
}

const hashers = new WeakMap<CryptoBackend, BoundedMap<string, EnvelopeHasher>>();

/** The hasher of a domain; kept, so that its constants are computed once. */
export function hasherOf(backend: CryptoBackend, { chainId, verifyingContract }: Domain): EnvelopeHasher {
  let known = hashers.get(backend);
  if (known === undefined) hashers.set(backend, (known = new BoundedMap(64)));
  const domain: Domain = { chainId, ...(verifyingContract !== undefined && { verifyingContract }) };
  const key = `${chainId}/${verifyingContract?.toLowerCase() ?? ''}`;
  return known.getOrMake(key, () => new EnvelopeHasher(backend, domain));
}

/** An envelope as wallets sign it. */
export type EnvelopeTypedData = ReturnType<typeof typedDataOf>;

/** The same envelope in the form that wallets sign: EIP-712 typed data. */
export function typedDataOf(envelope: Omit<SignedEnvelope, 'signature'>, domain: Domain, payloadDigest: Hex) {
  return {
    domain: {
      name: domainName,
      version: domainVersion,
      chainId: domain.chainId,
      ...(domain.verifyingContract !== undefined && { verifyingContract: domain.verifyingContract }),
    },
    types: {
      Envelope: [
        { name: 'payloadDigest', type: 'bytes32' },
        { name: 'payloadType', type: 'string' },
        { name: 'to', type: 'address' },
        { name: 'inReplyTo', type: 'bytes32' },
        { name: 'timestampMs', type: 'uint64' },
        { name: 'expiresMs', type: 'uint64' },
        { name: 'nonce', type: 'bytes32' },
      ],
    },
    primaryType: 'Envelope',
    message: {
      payloadDigest,
      payloadType: envelope.payloadType,
      to: envelope.to,
      inReplyTo: envelope.inReplyTo,
      timestampMs: BigInt(envelope.timestampMs),
      expiresMs: BigInt(envelope.expiresMs),
      nonce: envelope.nonce,
    },
  } as const;
}

function separatorOf(backend: CryptoBackend, { chainId, verifyingContract }: Domain): Uint8Array {
  const withContract = verifyingContract !== undefined;
  const type = `EIP712Domain(string name,string version,uint256 chainId${withContract ? ',address verifyingContract' : ''})`;
  const encoded = new Uint8Array((withContract ? 5 : 4) * word);
  encoded.set(backend.keccak256(utf8(type)), 0);
  encoded.set(backend.keccak256(utf8(domainName)), word);
  encoded.set(backend.keccak256(utf8(domainVersion)), 2 * word);
  new DataView(encoded.buffer).setBigUint64(4 * word - 8, BigInt(chainId));
  if (withContract) encoded.set(fromHex(verifyingContract), 4 * word + 12);
  return backend.keccak256(encoded);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
