import { EventHub } from '@lloom/core';
import { expect, it } from 'vitest';

import type { NatEvents } from '../events.ts';
import { writeLines } from './lines.ts';

it('a line is written for each change of how this node, or a peer, is reached', () => {
  const hub = new EventHub<NatEvents>(() => undefined);
  const lines: unknown[] = [];
  writeLines(hub, (text, fields) => void lines.push([text, fields]));
  const address = '/ip4/192.0.2.1/tcp/4001';
  hub.emit('nat:changed', { status: { kind: 'public', address }, previous: { kind: 'unknown' } });
  hub.emit('nat:changed', { status: { kind: 'private' }, previous: { kind: 'public', address } });
  hub.emit('relay:reserved', { relay: 'r', addresses: [], expiresAt: 7 });
  hub.emit('relay:lost', { relay: 'r', reason: 'the connection closed' });
  hub.emit('connection:upgraded', { peerId: 'p', how: 'punched', remoteAddress: address, tookMs: 70 });
  hub.emit('connection:stays-relayed', { peerId: 'p', reason: 'nothing came through' });
  expect(lines).toEqual([
    ['others reach this node otherwise than before', { status: 'public', previous: 'unknown', address }],
    ['others reach this node otherwise than before', { status: 'private', previous: 'public' }],
    ['a relay keeps a place for this node', { peerId: 'r', expiresAt: 7 }],
    ['a place at a relay is gone', { peerId: 'r', reason: 'the connection closed' }],
    ['connections to a peer do without a relay', { peerId: 'p', how: 'punched', ms: 70 }],
    ['connections to a peer go on through a relay', { peerId: 'p', reason: 'nothing came through' }],
  ]);
});
