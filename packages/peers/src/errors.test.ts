import { describe, expect, it } from 'vitest';

import { PeersError, type PeersErrorCode, type PeersErrorData } from './errors.ts';

const peerId = 'peer-1';
const attempts = [{ address: '/a', reason: 'closed', message: 'read ECONNRESET' }] as const;

const rows: {
  readonly [C in PeersErrorCode]: readonly [data: PeersErrorData[C], message: string, retryable: boolean];
} = {
  DIAL_FAILED: [
    { peerId, attempts },
    'Cannot dial "peer-1": /a: the other side closed during the handshake',
    true,
  ],
  WRONG_PEER: [
    { peerId, address: '/a', foundPeerId: 'b' },
    'Cannot use "/a" for "peer-1": it belongs to "b"',
    false,
  ],
  NO_ADDRESS: [{ peerId, unusable: [] }, 'Cannot dial "peer-1": no address of it is known', true],
  ADDRESS_REFUSED: [
    { peerId, refusals: [{ address: '/a', reason: 'is private' }] },
    'Cannot use addresses of "peer-1": /a: is private',
    false,
  ],
  PEER_REFUSED: [{ peerId }, 'Cannot dial "peer-1": the node\'s connection gater refuses it', false],
  BANNED: [{ peerId, until: 5 }, 'Cannot dial "peer-1": it is banned until 1970-01-01T00:00:00.005Z', false],
  OWN_PEER: [{ peerId }, 'Cannot use "peer-1": it is this node itself', false],
  LIMIT_REACHED: [
    { peerId, limit: 'maxConnections', value: 2 },
    'Cannot take on "peer-1": maxConnections is reached, it is 2',
    true,
  ],
  DIAL_TIMEOUT: [
    { peerId, limitMs: 9, attempts: [] },
    'Cannot dial "peer-1": waited 9 ms, which is the limit',
    true,
  ],
  CANCELLED: [{ peerId, by: 'signal' }, 'Cannot dial "peer-1": ended by its signal', false],
  CLOSE_FAILED: [{ peerId, reason: 'no way' }, 'Cannot close connections to "peer-1": no way', true],
  STORE_FAILED: [
    { peerId, what: 'ban', reason: 'the disk is full' },
    'Cannot write down ban of "peer-1": the disk is full',
    true,
  ],
  STOPPED: [{ peerId }, 'Cannot dial "peer-1": the node is not running', false],
};

describe('PeersError', () => {
  it.each(Object.entries(rows))(
    '%s says what happened and what to do',
    (code, [data, message, retryable]) => {
      const error = new PeersError(code as PeersErrorCode, data);
      expect(error.toJSON()).toEqual({
        name: 'PeersError',
        code,
        message,
        data,
        retryable,
        hint: error.hint,
      });
      expect(error.hint).toMatch(/^[A-Z].*\.$/);
      expect(PeersError.is(error, code as PeersErrorCode)).toBe(true);
    },
  );

  it('has shorter words when less is known', () => {
    expect([
      new PeersError('WRONG_PEER', { peerId }).message,
      new PeersError('NO_ADDRESS', { peerId, unusable: ['/a'] }).message,
      new PeersError('LIMIT_REACHED', { peerId, limit: 'maxDialQueueLength' }).message,
      new PeersError('CANCELLED', { peerId, by: 'disconnectPeer' }).message,
      new PeersError('DIAL_FAILED', { peerId, attempts: [{ reason: 'other', message: '' }] }).message,
    ]).toEqual([
      'Cannot use the address for "peer-1": it belongs to another peer',
      'Cannot dial "peer-1": no transport of this node can use /a',
      'Cannot take on "peer-1": maxDialQueueLength is reached',
      'Cannot dial "peer-1": ended by disconnectPeer',
      'Cannot dial "peer-1": one address: failed otherwise',
    ]);
  });
});
