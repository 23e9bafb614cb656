import {
  systemClock,
  toHex,
  zeroAddress,
  zeroDigest,
  type EnvelopeDraft,
  type EvmAddress,
  type Hex,
  type SignedEnvelope,
} from '@lloom/core';

import { storedRandom } from '../adapters/random.ts';
import { lifetime, type ResolvedSignerConfig } from '../config.ts';
import { IdentityError } from '../errors.ts';
import type { CryptoBackend, SigningPorts } from '../ports.ts';
import type { Domain, EnvelopeHasher } from './eip712.ts';
import { readFields, type UnsignedEnvelope } from './envelope.ts';
import { turns } from './turns.ts';

/** What a key or a wallet is asked to sign: the digest, and what it was made of. */
export interface SigningRequest {
  readonly envelope: UnsignedEnvelope;
  readonly domain: Domain;
  readonly payloadDigest: Uint8Array;
  readonly digest: Uint8Array;
  readonly backend: CryptoBackend;
}

/** Who signs: an address, and a way to a signature in its accepted form. */
export interface Seal {
  readonly address: EvmAddress;
  sign(request: SigningRequest): Uint8Array | Promise<Uint8Array>;
}

/** How a draft becomes an envelope. */
export interface SealContext {
  readonly config: ResolvedSignerConfig;
  readonly ports: SigningPorts;
  /** The hasher of the configured domain. */
  readonly hasher: EnvelopeHasher;
}

/**
 * Puts a draft into an envelope and has it signed.
 * @throws {IdentityError} `MALFORMED`, and what the seal throws
 */
export async function sealDraft(
  draft: EnvelopeDraft,
  seal: Seal,
  { config, ports, hasher }: SealContext,
): Promise<SignedEnvelope> {
  const { clock = systemClock, random = storedRandom } = ports;
  const { backend } = hasher;
  if (!backend.isReady) await backend.ready;
  const turn = turns.take(backend.curve);
  if (turn !== undefined) await turn;
  const ttlMs = draft.ttlMs ?? config.ttlMs;
  const wanted = lifetime(ttlMs);
  if (wanted !== undefined) throw new IdentityError('MALFORMED', { field: 'ttlMs', wanted });
  const timestampMs = Math.floor(clock.now());
  const unsigned: UnsignedEnvelope = {
    payloadType: draft.payloadType,
    payloadBytes: draft.payloadBytes,
    signer: lowerCase(seal.address),
    to: lowerCase(draft.to ?? zeroAddress),
    inReplyTo: lowerCase(draft.inReplyTo ?? zeroDigest),
    timestampMs,
    expiresMs: timestampMs + ttlMs,
    nonce: toHex(random.bytes(32)),
  };
  const reading = readFields(unsigned, backend);
  const fields = reading instanceof Promise ? await reading : reading;
  const { payloadDigest } = fields;
  const digest = hasher.digest(fields);
  const signing = seal.sign({ envelope: unsigned, domain: config, payloadDigest, digest, backend });
  const signature = signing instanceof Promise ? await signing : signing;
  return { ...unsigned, signature: toHex(signature) };
}

/** As the codec writes it, so that an envelope is the same before and after its way. */
function lowerCase(hex: Hex): Hex {
  return typeof hex === 'string' ? (hex.toLowerCase() as Hex) : hex;
}
