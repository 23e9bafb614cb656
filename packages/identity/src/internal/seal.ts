import {
  systemClock,
  systemRandom,
  toHex,
  zeroAddress,
  zeroDigest,
  type EnvelopeDraft,
  type EvmAddress,
  type Hex,
  type SignedEnvelope,
} from '@lloom/core';

import { selectBackend } from '../adapters/backend.ts';
import { lifetime, type ResolvedSignerConfig } from '../config.ts';
import { IdentityError } from '../errors.ts';
import type { CryptoBackend, SigningPorts } from '../ports.ts';
import { hasherOf, type Domain } from './eip712.ts';
import { readFields, type UnsignedEnvelope } from './envelope.ts';

/** What a key or a wallet is asked to sign: the digest, and what it was made of. */
export interface SigningRequest {
  readonly envelope: UnsignedEnvelope;
  readonly domain: Domain;
  readonly payloadDigest: Hex;
  readonly digest: Uint8Array;
  readonly backend: CryptoBackend;
}

/** Who signs: an address, and a way to a signature in its accepted form. */
export interface Seal {
  readonly address: EvmAddress;
  sign(request: SigningRequest): Uint8Array | Promise<Uint8Array>;
}

/**
 * Puts a draft into an envelope and has it signed.
 * @throws {IdentityError} `MALFORMED`, and what the seal throws
 */
export async function sealDraft(
  draft: EnvelopeDraft,
  seal: Seal,
  { config, ports }: { readonly config: ResolvedSignerConfig; readonly ports: SigningPorts },
): Promise<SignedEnvelope> {
  const { clock = systemClock, random = systemRandom } = ports;
  const backend = selectBackend(config.crypto);
  await backend.ready;
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
  const fields = await readFields(unsigned, backend);
  const digest = hasherOf(backend, config).digest(fields);
  const payloadDigest = toHex(fields.payloadDigest);
  const signature = await seal.sign({ envelope: unsigned, domain: config, payloadDigest, digest, backend });
  return { ...unsigned, signature: toHex(signature) };
}

/** As the codec writes it, so that an envelope is the same before and after its way. */
function lowerCase(hex: Hex): Hex {
  return typeof hex === 'string' ? (hex.toLowerCase() as Hex) : hex;
}
