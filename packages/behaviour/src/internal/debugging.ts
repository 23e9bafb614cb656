import { errorText } from '@lloom/core';
import type { LloomEvents } from '../events.ts';
import { ownReasonOf } from './banReason.ts';

/** What a line says of something. */
type Fields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

const maxIds = 64;
const maxAddresses = 16;

/** What an event says without what was asked, answered or signed. */
const summaries: { readonly [K in keyof LloomEvents]: (detail: LloomEvents[K]) => Fields } = {
  'connection:established': ({ peerId, endpoint }) => ({ peerId, ...endpointOf(endpoint) }),
  'connection:closed': ({ peerId, endpoint, cause }) => ({
    ...{ peerId, ...endpointOf(endpoint) },
    // That of a ban may be the user's: see `peer:banned`.
    ...{ code: cause?.code, reason: cause?.code === 'BANNED' ? undefined : cause?.message },
  }),
  'peer:banned': (ban) => ({
    ...{ peerId: ban.peerId, since: ban.since, until: ban.until },
    ...{ reason: ownReasonOf(ban), by: ban.by },
  }),
  'peer:unbanned': ({ peerId, by }) => ({ peerId, by }),
  'request:received': ({ peerId, request, channel }) => ({
    ...{ peerId, requestId: channel.requestId, method: request.type },
  }),
  'request:lost': ({ peerId, signer, acceptedAt }) => ({ peerId, signer, acceptedAt }),
  'response:received': ({ peerId, requestId, response }) => ({
    ...{ peerId, requestId, response: response.type },
    protocolName: response.type === 'custom' ? response.protocolName : undefined,
  }),
  'request:failed': ({ peerId, requestId, error }) => ({ peerId, requestId, ...failureOf(error) }),
  'request:retrying': ({ peerId, requestId, attempt, delayMs, error }) => ({
    ...{ peerId, requestId, attempt, delayMs, ...failureOf(error) },
  }),
  'routing:updated': ({ peerId, addresses }) => ({ peerId, addresses: addresses.slice(0, maxAddresses) }),
  'service:discovered': ({ service, providers }) => ({
    ...{ kind: service.kind, providers: providers.length },
    model: service.kind === 'executor' ? service.model : undefined,
  }),
  'service:advertised': ({ service }) => ({ kind: service.kind }),
  'service:retrying': ({ service, delayMs, error }) => ({
    ...{ kind: service.kind, delayMs, ...failureOf(error) },
  }),
  'service:withdrawn': ({ service }) => ({ kind: service.kind }),
  'bootstrap:joined': ({ peerIds, foundPeers }) => ({ peerIds: peerIds.slice(0, maxIds), foundPeers }),
  'bootstrap:retrying': ({ delayMs, error }) => ({ delayMs, ...failureOf(error) }),
  'peer:discovered': ({ peerId, addresses }) => ({ peerId, addresses: addresses.slice(0, maxAddresses) }),
  'peer:expired': ({ peerId }) => ({ peerId }),
  'message:received': ({ peerId, topic, message }) => ({ peerId, topic, message: message.type }),
  'gossip:degraded': ({ topic, reason, topicPeers, meshPeers, hint }) => ({
    ...{ topic, reason, topicPeers, meshPeers, hint },
  }),
  'gossip:recovered': ({ topic, reason, degradedMs }) => ({ topic, reason, degradedMs }),
  'nat:changed': ({ status, previous }) => ({
    ...{ status: status.kind, previous: previous.kind },
    address: status.kind === 'public' ? status.address : undefined,
  }),
  'relay:reserved': ({ relay, addresses, expiresAt }) => ({
    ...{ relay, addresses: addresses.slice(0, maxAddresses), expiresAt },
  }),
  'relay:lost': ({ relay, reason, retryAt }) => ({ relay, reason, retryAt }),
  'connection:upgraded': ({ peerId, how, remoteAddress, tookMs }) => ({ peerId, how, remoteAddress, tookMs }),
  'connection:stays-relayed': ({ peerId, reason, retryAt }) => ({ peerId, reason, retryAt }),
};

type Endpoint = LloomEvents['connection:established']['endpoint'];

const endpointOf = ({ direction, remoteAddress, transport, relayed }: Endpoint): Fields => ({
  ...{ direction, remoteAddress, transport, relayed },
});

const failureOf = (error: Error & { readonly code: string }): Fields => ({
  ...{ code: error.code, reason: errorText(error) },
});

/** What is logged of an event: its name, whom it is about, and how it went. Flat, and never contents. */
export function summaryOf<K extends keyof LloomEvents>(type: K, detail: LloomEvents[K]): Fields {
  return { type, ...summaries[type](detail) };
}

/** What a report says of a connection. */
export interface DebuggedConnection {
  readonly peerId: string;
  readonly direction: 'inbound' | 'outbound';
  readonly transport: string;
  readonly relayed: boolean;
}

/** The connections that are open, or the first of them. */
export interface DebuggedConnections {
  readonly shown: readonly DebuggedConnection[];
  /** How many there are, those included that are not shown. */
  readonly total: number;
}

/** Whom the DHT asks, and who is connected: the first of each, and how many there are. */
export function tableReport(peerIds: readonly string[], { shown, total }: DebuggedConnections): Fields {
  return {
    peers: peerIds.slice(0, maxIds),
    totalPeers: peerIds.length,
    connections: shown.slice(0, maxIds).map(textOf),
    totalConnections: total,
  };
}

const textOf = ({ peerId, direction, transport, relayed }: DebuggedConnection): string =>
  `${peerId} ${direction} ${transport}${relayed ? ' relayed' : ''}`;
