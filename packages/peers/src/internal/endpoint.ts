import type { Multiaddr } from '@multiformats/multiaddr';

import type { ConnectionEndpoint } from '../events.ts';
import type { ConnectionInfo } from '../types.ts';

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

/** The relays that an address goes through, as it names them. */
export function relaysOf(address: Multiaddr): string[] {
  const components = address.getComponents();
  return components.flatMap(({ name, value }, index) =>
    name === 'p2p' && value !== undefined && components[index + 1]?.name === 'p2p-circuit' ? [value] : [],
  );
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

/** An address without `/p2p/<peer id>` at its end, as the peer store writes it; a relayed one stays in full. */
export function withoutPeer(address: string, peerId: string): string {
  const end = `/p2p/${peerId}`;
  return address.endsWith(end) && !address.includes('/p2p-circuit/')
    ? address.slice(0, -end.length)
    : address;
}

/** What stays the same of a connection as long as it lives. */
export function endpointOf(info: ConnectionInfo): ConnectionEndpoint {
  const { openedAt: _, rttMs: __, ...endpoint } = info;
  return endpoint;
}
