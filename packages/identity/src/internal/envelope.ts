import { fromHex, type EvmAddress, type SignedEnvelope } from '@lloom/core';

import { IdentityError } from '../errors.ts';
import type { CryptoBackend } from '../ports.ts';
import { addressOfKey, sameAddress } from './addresses.ts';
import type { EnvelopeFields, EnvelopeHasher } from './eip712.ts';
import { signatureProblem, withBareRecoveryId } from './signature.ts';

/** Everything of an envelope that is signed. */
export type UnsignedEnvelope = Omit<SignedEnvelope, 'signature'>;

// Larger payloads are hashed in slices, and others get their turn in between: 256 KiB take below 1 ms in
// WebAssembly and about 7 ms in JavaScript.
const sliceBytes = 256 * 1024;

/** Gives everything else that waits a turn. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** keccak-256 of a payload, without holding up the event loop when it is large. */
export async function payloadDigestOf(bytes: Uint8Array, backend: CryptoBackend): Promise<Uint8Array> {
  if (bytes.length <= sliceBytes) return backend.keccak256(bytes);
  const running = backend.startKeccak();
  for (let offset = 0; offset < bytes.length; offset += sliceBytes) {
    running.update(bytes.subarray(offset, offset + sliceBytes));
    await breathe();
  }
  return running.digest();
}

/**
 * The signed fields of an envelope as bytes.
 * @throws {IdentityError} `MALFORMED`
 */
export async function readFields(
  envelope: UnsignedEnvelope,
  backend: CryptoBackend,
): Promise<EnvelopeFields> {
  const { payloadType, payloadBytes, timestampMs, expiresMs } = envelope;
  if (!(payloadBytes instanceof Uint8Array)) throw malformed('payloadBytes', 'a Uint8Array');
  if (typeof payloadType !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(payloadType)) {
    throw malformed('payloadType', 'a name of 1 to 256 visible ASCII characters');
  }
  if (!isTime(timestampMs)) throw malformed('timestampMs', 'a whole number below 2^53');
  if (!isTime(expiresMs) || expiresMs <= timestampMs) {
    throw malformed('expiresMs', 'a whole number below 2^53 and above "timestampMs"');
  }
  return {
    payloadType,
    timestampMs,
    expiresMs,
    to: readHex(envelope.to, 20, 'to'),
    inReplyTo: readHex(envelope.inReplyTo, 32, 'inReplyTo'),
    nonce: readHex(envelope.nonce, 32, 'nonce'),
    payloadDigest: await payloadDigestOf(payloadBytes, backend),
  };
}

/**
 * Who signed an envelope, proven.
 * @throws {IdentityError} `MALFORMED` or `BAD_SIGNATURE`
 */
export async function proveSigner(envelope: SignedEnvelope, hasher: EnvelopeHasher): Promise<EvmAddress> {
  const { backend } = hasher;
  const { signer: claimed, signature: signatureHex } = envelope;
  readHex(claimed, 20, 'signer');
  const fields = await readFields(envelope, backend);
  const signature = readSignature(signatureHex);
  const problem = signatureProblem(signature);
  if (problem !== undefined) throw new IdentityError('BAD_SIGNATURE', { reason: problem, claimed });
  const publicKey = backend.recover(hasher.digest(fields), withBareRecoveryId(signature));
  if (publicKey === undefined) throw new IdentityError('BAD_SIGNATURE', { reason: 'unrecoverable', claimed });
  const signer = addressOfKey(publicKey, backend);
  if (!sameAddress(signer, claimed)) {
    throw new IdentityError('BAD_SIGNATURE', { reason: 'otherSigner', claimed });
  }
  return signer;
}

function readSignature(signature: string): Uint8Array {
  try {
    return fromHex(signature);
  } catch {
    throw malformed('signature', '65 bytes as "0x" and hexadecimal digits');
  }
}

function readHex(value: string, length: number, field: string): Uint8Array {
  if (typeof value === 'string' && value.length === 2 + 2 * length) {
    try {
      return fromHex(value);
    } catch {
      // Told below.
    }
  }
  throw malformed(field, `${length} bytes as "0x" and hexadecimal digits`);
}

function malformed(field: string, wanted: string): IdentityError<'MALFORMED'> {
  return new IdentityError('MALFORMED', { field, wanted });
}

function isTime(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
