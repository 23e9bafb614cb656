import { decodeDescriptorFrame, type ServiceDescriptor } from '@lloom/codec';
import { explainError, LloomError, type Verifier, orAbort } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { FoundPeer } from '../types.ts';
import { startDeadline, type Signals } from './deadline.ts';
import type { Shared } from './shared.ts';

/** A descriptor that is valid for longer could be shown to others long after it was withdrawn. */
const maxLifetimeMs = 600_000;

/**
 * What a peer says of itself, proven; `undefined` when it never offered anything.
 *
 * @throws {DiscoveryError} `DESCRIPTOR_REFUSED` or `DESCRIPTOR_UNREACHABLE`
 */
export async function describe(
  shared: Pick<Shared, 'clock' | 'config' | 'dialer' | 'network'> & { readonly verifier: Verifier },
  peer: FoundPeer,
  signals: Signals,
): Promise<ServiceDescriptor | undefined> {
  const { clock, verifier, dialer, network } = shared;
  const { descriptorTimeoutMs: timeoutMs } = shared.config;
  const { peerId } = peer;
  // Asked first: a peer whose key cannot sign descriptors need not be dialled.
  if (verifier.addressOf(peerId) === undefined) throw refused(peerId, 'KEY_TYPE');
  const deadline = startDeadline(clock, timeoutMs, signals);
  try {
    const exchange = async (): Promise<Uint8Array> => {
      await dialer.dial(peerId, peer.addresses, { signal: deadline.signal, toldBy: 'peers' });
      return network.ask(peerId, { signal: deadline.signal });
    };
    const frame = await orAbort(exchange(), deadline.signal);
    return await openDescriptor(verifier, peerId, frame);
  } catch (error) {
    if (DiscoveryError.is(error)) throw error;
    const reason = deadline.expired ? `no answer within ${timeoutMs} ms` : explainError(error);
    throw new DiscoveryError('DESCRIPTOR_UNREACHABLE', { peerId, reason }, { cause: error });
  } finally {
    deadline.clear();
  }
}

/**
 * The descriptor in a frame that a peer sent: signed by that peer's own key, about that peer, and fresh.
 *
 * @throws {DiscoveryError} `DESCRIPTOR_REFUSED`
 */
export async function openDescriptor(
  verifier: Verifier,
  peerId: string,
  frame: Uint8Array,
): Promise<ServiceDescriptor | undefined> {
  try {
    const message = decodeDescriptorFrame(frame);
    if (message === undefined) return undefined;
    const signer = verifier.addressOf(peerId);
    if (signer === undefined) throw refused(peerId, 'KEY_TYPE');
    if (message.expiresMs - message.timestampMs > maxLifetimeMs) throw refused(peerId, 'LIFETIME_TOO_LONG');
    const proven = await verifier.verify(message, { payloadType: 'ServiceDescriptor', signer });
    if (proven.signer.toLowerCase() !== signer.toLowerCase()) throw refused(peerId, 'WRONG_SIGNER');
    if (message.payload.peerId !== peerId) throw refused(peerId, 'WRONG_PEER');
    return message.payload;
  } catch (error) {
    if (DiscoveryError.is(error)) throw error;
    throw refused(peerId, LloomError.isLloomError(error) ? error.code : 'UNVERIFIED', error);
  }
}

function refused(peerId: string, reason: string, cause?: unknown): DiscoveryError<'DESCRIPTOR_REFUSED'> {
  return new DiscoveryError('DESCRIPTOR_REFUSED', { peerId, reason }, { cause });
}
