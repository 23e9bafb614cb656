import type { ServiceDescriptor, SignedMessage } from '@lloom/codec';
import { CodecError } from '@lloom/codec';
import { LloomError, toPeerId, type Verifier } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { DropReason } from '../types.ts';

/** A descriptor that is valid for longer could be shown to others long after it was withdrawn. */
export const maxLifetimeMs = 600_000;

/**
 * Proves a descriptor: signed by the key of the peer it is about, in time, and not for too long.
 *
 * @param peerId whose it must be
 * @throws {DiscoveryError} `DESCRIPTOR_REFUSED`
 */
export async function prove(
  verifier: Verifier,
  peerId: string,
  message: SignedMessage<ServiceDescriptor>,
): Promise<SignedMessage<ServiceDescriptor>> {
  try {
    const signer = verifier.addressOf(peerId);
    if (signer === undefined) throw refused(peerId, 'KEY_TYPE');
    if (message.expiresMs - message.timestampMs > maxLifetimeMs) throw refused(peerId, 'LIFETIME_TOO_LONG');
    const proven = await verifier.verify(message, { payloadType: 'ServiceDescriptor', signer });
    if (proven.signer.toLowerCase() !== signer.toLowerCase()) throw refused(peerId, 'WRONG_SIGNER');
    // One key has several spellings of its peer id: under another one it would be somebody else.
    if (message.payload.peerId !== peerId || isOtherSpelling(peerId)) throw refused(peerId, 'WRONG_PEER');
    return message;
  } catch (error) {
    throw asRefusal(peerId, error) ?? error;
  }
}

function isOtherSpelling(peerId: string): boolean {
  try {
    return toPeerId(peerId).toString() !== peerId;
  } catch {
    // It is none at all, and has no address either.
    return false;
  }
}

/** What made a descriptor useless, as a `DESCRIPTOR_REFUSED`; `undefined` when it is not the descriptor that is wrong. */
export function asRefusal(peerId: string, error: unknown): DiscoveryError | undefined {
  if (DiscoveryError.is(error)) return error;
  return LloomError.isLloomError(error) ? refused(peerId, error.code, error) : undefined;
}

/** Says that a peer's descriptor proves nothing. */
export function refused(
  peerId: string,
  reason: string,
  cause?: unknown,
): DiscoveryError<'DESCRIPTOR_REFUSED'> {
  return new DiscoveryError('DESCRIPTOR_REFUSED', { peerId, reason }, { cause });
}

const reasons: Readonly<Record<string, DropReason>> = {
  EMPTY: 'MALFORMED',
  INVALID_PEER_ID: 'MALFORMED',
  MALFORMED: 'MALFORMED',
  LIFETIME_TOO_LONG: 'MALFORMED',
  WRONG_SIGNER: 'FOREIGN',
  WRONG_PEER: 'FOREIGN',
  KEY_TYPE: 'FOREIGN',
  EXPIRED: 'STALE',
  NOT_YET_VALID: 'STALE',
  STALE: 'STALE',
  REPLAYED: 'REPLAYED',
  TOO_MANY: 'TOO_MANY',
};

/** Reasons that no honest peer gives: neither clocks, nor other versions, nor other kinds of keys. */
const faults: ReadonlySet<string> = new Set([
  'BAD_SIGNATURE',
  'INVALID_PEER_ID',
  'LIFETIME_TOO_LONG',
  'MALFORMED',
  'PAYLOAD_MISMATCH',
  'WRONG_PEER',
  'WRONG_SIGNER',
  'WRONG_TYPE',
]);

/** Whether a peer is to blame whose own descriptor was refused. */
export function isFault(error: unknown): boolean {
  return DiscoveryError.is(error, 'DESCRIPTOR_REFUSED') && faults.has(error.data.reason);
}

/**
 * Whether whoever passed a descriptor on is to blame. Not for what was true a moment ago, nor for what another version or kind of
 * key makes of it: its neighbours have let it pass, and would lose their good name for being up to date. An empty one, by which a
 * peer says of itself that it offers nothing, nobody passes on.
 */
export function isFaultOfRelay(error: unknown): boolean {
  return isFault(error) || (DiscoveryError.is(error, 'DESCRIPTOR_REFUSED') && error.data.reason === 'EMPTY');
}

/** Under which of the counted reasons a refusal falls. */
export function dropReasonOf(error: unknown): DropReason {
  if (!DiscoveryError.is(error, 'DESCRIPTOR_REFUSED')) return 'MALFORMED';
  if (CodecError.is(error.cause)) return 'MALFORMED';
  return reasons[error.data.reason] ?? 'FORGED';
}
