import { describe, expect, test } from 'vitest';
import { createLog, type LogRecord } from '@lloom/transport';
import type { LloomEvents } from '../events.ts';
import { summaryOf, tableReport } from './debugging.ts';

/** What must not be read from a log. */
const secret = 'SECRET';
const failure = Object.assign(new Error('Cannot do it'), {
  code: 'TIMEOUT',
  data: { remoteMessage: secret },
});

/** A value with a secret wherever contents, payloads, channels and signatures are. */
const contents = {
  payload: { prompt: secret, content: secret },
  payloadBytes: new TextEncoder().encode(secret),
  signature: secret,
  nonce: secret,
};
const endpoint = {
  direction: 'inbound',
  remoteAddress: '/ip4/192.0.2.1/tcp/1',
  transport: 'tcp',
  relayed: false,
};
const peerId = 'peer-1';
const requestId = 'r-1';
const addresses = [endpoint.remoteAddress];
const service = { kind: 'executor', models: [secret], pricing: { inboundPrice: secret } };

type Rows = { readonly [K in keyof LloomEvents]: readonly [detail: object, fields: object] };

/** For each event: what is told, and what is logged of it. */
const rows: Rows = {
  'connection:established': [
    { peerId, endpoint },
    { peerId, ...endpoint },
  ],
  'connection:closed': [
    { peerId, endpoint, cause: { code: 'IDLE', message: 'nobody used it' } },
    { peerId, ...endpoint, code: 'IDLE', reason: 'nobody used it' },
  ],
  'peer:banned': [
    { peerId, since: 1, until: 2, reason: secret, by: 'user' },
    { peerId, since: 1, until: 2, by: 'user' },
  ],
  'peer:unbanned': [
    { peerId, by: 'time' },
    { peerId, by: 'time' },
  ],
  'request:received': [
    { peerId, request: { type: 'llmRequest', request: contents }, channel: { requestId, signal: secret } },
    { peerId, requestId, method: 'llmRequest' },
  ],
  'request:lost': [
    { peerId, signer: '0xabc', idempotencyKey: secret, acceptedAt: 3 },
    { peerId, signer: '0xabc', acceptedAt: 3 },
  ],
  'response:received': [
    { peerId, requestId, response: { type: 'custom', protocolName: '/mine/1.0.0', value: secret } },
    { peerId, requestId, response: 'custom', protocolName: '/mine/1.0.0' },
  ],
  'request:failed': [
    { peerId, requestId, error: failure },
    { peerId, requestId, code: 'TIMEOUT', reason: 'Cannot do it' },
  ],
  'request:retrying': [
    { peerId, requestId, attempt: 2, delayMs: 5, error: failure },
    { peerId, requestId, attempt: 2, delayMs: 5, code: 'TIMEOUT', reason: 'Cannot do it' },
  ],
  'routing:updated': [
    { peerId, addresses },
    { peerId, addresses },
  ],
  'service:discovered': [
    { service: { kind: 'executor', model: 'demo' }, providers: [{ peerId, info: service }] },
    { kind: 'executor', model: 'demo', providers: 1 },
  ],
  'service:advertised': [{ service }, { kind: 'executor' }],
  'service:retrying': [
    { service, delayMs: 5, error: failure },
    { kind: 'executor', delayMs: 5, code: 'TIMEOUT', reason: 'Cannot do it' },
  ],
  'service:withdrawn': [{ service }, { kind: 'executor' }],
  'bootstrap:joined': [
    { peerIds: [peerId], foundPeers: 3 },
    { peerIds: [peerId], foundPeers: 3 },
  ],
  'bootstrap:retrying': [
    { delayMs: 5, error: failure },
    { delayMs: 5, code: 'TIMEOUT', reason: 'Cannot do it' },
  ],
  'peer:discovered': [
    { peerId, addresses },
    { peerId, addresses },
  ],
  'peer:expired': [{ peerId }, { peerId }],
  'message:received': [
    { peerId, topic: 'news', message: { type: 'custom', value: secret, ...contents } },
    { peerId, topic: 'news', message: 'custom' },
  ],
  'gossip:degraded': [
    { topic: 'news', reason: 'NO_PEERS', topicPeers: 0, meshPeers: 0, hint: 'Wait.' },
    { topic: 'news', reason: 'NO_PEERS', topicPeers: 0, meshPeers: 0, hint: 'Wait.' },
  ],
  'gossip:recovered': [
    { reason: 'NO_PEERS', degradedMs: 9 },
    { reason: 'NO_PEERS', degradedMs: 9 },
  ],
  'nat:changed': [
    { status: { kind: 'public', address: addresses[0] }, previous: { kind: 'unknown' } },
    { status: 'public', address: addresses[0], previous: 'unknown' },
  ],
  'relay:reserved': [
    { relay: 'peer-9', addresses, expiresAt: 7 },
    { relay: 'peer-9', addresses, expiresAt: 7 },
  ],
  'relay:lost': [
    { relay: 'peer-9', reason: 'it is gone', retryAt: 7 },
    { relay: 'peer-9', reason: 'it is gone', retryAt: 7 },
  ],
  'connection:upgraded': [
    { peerId, how: 'dialed', remoteAddress: addresses[0], tookMs: 4 },
    { peerId, how: 'dialed', remoteAddress: addresses[0], tookMs: 4 },
  ],
  'connection:stays-relayed': [
    { peerId, reason: 'NO_ADDRESSES', retryAt: 7 },
    { peerId, reason: 'NO_ADDRESSES', retryAt: 7 },
  ],
};

