import type { Multiaddr } from '@multiformats/multiaddr';

const carriers = [
  'memory',
  'unix',
  'tcp',
  'udp',
  'quic',
  'quic-v1',
  'ws',
  'wss',
  'webtransport',
  'webrtc-direct',
  'webrtc',
];

/** Whether an address goes through a relay. */
export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'p2p-circuit');
}

/** What carries bytes to an address; of a relayed one, to the relay. `unknown` when it does not say. */
export function transportOf(address: Multiaddr): string {
  const names = address.getComponents().map(({ name }) => name);
  const end = names.indexOf('p2p-circuit');
  const hop = end === -1 ? names : names.slice(0, end);
  const carrier = hop.findLast((name) => carriers.includes(name)) ?? 'unknown';
  return carrier === 'ws' && hop.includes('tls') ? 'wss' : carrier;
}

/** The peer that an address names at its end; `undefined` when it names none, or only a relay. */
export function peerAtEnd(address: Multiaddr): string | undefined {
  const last = address.getComponents().at(-1);
  return last?.name === 'p2p' ? last.value : undefined;
}

/** The text of an address without `/p2p/<peer id>` at its end, as the peer store writes it. */
export function withoutPeer(address: Multiaddr, peerId: string): string {
  if (peerAtEnd(address) !== peerId || isRelayed(address)) return address.toString();
  return address.decapsulate(`/p2p/${peerId}`).toString();
}
