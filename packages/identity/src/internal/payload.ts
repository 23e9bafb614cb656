import { decodePayload, type PayloadType, type PayloadTypes } from '@lloom/codec';
import type { SignedEnvelope } from '@lloom/core';

import { IdentityError } from '../errors.ts';
import { equalValues } from './equal.ts';

/**
 * The payload that the signed bytes of an envelope say. When the envelope also shows one, the two must be the same:
 * nobody can show one payload and have another one signed.
 * @throws {IdentityError} `PAYLOAD_MISMATCH`
 */
export function signedPayloadOf<K extends PayloadType>(
  type: K,
  envelope: SignedEnvelope & { readonly payload?: unknown },
): PayloadTypes[K] {
  let signed: PayloadTypes[K];
  try {
    signed = decodePayload(type, envelope.payloadBytes);
  } catch (cause) {
    throw new IdentityError('PAYLOAD_MISMATCH', { reason: 'unreadable' }, { cause });
  }
  if ('payload' in envelope && !equalValues(signed, envelope.payload)) {
    throw new IdentityError('PAYLOAD_MISMATCH', { reason: 'different' });
  }
  return signed;
}