describe('what is logged of an event', () => {
  test.each(Object.entries(rows))(
    '%s: whom it is about and how it went, not contents',
    (type, [detail, fields]) => {
      const name = type as keyof LloomEvents;
      const summary = summaryOf(name, detail as LloomEvents[typeof name]);
      expect(summary).toEqual({ type, ...fields });
      // A log takes it as it is: nothing in it has depth.
      const records: LogRecord[] = [];
      const log = createLog({ level: 'info', sink: (record) => records.push(record) });
      log.forComponent('lloom:events')('%s %o', type, summary);
      expect(records).toMatchObject([{ message: type, fields: { type } }]);
      expect(JSON.stringify([summary, records])).not.toContain(secret);
    },
  );

  test('a ban: why, when the node has said it, not when the user has', () => {
    const ban = { peerId, since: 1, until: 2, reason: 'it floods' };
    expect(summaryOf('peer:banned', { ...ban, by: 'reputation' })).toMatchObject({ reason: 'it floods' });
    const cause = { code: 'BANNED', message: secret } as const;
    const closed = { peerId, endpoint, cause } as LloomEvents['connection:closed'];
    expect(summaryOf('connection:closed', closed)).toEqual({
      ...{ type: 'connection:closed', peerId, ...endpoint, code: 'BANNED' },
    });
  });

  test('names the first of many addresses and peers', () => {
    const many = Array.from({ length: 1_000 }, (_, at) => `peer-${at}`);
    expect(summaryOf('routing:updated', { peerId, addresses: many })['addresses']).toHaveLength(16);
    expect(summaryOf('bootstrap:joined', { peerIds: many, foundPeers: 1_000 })['peerIds']).toHaveLength(64);
  });
});

test('a table names the first 64 peers and connections, and says how many there are', () => {
  const ids = Array.from({ length: 100 }, (_, at) => `peer-${at}`);
  const connection = { direction: 'inbound', transport: 'tcp' } as const;
  const report = tableReport(ids, {
    shown: ids.map((id, at) => ({ ...connection, peerId: id, relayed: at === 1 })),
    total: 2_345,
  });
  expect(report['peers']).toEqual(ids.slice(0, 64));
  expect(report['connections']).toHaveLength(64);
  expect(report['connections']).toEqual(
    expect.arrayContaining(['peer-0 inbound tcp', 'peer-1 inbound tcp relayed']),
  );
  expect(report).toMatchObject({ totalPeers: 100, totalConnections: 2_345 });
});
