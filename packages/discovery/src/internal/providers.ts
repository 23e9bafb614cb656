import type { ServiceDescriptor } from '@lloom/codec';
import { toMultiaddr } from '@lloom/core';
import type { FoundPeer, Provider, ServiceQuery } from '../types.ts';
import type { KnownPeer } from './knownPeers.ts';
import { findOffer } from './services.ts';

const maxAddresses = 16;

/** A peer as a provider of what is looked for; `undefined` when it does not offer that. */
export function toProvider(
  { peerId, heardAt, message }: Pick<KnownPeer, 'peerId' | 'heardAt' | 'message'>,
  query: ServiceQuery,
  named: readonly string[] = [],
): Provider | undefined {
  const { payload } = message;
  const info = findOffer(payload, query);
  if (info === undefined) return undefined;
  const own = ownAddresses(payload);
  const addresses = own.length > 0 ? own : named.slice(0, maxAddresses);
  const { agentVersion } = payload;
  return { peerId, addresses, info, heardAt, ...(agentVersion !== undefined && { agentVersion }) };
}

/** A peer that can be asked, by what it said of itself. */
export function toFoundPeer({ peerId, message }: Pick<KnownPeer, 'peerId' | 'message'>): FoundPeer {
  return { peerId, addresses: ownAddresses(message.payload) };
}

/** The addresses that a peer names and that can be used. */
export function ownAddresses({ addresses }: ServiceDescriptor): readonly string[] {
  return addresses.filter(isAddress).slice(0, maxAddresses);
}

function isAddress(text: string): boolean {
  try {
    toMultiaddr(text);
    return true;
  } catch {
    return false;
  }
}
