import type { EvmAddress, SignedEnvelope } from '@lloom/core';

import { IdentityError } from '../errors.ts';
import type { CryptoBackend } from '../ports.ts';
import { addressOfKey, sameAddress } from './addresses.ts';
import type { EnvelopeFields, EnvelopeHasher } from './eip712.ts';
import { bytesOfHex } from './hex.ts';
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

/** keccak-256 of a payload; of a large one in slices, so that it does not hold up the event loop. */
function payloadDigestOf(bytes: Uint8Array, backend: CryptoBackend): Uint8Array | Promise<Uint8Array> {
  return bytes.length <= sliceBytes ? backend.keccak256(bytes) : digestInSlices(bytes, backend);
}

async function digestInSlices(bytes: Uint8Array, backend: CryptoBackend): Promise<Uint8Array> {
  const running = backend.startKeccak();
  for (let offset = 0; offset < bytes.length; offset += sliceBytes) {
    running.update(bytes.subarray(offset, offset + sliceBytes));
    await breathe();
  }
  return running.digest();
}

/**
 * The signed fields of an envelope as bytes: at once, or later when its payload is large.
 * @throws {IdentityError} `MALFORMED`
 */
export function readFields(
  envelope: UnsignedEnvelope,
  backend: CryptoBackend,
): EnvelopeFields | Promise<EnvelopeFields> {
  const { payloadType, payloadBytes, timestampMs, expiresMs } = envelope;
  if (!(payloadBytes instanceof Uint8Array)) throw malformed('payloadBytes', 'a Uint8Array');
  if (typeof payloadType !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(payloadType)) {
    throw malformed('payloadType', 'a name of 1 to 256 visible ASCII characters');
  }
  if (!isTime(timestampMs)) throw malformed('timestampMs', 'a whole number below 2^53');
  if (!isTime(expiresMs) || expiresMs <= timestampMs) {
    throw malformed('expiresMs', 'a whole number below 2^53 and above "timestampMs"');
  }
  const to = readHex(envelope.to, 20, 'to');
  const inReplyTo = readHex(envelope.inReplyTo, 32, 'inReplyTo');
  const nonce = readHex(envelope.nonce, 32, 'nonce');
  const withDigest = (payloadDigest: Uint8Array): EnvelopeFields => {
    return { payloadDigest, payloadType, to, inReplyTo, timestampMs, expiresMs, nonce };
  };
  const payloadDigest = payloadDigestOf(payloadBytes, backend);
  return payloadDigest instanceof Promise ? payloadDigest.then(withDigest) : withDigest(payloadDigest);
}

/**
 * Who signed an envelope, proven.
 * @throws {IdentityError} `MALFORMED` or `BAD_SIGNATURE`
 */
export function proveSigner(
  envelope: SignedEnvelope,
  hasher: EnvelopeHasher,
): EvmAddress | Promise<EvmAddress> {
  const { signer: claimed, signature } = envelope;
  readHex(claimed, 20, 'signer');
  const fields = readFields(envelope, hasher.backend);
  const prove = (read: EnvelopeFields): EvmAddress => recoverSigner(hasher, read, { claimed, signature });
  return fields instanceof Promise ? fields.then(prove) : prove(fields);
}

function recoverSigner(
  hasher: EnvelopeHasher,
  fields: EnvelopeFields,
  { claimed, signature: signatureHex }: { readonly claimed: EvmAddress; readonly signature: string },
): EvmAddress {
  const { backend } = hasher;
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
  const bytes = bytesOfHex(signature);
  if (bytes === undefined) throw malformed('signature', '65 bytes as "0x" and hexadecimal digits');
  return bytes;
}

function readHex(value: string, length: number, field: string): Uint8Array {
  const bytes = value?.length === 2 + 2 * length ? bytesOfHex(value) : undefined;
  if (bytes === undefined) throw malformed(field, `${length} bytes as "0x" and hexadecimal digits`);
  return bytes;
}

function malformed(field: string, wanted: string): IdentityError<'MALFORMED'> {
  return new IdentityError('MALFORMED', { field, wanted });
}

function isTime(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
