import { describe, expect, it } from 'vitest';

import { PeersError, type DialReason } from '../errors.ts';
import { attemptsError, attemptsOf, failureOf, foundPeerOf, reasonOf } from './dialFailure.ts';

function failure(name: string, more: { code?: string; message?: string } = {}): Error {
  const error = Object.assign(new Error(more.message ?? 'it failed'), { name });
  return more.code === undefined ? error : Object.assign(error, { code: more.code });
}

const otherPeer = failure('EncryptionFailedError', {
  message: 'Payload identity key 12D3Found does not match expected remote identity key 12D3Wanted',
});

const rows: readonly (readonly [what: string, error: unknown, reason: DialReason])[] = [
  ['a refused port', failure('Error', { code: 'ECONNREFUSED' }), 'nobodyListens'],
  ['no route', failure('Error', { code: 'EHOSTUNREACH' }), 'unreachable'],
  ['no network', failure('Error', { code: 'ENETUNREACH' }), 'unreachable'],
  ['an unknown name', failure('Error', { code: 'ENOTFOUND' }), 'unknownHost'],
  ['a silent host', failure('Error', { code: 'ETIMEDOUT' }), 'timeout'],
  ['the limit of one address', failure('TimeoutError'), 'timeout'],
  ['the limit of one address, told otherwise', failure('AbortError'), 'timeout'],
  ['no answer', failure('EncryptionFailedError', { message: 'The operation was aborted' }), 'timeout'],
  [
    'no answer, later',
    failure('MuxerUnavailableError', { message: 'AbortError: The operation was aborted' }),
    'timeout',
  ],
  ['another peer', otherPeer, 'wrongPeer'],
  ['another peer, told plainly', failure('UnexpectedPeerError'), 'wrongPeer'],
  ['a reset while connecting', failure('Error', { code: 'ECONNRESET' }), 'closed'],
  ['an end within the handshake', failure('EncryptionFailedError'), 'closed'],
  ['an end after the handshake', failure('ConnectionClosedError'), 'closed'],
  ['no common muxer', failure('MuxerUnavailableError'), 'closed'],
  ['a gate of this node', failure('ConnectionInterceptedError'), 'refusedHere'],
  ['something new', failure('SurpriseError', { code: 'ESURPRISE' }), 'other'],
  ['a name of every object', failure('constructor', { code: 'toString' }), 'other'],
  ['a number for a code', Object.assign(new Error('x'), { code: 20 }), 'other'],
];

describe('reasonOf()', () => {
  it.each(rows)('knows %s', (_, error, reason) => {
    expect(reasonOf(error)).toBe(reason);
  });
});

describe('foundPeerOf()', () => {
  it('reads which peer was met', () => {
    expect(foundPeerOf(otherPeer)).toBe('12D3Found');
    expect(foundPeerOf(failure('EncryptionFailedError'))).toBeUndefined();
  });
});

describe('attemptsOf()', () => {
  const both = new AggregateError([failure('Error', { code: 'ECONNREFUSED' }), failure('TimeoutError')]);

  it('gives each error its address', () => {
    expect(attemptsOf(both, ['/a', '/b'])).toEqual([
      { address: '/a', reason: 'nobodyListens', message: 'it failed' },
      { address: '/b', reason: 'timeout', message: 'it failed' },
    ]);
  });

  it('names no address when it is not known which', () => {
    expect(attemptsOf(both, [])).toEqual([
      { reason: 'nobodyListens', message: 'it failed' },
      { reason: 'timeout', message: 'it failed' },
    ]);
  });

  it('cuts long messages', () => {
    const [attempt] = attemptsOf(failure('Error', { message: 'x'.repeat(1_000) }), []);
    expect(attempt?.message).toHaveLength(256);
  });
});

describe('attemptsError()', () => {
  it('has a code of its own when all agree on time', () => {
    const cause = new AggregateError([failure('TimeoutError'), failure('AbortError')]);
    const error = attemptsError('peer-1', cause, ['/a', '/b']);
    expect(error).toMatchObject({ code: 'DIAL_TIMEOUT', retryable: true, cause });
    expect(error.message).toBe('Cannot dial "peer-1": /a: no answer in time; /b: no answer in time');
  });

  it('has a code of its own when all agree on another peer', () => {
    expect(attemptsError('peer-1', otherPeer, ['/a'])).toMatchObject({
      code: 'WRONG_PEER',
      data: { peerId: 'peer-1', address: '/a', foundPeerId: '12D3Found' },
    });
    expect(attemptsError('peer-1', failure('UnexpectedPeerError'), [])).toMatchObject({
      code: 'WRONG_PEER',
      data: { peerId: 'peer-1' },
    });
  });

  it('lists the reasons when they differ', () => {
    const mixed = new AggregateError([otherPeer, failure('Error', { code: 'ECONNREFUSED' })]);
    const error = attemptsError('peer-1', mixed, ['/a', '/b']);
    expect(error.code).toBe('DIAL_FAILED');
    expect(error.message).toBe(
      'Cannot dial "peer-1": /a: another peer lives there; /b: nobody listens there',
    );
  });

  it('does not take no attempt for agreement', () => {
    const error = attemptsError('peer-1', new AggregateError([]), []);
    expect(error.message).toBe('Cannot dial "peer-1": nothing was tried');
  });
});

describe('failureOf()', () => {
  it('keeps an error of this package, and takes any other for a failed dial', () => {
    expect(failureOf('peer-1', new PeersError('STOPPED', { peerId: 'peer-1' }))).toEqual({
      code: 'STOPPED',
      data: { peerId: 'peer-1' },
    });
    expect(failureOf('peer-1', 'no error at all')).toEqual({
      code: 'DIAL_FAILED',
      data: { peerId: 'peer-1', attempts: [{ reason: 'other', message: 'no error at all' }] },
    });
  });
});
