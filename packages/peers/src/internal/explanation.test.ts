import { describe, expect, it } from 'vitest';
import type { PeerExplanation } from '../types.ts';
import { explain } from './explanation.ts';

const nothing: Omit<PeerExplanation, 'text'> = {
  peerId: '12D3KooW',
  reputation: 0,
  facts: [],
  thresholds: { disconnectBelow: -20, banBelow: -50 },
  roles: [],
  isConnected: false,
  state: 'absent',
  protectedBy: [],
};
const hour = 3_600_000;

describe('explain()', () => {
  it('says of an unknown peer that there is nothing to say', () => {
    expect(explain(nothing, 0).text.split('\n')).toEqual([
      '12D3KooW: nothing is under way with it',
      'reputation 0 (disconnected below -20, banned below -50)',
    ]);
  });

  it('says why a peer is banned and until when', () => {
    const ban = { peerId: '12D3KooW', since: 0, until: 2 * hour };
    const byUser = explain(
      { ...nothing, state: 'banned', ban: { ...ban, reason: 'spam', by: 'user' } },
      hour,
    );
    expect(byUser.text.split('\n').slice(0, 2)).toEqual([
      '12D3KooW: banned',
      'banned by the user until 1970-01-01T02:00:00.000Z, 1 h from now: spam',
    ]);
    const byReputation = explain({ ...nothing, ban: { ...ban, by: 'reputation' } }, 3 * hour);
    expect(byReputation.text).toContain(
      'banned by its reputation until 1970-01-01T02:00:00.000Z, 0 s from now',
    );
    const forEver = explain({ ...nothing, ban: { ...ban, until: Number.MAX_VALUE, by: 'user' } }, 0);
    expect(forEver.text).toContain('until the end of time');
  });

  it('says what made a reputation, but not what is nearly forgotten', () => {
    const facts = [
      { fact: 'PROTOCOL_VIOLATION' as const, count: 2, points: -31.26, lastAt: 0 },
      { fact: 'SERVED' as const, count: 1, points: 1, lastAt: 90_000 },
      { fact: 'FLOOD' as const, count: 1, points: -0.01, lastAt: 0 },
    ];
    expect(
      explain({ ...nothing, reputation: -30.26, facts }, 120_000)
        .text.split('\n')
        .slice(1),
    ).toEqual([
      'reputation -30.3 (disconnected below -20, banned below -50)',
      '  -31.3 PROTOCOL_VIOLATION, 2 times, last 2 min ago',
      '  +1 SERVED, once, last 30 s ago',
    ]);
  });

  it('says what it is to this node, and why its connection is kept', () => {
    const kept = explain(
      {
        ...nothing,
        state: 'resting',
        isConnected: true,
        roles: ['executor', 'relay'],
        maintained: { failures: 0 },
        protectedBy: ['maintained', 'inUse', 'minimum'],
      },
      0,
    );
    const lines = kept.text.split('\n');
    expect(lines[0]).toBe('12D3KooW: not connected; dialled again after a pause, with a connection open');
    expect(lines[1]).toBe('it is: executor, relay');
    expect(lines.slice(3)).toEqual([
      'maintained',
      'not closed, also when there are too many connections: maintained, inUse',
      'not closed for disuse, but when there are too many: minimum',
    ]);
    const lost = { failures: 3, lastError: 'nobody listens there' };
    expect(explain({ ...nothing, maintained: lost }, 0).text).toContain(
      'maintained; dials that failed in a row: 3, the last one because: nobody listens there',
    );
  });

  it('says until when a peer is kept away', () => {
    expect(explain({ ...nothing, awayUntil: 10_000 }, 2_000).text.split('\n')[1]).toBe(
      'kept away until 1970-01-01T00:00:10.000Z, 8 s from now, because it was disconnected',
    );
  });

  it('adds the words to what was known', () => {
    expect(explain(nothing, 0)).toMatchObject(nothing);
  });
});
