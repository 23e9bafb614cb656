import { isPeerId, type PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { isMultiaddr, multiaddr, type Multiaddr } from '@multiformats/multiaddr';

import { AddressError, errorText } from './errors.ts';
import { cutText } from './internal/text.ts';

const longestShown = 200;

/** Peer ids that were read last. Reading one decompresses a point of the curve, which is dear. */
const known = new Map<string, PeerId>();
const maxKnown = 1_024;

/**
 * A peer id from an object or its text.
 * @throws {AddressError} `INVALID_PEER_ID`
 */
export function toPeerId(value: PeerId | string): PeerId {
  if (isPeerId(value)) return value;
  const before = known.get(value);
  if (before !== undefined) return before;
  try {
    const peerId = peerIdFromString(value);
    const [oldest] = known.keys();
    if (known.size >= maxKnown && oldest !== undefined) known.delete(oldest);
    known.set(value, peerId);
    return peerId;
  } catch (cause) {
    throw new AddressError('INVALID_PEER_ID', { got: cutText(String(value), longestShown) }, { cause });
  }
}

/**
 * A multiaddr from an object or its text. A host name behind `/ip4/` gets an error that suggests `/dns4/`.
 * @throws {AddressError} `INVALID_MULTIADDR`
 */
export function toMultiaddr(value: Multiaddr | string): Multiaddr {
  if (isMultiaddr(value)) return value;
  // Without parts there is nothing to dial; the parser takes nothing at all for that, too.
  const isEmpty = !value || /^\/*$/.test(value);
  try {
    if (isEmpty) throw new Error('it is empty');
    return multiaddr(value);
  } catch (cause) {
    const text = String(value);
    const suggestion = isEmpty ? undefined : suggest(text);
    const reason =
      suggestion === undefined ? errorText(cause, 120) : 'a host name stands where an IP address must';
    const got = cutText(text, longestShown);
    throw new AddressError(
      'INVALID_MULTIADDR',
      { got, reason, ...(suggestion && { suggestion }) },
      { cause },
    );
  }
}

/**
 * An address that ends in `/p2p/<peer id>`, and that peer.
 * @throws {AddressError} `INVALID_MULTIADDR`; `MISSING_PEER_ID` when it names no peer at its end; `INVALID_PEER_ID`
 * when what it names is none
 */
export function toPeerAddress(value: Multiaddr | string): { peerId: PeerId; address: Multiaddr } {
  const address = toMultiaddr(value);
  const last = peerAtEnd(address);
  if (last === undefined) {
    throw new AddressError('MISSING_PEER_ID', { got: cutText(address.toString(), longestShown) });
  }
  return { peerId: toPeerId(last), address };
}

/** The same address with `/p2p/<peer id>` at its end, once, and no other peer there. */
export function withPeerId(address: Multiaddr, peerId: PeerId): Multiaddr {
  const last = peerAtEnd(address);
  if (last === peerId.toString()) return address;
  const bare = last === undefined ? address : address.decapsulateCode(p2pCode);
  return bare.encapsulate(`/p2p/${peerId.toString()}`);
}

const p2pCode = 421;

function peerAtEnd(address: Multiaddr): string | undefined {
  const last = address.getComponents().at(-1);
  return last?.code === p2pCode ? last.value : undefined;
}

/** The address with `/dns4/` or `/dns6/` before what can only be a host name. */
function suggest(text: string): string | undefined {
  const fixed = text.replace(/^\/ip([46])\/(?=[^/:]*[a-zA-Z][^/:]*(?:\/|$))/, '/dns$1/');
  if (fixed === text) return undefined;
  try {
    return multiaddr(fixed).toString();
  } catch {
    return undefined;
  }
}
