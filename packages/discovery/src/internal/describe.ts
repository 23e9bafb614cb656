import {
  decodeDescriptorFrame,
  encodeDescriptorRequest,
  type ServiceDescriptor,
  type SignedMessage,
} from '@lloom/codec';
import { explainError, type Verifier, orAbort } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { Dialer } from '../ports.ts';
import type { FoundPeer } from '../types.ts';
import { startDeadline, type Signals } from './deadline.ts';
import { asRefusal, prove, refused } from './proof.ts';
import type { Shared } from './shared.ts';

/**
 * What a peer says of itself, proven; `undefined` when it never offered anything.
 *
 * @throws {DiscoveryError} `DESCRIPTOR_REFUSED` or `DESCRIPTOR_UNREACHABLE`
 */
export async function describe(
  shared: Pick<Shared, 'clock' | 'config' | 'dialer' | 'network'> & { readonly verifier: Verifier },
  peer: FoundPeer,
  signals: Signals,
): Promise<SignedMessage<ServiceDescriptor> | undefined> {
  const { clock, verifier, dialer, network } = shared;
  const { descriptorTimeoutMs: timeoutMs } = shared.config;
  const { peerId } = peer;
  // Asked first: a peer whose key cannot sign descriptors need not be dialled.
  if (verifier.addressOf(peerId) === undefined) throw refused(peerId, 'KEY_TYPE');
  const deadline = startDeadline(clock, timeoutMs, signals);
  const { signal } = deadline;
  const exchange = async (): Promise<Uint8Array> => {
    await dial(dialer, peer, signal);
    return network.ask(peerId, { exchange: 'descriptor', frame: encodeDescriptorRequest(), signal });
  };
  let frame: Uint8Array;
  try {
    frame = await orAbort(exchange(), signal);
  } catch (error) {
    const reason = deadline.expired ? `no answer within ${timeoutMs} ms` : explainError(error);
    throw new DiscoveryError('DESCRIPTOR_UNREACHABLE', { peerId, reason }, { cause: error });
  } finally {
    deadline.clear();
  }
  return openDescriptor(verifier, peerId, frame);
}

/** Connects to a peer. Whoever named its addresses may be wrong, or lie: then those count that are known otherwise. */
async function dial(dialer: Dialer, { peerId, addresses }: FoundPeer, signal: AbortSignal): Promise<void> {
  const call = { signal, toldBy: 'peers' } as const;
  try {
    await dialer.dial(peerId, addresses, call);
  } catch (error) {
    if (addresses.length === 0 || signal.aborted) throw error;
    await dialer.dial(peerId, [], call);
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
): Promise<SignedMessage<ServiceDescriptor> | undefined> {
  let message: SignedMessage<ServiceDescriptor> | undefined;
  try {
    message = decodeDescriptorFrame(frame);
  } catch (error) {
    throw asRefusal(peerId, error) ?? error;
  }
  return message && prove(verifier, peerId, message);
}
